//! A process of the guard: it shares nothing with others but the store, may die at any call, and may be paused at any.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use aks_stop_guard::azure::{Arm, ArmOptions, Cloud, Endpoint, Secret};
use aks_stop_guard::case::{Mode, Route, Routes};
use aks_stop_guard::clock::Clock;
use aks_stop_guard::domain::{Portal, SubscriptionId};
use aks_stop_guard::guard::{Entropy, Guard, Ports, Settings};
use aks_stop_guard::incident::Sink;
use aks_stop_guard::policy::{DEFAULT_POLICIES, Policies, PolicyFile};
use aks_stop_guard::store::Store;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep, sleep_until};

use crate::seed::{Knobs, PolicyChoice};
use crate::stage::{SUBSCRIPTION, Stage, ops};
use crate::store::{Blobs, Which};
use crate::wire::{Inbox, Tokens, Wire};

/// What one life of a process shares with its ports.
pub(crate) struct Life {
    pub(crate) stage: Arc<Stage>,
    /// Names it in traces and checks.
    pub(crate) number: u32,
    pub(crate) mode: Mode,
    dead: AtomicBool,
    pub(crate) died: Notify,
    /// In milliseconds since the run began.
    paused_until: AtomicU64,
    skew_ms: AtomicI64,
    pub(crate) sweeping: AtomicBool,
    pub(crate) token: Mutex<Option<Secret>>,
}

/// A running process.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) guard: Guard,
    pub(crate) life: Arc<Life>,
}

impl Process {
    /// Starts one, as deployed.
    pub(crate) fn start(stage: &Arc<Stage>, number: u32) -> Self {
        let deployed = stage.state().deployed;
        let skew = {
            let mut state = stage.state();
            let most = if state.trouble { stage.knobs.skew * 1_000 } else { 0 };
            state.dice.between(-most, most)
        };
        let life = Arc::new(Life {
            stage: Arc::clone(stage),
            number,
            mode: deployed.mode,
            dead: AtomicBool::new(false),
            died: Notify::new(),
            paused_until: AtomicU64::new(0),
            skew_ms: AtomicI64::new(skew),
            sweeping: AtomicBool::new(false),
            token: Mutex::new(None),
        });
        let clock: Arc<dyn Clock> = Arc::new(OwnClock(Arc::clone(&life)));
        let arm = Arm::new(
            ArmOptions::new(Endpoint::of(Cloud::Public)),
            Arc::new(Wire(Arc::clone(&life))),
            Arc::new(Tokens(Arc::clone(&life))),
            Arc::clone(&clock),
        );
        let container = |which| Arc::new(Blobs { life: Arc::clone(&life), which });
        let names = stage.knobs.sink_names();
        let sinks = names.iter().copied();
        let ports = Ports {
            arm,
            store: Store::over(container(Which::State), container(Which::Cases)),
            dead_letters: None,
            sinks: sinks.map(|name| Arc::new(Inbox(Arc::clone(&life), name)) as Arc<dyn Sink>).collect(),
            clock,
            entropy: Arc::new(Thrown(Arc::clone(stage))),
        };
        let settings = Settings {
            mode: deployed.mode,
            subscriptions: Some(BTreeSet::from([
                SubscriptionId::parse(SUBSCRIPTION).expect("it is a subscription")
            ])),
            management_groups: BTreeSet::new(),
            zone: jiff::tz::TimeZone::UTC,
            confirm: stage.knobs.confirm,
            times: stage.knobs.times.clone(),
            portal: Some(Portal::new(Cloud::Public, None)),
            routes: routes(&stage.knobs),
            posture: false,
            faults: Vec::new(),
        };
        let load = move || Ok(policies(deployed.policy));
        Self { guard: Guard::new(settings, Box::new(load), ports), life }
    }
}

impl Life {
    pub(crate) fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    /// It makes no further call, and nothing that it had begun goes on.
    pub(crate) fn kill(&self) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            self.died.notify_one();
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.stage.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn pause_left(&self) -> Duration {
        let until = self.paused_until.load(Ordering::Relaxed);
        Duration::from_millis(until.saturating_sub(self.millis()))
    }

    pub(crate) fn mend_clock(&self) {
        self.skew_ms.store(0, Ordering::Relaxed);
    }

    pub(crate) fn set_clock(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// Before a call goes out: the process may die here, be paused, or be slow.
    pub(crate) async fn before(&self, call: impl FnOnce() -> String) {
        self.live_on().await;
        let latency = {
            let mut state = self.stage.state();
            state.judge.on_call(self.number);
            self.stage.trace(&mut state, || format!("p{} {}", self.number, call()));
            match state.dice.below(8) {
                0 => Duration::from_millis(state.dice.below(400)),
                1 | 2 => Duration::from_millis(state.dice.below(20)),
                _ => Duration::ZERO,
            }
        };
        self.strike();
        if !latency.is_zero() {
            sleep(latency).await;
        }
        self.live_on().await;
    }

    /// Before a start goes out. Its sender has looked at its clocks a moment ago: a pause that begins here is one of the start's,
    /// and T1 says how long that may take.
    pub(crate) async fn right_before_a_start(&self, call: impl FnOnce() -> String) {
        {
            let mut state = self.stage.state();
            state.judge.on_call(self.number);
            self.stage.trace(&mut state, || format!("p{} {}", self.number, call()));
            let dies = state.trouble && state.dice.hits(self.stage.knobs.rates.crash * 4);
            drop(state);
            if dies {
                self.kill();
            }
        }
        if !self.is_alive() {
            std::future::pending::<()>().await;
        }
    }

    /// After a call was done, before its answer is seen.
    pub(crate) async fn after(&self) {
        self.strike();
        self.live_on().await;
    }

    fn strike(&self) {
        let mut state = self.stage.state();
        if !state.trouble {
            return;
        }
        let rates = self.stage.knobs.rates;
        if state.dice.hits(rates.crash) {
            self.stage.trace(&mut state, || format!("p{} dies", self.number));
            drop(state);
            self.kill();
        } else if state.dice.hits(rates.pause) {
            let pause = state.dice.seconds(1, 600);
            self.stage.trace(&mut state, || format!("p{} is paused for {pause:#}", self.number));
            let until = self.millis() + u64::try_from(pause.as_millis()).unwrap_or(0);
            self.paused_until.fetch_max(until, Ordering::Relaxed);
        }
    }

    /// Waits out a pause; never comes back if the process is dead.
    pub(crate) async fn live_on(&self) {
        loop {
            if !self.is_alive() {
                std::future::pending::<()>().await;
            }
            let left = self.pause_left();
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

/// A future of a process: while the process is paused it does not go on, whatever it waits for.
pub(crate) struct Held<T> {
    work: Pin<Box<dyn Future<Output = T> + Send>>,
    life: Arc<Life>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<T> Held<T> {
    pub(crate) fn new(life: &Arc<Life>, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Box::pin(work), life: Arc::clone(life), pause: None }
    }
}

impl<T> Future for Held<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        loop {
            if !self.life.is_alive() {
                return Poll::Pending;
            }
            let left = self.life.pause_left();
            if left.is_zero() {
                self.pause = None;
                return self.work.as_mut().poll(context);
            }
            let until = tokio::time::Instant::now() + left;
            let pause = self.pause.insert(Box::pin(sleep_until(until)));
            if pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// The process's own clocks: the wall clock may be wrong.
struct OwnClock(Arc<Life>);

impl std::fmt::Debug for OwnClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnClock")
    }
}

impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        self.0.stage.now() + SignedDuration::from_millis(self.0.skew_ms.load(Ordering::Relaxed))
    }

    fn since_boot(&self) -> Duration {
        Duration::from_secs(1_000) + self.0.stage.elapsed()
    }
}

/// Random bytes that come again with the seed.
struct Thrown(Arc<Stage>);

impl Entropy for Thrown {
    fn fill(&self, bytes: &mut [u8]) -> bool {
        self.0.state().dice.fill(bytes);
        true
    }
}

fn routes(knobs: &Knobs) -> Routes {
    let route = |sink: &str| Route { sink: sink.to_owned(), takes: knobs.routes.takes(sink) };
    let routes = knobs.sink_names().into_iter().map(route).collect();
    let fallback = knobs.routes.fallback.then(|| "mail".to_owned());
    Routes::new(routes, fallback).with_cap(knobs.routes.cap)
}

/// The policies, loaded once a thread.
fn policies(choice: PolicyChoice) -> Policies {
    thread_local! {
        static LOADED: RefCell<BTreeMap<PolicyChoice, Policies>> = const { RefCell::new(BTreeMap::new()) };
    }
    LOADED.with_borrow_mut(|loaded| loaded.entry(choice).or_insert_with(|| load(choice)).clone())
}

fn load(choice: PolicyChoice) -> Policies {
    let mut text = String::new();
    if choice.ops_may_stop {
        let ops = ops().object_id;
        text += &format!(
            "@id(\"ops\") permit (principal == Caller::\"{ops}\", action == Action::\"stop\", resource);\n"
        );
    }
    if let Some(limit) = choice.breaker {
        text += &format!(
            "@id(\"breaker\") forbid (principal == Guard::\"self\", action == Action::\"restart\", resource)\n\
             when {{ context.unauthorisedStopsInSubscriptionLastHour >= {limit} }};\n"
        );
    }
    Policies::load(&[DEFAULT_POLICIES, PolicyFile { name: "more.cedar", text: &text }])
        .expect("the policies are valid")
}
