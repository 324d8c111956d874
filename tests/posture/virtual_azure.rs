//! The simulated Azure as a transport whose calls take virtual time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_stop_guard::azure::{
    Arm, ArmOptions, Cloud, CredentialError, Endpoint, Secret, TokenSource, Transport, TransportError,
};
use aks_stop_guard::clock::Clock;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use simulator::world::{Caller, Fault, FaultRule, Reply, World};
use tokio::time::Instant;

/// What one call takes.
pub(crate) const LATENCY: Duration = Duration::from_millis(200);

/// Azure, and what was asked of it.
#[derive(Debug)]
pub(crate) struct VirtualAzure {
    pub(crate) world: Mutex<World>,
    began: Instant,
    calls: Mutex<Vec<Call>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    pub(crate) path: String,
    pub(crate) status: u16,
}

impl VirtualAzure {
    /// A world in which every answer takes [`LATENCY`].
    pub(crate) fn new() -> Arc<Self> {
        let mut world = World::default();
        let slow = Fault::SlowAnswer(SignedDuration::try_from(LATENCY).unwrap());
        world.add_fault(FaultRule { fault: slow, on: None, cluster: None, times: None });
        Arc::new(Self {
            world: Mutex::new(world),
            began: Instant::now(),
            calls: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        })
    }

    pub(crate) fn arm(self: &Arc<Self>) -> Arm {
        let clock = Arc::clone(self) as Arc<dyn Clock>;
        let tokens = Arc::new(Tokens(Arc::clone(self)));
        let options = ArmOptions::new(Endpoint::of(Cloud::Public));
        Arm::new(options, Arc::clone(self) as Arc<dyn Transport>, tokens, clock)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn since_start(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Clock for VirtualAzure {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-02T10:00:00Z".parse().unwrap();
        start + self.began.elapsed()
    }

    fn since_boot(&self) -> Duration {
        Duration::from_secs(1_000) + self.began.elapsed()
    }
}

#[async_trait]
impl Transport for VirtualAzure {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, TransportError> {
        let at = self.began.elapsed();
        let path = request.uri().path().to_owned();
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        let reply = self.world.lock().unwrap().handle(&request, self.now());
        let answer = match reply {
            Reply::Answer(answer) => answer,
            Reply::Late { after, answer } => {
                tokio::time::sleep(Duration::try_from(after).unwrap()).await;
                answer
            }
            Reply::AnswerLost | Reply::NeverArrived => return Err(TransportError::TimedOut),
        };
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        self.calls.lock().unwrap().push(Call { at, path, status: answer.status().as_u16() });
        Ok(answer)
    }
}

struct Tokens(Arc<VirtualAzure>);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self, scope: &str) -> Result<Secret, CredentialError> {
        let audience = scope.trim_end_matches("/.default");
        let caller = Caller::user("dana");
        Ok(Secret::new(self.0.world.lock().unwrap().token_for(&caller, audience, self.0.now())))
    }

    fn reject(&self, _: &str, _: &Secret) {}
}
