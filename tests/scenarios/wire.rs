//! The way from a guard to the simulated Azure, through the probe that a test holds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_stop_guard::azure::{CredentialError, Secret, TokenSource, Transport, TransportError};
use aks_stop_guard::clock::Clock as _;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use jiff::SignedDuration;
use simulator::world::{Reply, World};

use super::guard;
use crate::clocks::VirtualClock;
use crate::probe::{Noted, Probe};

/// The simulated Azure as a transport.
pub(super) struct Wire {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) probe: Arc<Probe>,
}

#[async_trait]
impl Transport for Wire {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        self.probe.before(&format!("{} {}", request.method(), request.uri().path())).await;
        let now = self.clock.now();
        let is_get = request.method() == http::Method::GET;
        if if is_get { self.probe.is_twice() } else { self.probe.is_post_twice() } {
            let _ = self.world.lock().unwrap().handle(&request, now);
        }
        let reply = self.world.lock().unwrap().handle(&request, now);
        if !is_get && matches!(&reply, Reply::Answer(answer) if answer.status() == http::StatusCode::ACCEPTED)
        {
            self.probe.note(Noted::Start);
        }
        if is_get {
            self.probe.after().await;
        } else {
            self.probe.after_effect().await;
        }
        match reply {
            Reply::Answer(answer) => Ok(answer),
            Reply::Late { after, answer } if Duration::try_from(after).unwrap() < timeout => {
                self.clock.advance(after);
                Ok(answer)
            }
            Reply::Late { .. } => {
                self.clock.advance(SignedDuration::try_from(timeout).unwrap());
                Err(TransportError::TimedOut)
            }
            Reply::AnswerLost => Err(TransportError::Broken("reset".to_owned())),
            Reply::NeverArrived => Err(TransportError::NotConnected("refused".to_owned())),
        }
    }
}

/// Tokens of the guard's identity.
pub(super) struct Tokens {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) probe: Arc<Probe>,
}

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self, scope: &str) -> Result<Secret, CredentialError> {
        self.probe.before("token").await;
        let audience = scope.trim_end_matches("/.default");
        Ok(Secret::new(self.world.lock().unwrap().token_for(&guard(), audience, self.clock.now())))
    }

    fn reject(&self, _scope: &str, _token: &Secret) {}
}
