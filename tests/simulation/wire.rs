//! Azure Resource Manager, the identity and the sinks as one process sees them.

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use aks_stop_guard::azure::{CredentialError, Secret, TokenSource, Transport, TransportError};
use aks_stop_guard::domain::Incident;
use aks_stop_guard::incident::{Delivered, DeliveryError, Sink};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use simulator::world::{self, Fault, FaultRule, PowerState, Reply};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::judge::{Landed, Post};
use crate::process::Life;
use crate::stage::{Stage, State};

/// The way to Azure.
pub(crate) struct Wire(pub(crate) Arc<Life>);

/// What became of a request on its way.
type Answered = Result<Response<Bytes>, TransportError>;

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request<Bytes>, longest: Duration) -> Answered {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = if method == Method::POST && path.ends_with("/start") {
            self.0.right_before_a_start(|| format!("{method} {path}")).await;
            self.start(request, longest).await
        } else {
            self.0.before(|| format!("{method} {path}")).await;
            self.read(request, longest).await
        };
        self.0.after().await;
        answer
    }
}

impl Wire {
    async fn read(&self, request: Request<Bytes>, longest: Duration) -> Answered {
        let life = &self.0;
        let stage = &life.stage;
        let sent_at = stage.now();
        let slow = {
            let mut state = stage.state();
            if state.trouble { state.dice.hits(stage.knobs.rates.slow) } else { false }
        };
        if slow {
            sleep(longest).await;
            return Err(TransportError::TimedOut);
        }
        let reply = {
            let mut state = stage.state();
            for fault in read_faults(&mut state, stage) {
                stage.trace(&mut state, || format!("p{} meets {fault:?}", life.number));
                state.world.add_fault(FaultRule { fault, on: None, cluster: None, times: Some(1) });
            }
            let reply = state.world.handle(&request, stage.now());
            state.world.clear_faults();
            if let Reply::Answer(answer) = &reply {
                let path = request.uri().path();
                stage.trace(&mut state, || format!("p{} got {}", life.number, shown(answer)));
                state.judge.on_read(life.number, path, answer, sent_at);
            }
            reply
        };
        client_sees(reply)
    }

    /// A start is on its way for a while, whatever its sender waits for: it lands, or dies, within QUIET (T1).
    async fn start(&self, request: Request<Bytes>, longest: Duration) -> Answered {
        let life = &self.0;
        let stage = Arc::clone(&life.stage);
        let nonce = request.headers().get("x-ms-client-request-id");
        let nonce = nonce.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let path = request.uri().path().to_owned();
        let flight = {
            let mut state = stage.state();
            let post = Post { process: life.number, mode: life.mode, nonce: nonce.clone(), at: stage.now() };
            let State { judge, world, .. } = &mut *state;
            judge.on_post(post, &path, world);
            start_flight(&mut state, &stage)
        };
        let (tell, told) = oneshot::channel();
        let lands = async move {
            sleep(flight.takes).await;
            let answer = if flight.dies {
                Err(TransportError::Broken("reset".to_owned()))
            } else {
                land(&stage, &request, &nonce, flight.fault)
            };
            let _ = tell.send(answer);
        };
        if flight.takes.is_zero() {
            lands.await;
        } else {
            tokio::spawn(lands);
        }
        match timeout(longest, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(TransportError::TimedOut),
        }
    }
}

/// How a start travels.
struct Flight {
    takes: Duration,
    dies: bool,
    fault: Option<Fault>,
}

fn start_flight(state: &mut State, stage: &Stage) -> Flight {
    let mut flight = Flight { takes: Duration::ZERO, dies: false, fault: None };
    if !state.trouble || !state.dice.hits(stage.knobs.rates.start) {
        return flight;
    }
    match state.dice.below(12) {
        0 | 1 => flight.takes = Duration::from_millis(state.dice.below(100_000)),
        2 => flight.dies = true,
        3 => flight.fault = Some(Fault::NeverArrived),
        4 => flight.fault = Some(Fault::AnswerLost),
        5 | 6 => {
            let retry_after = u32::try_from(state.dice.between(10, 1_200)).ok();
            flight.fault = Some(Fault::Throttled { retry_after });
        }
        7 => flight.fault = Some(Fault::Conflict),
        8 => flight.fault = Some(Fault::ServerError),
        9 => flight.fault = Some(Fault::StartFails { leaves: PowerState::Stopped }),
        10 => flight.fault = Some(Fault::StartFails { leaves: PowerState::Running }),
        _ => {
            let faults = [Fault::Quota, Fault::Denied, Fault::Locked, Fault::Unavailable];
            flight.fault = faults.into_iter().nth(usize::try_from(state.dice.below(4)).unwrap_or(0));
        }
    }
    flight
}

/// A start comes to Azure.
fn land(stage: &Stage, request: &Request<Bytes>, nonce: &str, fault: Option<Fault>) -> Answered {
    let mut state = stage.state();
    if let Some(fault) = fault {
        stage.trace(&mut state, || format!("the start meets {fault:?}"));
        state.world.add_fault(FaultRule { fault, on: None, cluster: None, times: Some(1) });
    }
    let now = stage.now();
    let reply = state.world.handle(request, now);
    state.world.clear_faults();
    let landed = match &reply {
        Reply::Answer(answer) => Landed::Answered(answer.status().as_u16()),
        Reply::Late { .. } | Reply::AnswerLost => Landed::AnswerLost,
        Reply::NeverArrived => Landed::Nowhere,
    };
    let retry_after = match &reply {
        Reply::Answer(answer) => {
            answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok())
        }
        Reply::Late { .. } | Reply::AnswerLost | Reply::NeverArrived => None,
    };
    stage.trace(&mut state, || format!("a start lands: {landed:?}"));
    let State { judge, world, .. } = &mut *state;
    judge.on_landed(nonce, landed, retry_after.map(SignedDuration::from_secs), world, now);
    drop(state);
    stage.azure_changed.notify_one();
    client_sees(reply)
}

fn client_sees(reply: Reply) -> Answered {
    match reply {
        Reply::Answer(answer) | Reply::Late { answer, .. } => Ok(answer),
        Reply::AnswerLost => Err(TransportError::Broken("reset".to_owned())),
        Reply::NeverArrived => Err(TransportError::NotConnected("refused".to_owned())),
    }
}

fn read_faults(state: &mut State, stage: &Stage) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !state.trouble {
        return faults;
    }
    let rates = stage.knobs.rates;
    if state.dice.hits(rates.stale) {
        // T4: an accepted stop shows within SETTLE.
        faults.push(Fault::StaleLook(SignedDuration::from_secs(state.dice.between(1, 179))));
    }
    if state.dice.hits(rates.arm) {
        let retry_after = u32::try_from(state.dice.between(1, 300)).ok();
        faults.extend(match state.dice.below(7) {
            0 => Some(Fault::Throttled { retry_after }),
            1 => Some(Fault::ServerError),
            2 => Some(Fault::Unavailable),
            3 => Some(Fault::AnswerLost),
            4 => Some(Fault::NeverArrived),
            5 => Some(Fault::TokenRefused),
            _ => Some(Fault::Denied),
        });
    }
    faults
}

/// An answer, for a trace.
fn shown(answer: &Response<Bytes>) -> String {
    let body = String::from_utf8_lossy(answer.body());
    let word = |name: &str| {
        let after = body.split_once(&format!("\"{name}\":\"")).map(|(_, after)| after);
        after.and_then(|after| after.split('"').next()).unwrap_or("").to_owned()
    };
    format!("{} {} {}", answer.status().as_u16(), word("provisioningState"), word("code"))
}

/// The identity of the guard. Pauses here lie between the look and the POST.
pub(crate) struct Tokens(pub(crate) Arc<Life>);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self, scope: &str) -> Result<Secret, CredentialError> {
        let life = &self.0;
        life.before(|| "token".to_owned()).await;
        let token = {
            let stage = &life.stage;
            let mut state = stage.state();
            if state.trouble && state.dice.hits(stage.knobs.rates.token) {
                stage.trace(&mut state, || format!("p{} gets no token", life.number));
                let why = "the identity endpoint is down".to_owned();
                return Err(if state.dice.percent(90) {
                    CredentialError::Unavailable(why)
                } else {
                    CredentialError::Unusable(why)
                });
            }
            let mut kept = life.token.lock().unwrap_or_else(PoisonError::into_inner);
            let caller = world::Caller::user_assigned_identity("aks-stop-guard", "/subscriptions/x/identity");
            let issue = || {
                Secret::new(state.world.token_for(&caller, scope.trim_end_matches("/.default"), stage.now()))
            };
            kept.get_or_insert_with(issue).clone()
        };
        life.after().await;
        Ok(token)
    }

    fn reject(&self, _scope: &str, _token: &Secret) {
        self.0.token.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Where people get incidents.
pub(crate) struct Inbox(pub(crate) Arc<Life>, pub(crate) &'static str);

#[async_trait]
impl Sink for Inbox {
    fn name(&self) -> &str {
        self.1
    }

    async fn deliver(&self, incident: &Incident, _now: Timestamp) -> Result<Delivered, DeliveryError> {
        let life = &self.0;
        let (id, sequence) = (&incident.id, incident.sequence);
        life.before(|| format!("tell {} {id} #{sequence} {}", self.1, incident.state.as_str())).await;
        let outcome = {
            let stage = &life.stage;
            let mut state = stage.state();
            let fails = state.trouble && state.dice.hits(stage.knobs.rates.sink);
            let is_dead = state.trouble && stage.knobs.routes.dead == Some(self.1);
            let kind = match (is_dead, fails) {
                (true, _) => 14,
                (false, true) => state.dice.below(20),
                (false, false) => 20,
            };
            // It may have the message although it says that it failed.
            let arrives = matches!(kind, 0..6 | 20);
            if arrives {
                state.judge.on_delivered(self.1, incident, stage.now());
            }
            match kind {
                20 => Ok(Delivered { status: 200, reference: Some(format!("{}/{id}", self.1)) }),
                19 => Err(DeliveryError::GiveUp { why: "it does not take this".to_owned() }),
                15..19 => {
                    let after = Some(Duration::from_secs(state.dice.below(600)));
                    Err(DeliveryError::Retry { after, why: "it is busy".to_owned() })
                }
                _ => Err(DeliveryError::Retry { after: None, why: "it is down".to_owned() }),
            }
        };
        life.after().await;
        outcome
    }
}
