//! Tokens: one credential, shared by everything that calls Azure, with a cache of its own.
//!
//! `azure_identity` gets the tokens. Its caches are not enough here: the Azure CLI's credential has none, and the others
//! answer with an error when a refresh fails although the token at hand is still good for minutes.

pub mod source;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::secret::Secret;
use crate::clock::Clock;
pub use source::{AzureIdentity, CredentialKind, Issued, Issuer};

/// A token with less left is renewed, while it still serves whoever can't wait.
const REFRESH_BEFORE: SignedDuration = SignedDuration::from_secs(5 * 60);
/// A token with less left is not handed out: it has to last for a request of 20 s, and clocks differ.
const USABLE_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Between two tries to renew a token that is still good: a broken identity endpoint is not asked for every request.
const REFRESH_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Longest wait for a token. An invocation has 20 s, and a Retry-After of the identity endpoint must not eat them.
const ISSUE_TIMEOUT: Duration = Duration::from_secs(8);
/// Most scopes that one credential keeps tokens for: ARM, storage and some sinks.
const SCOPES_MAX: usize = 16;

/// Why there is no token. The texts are cleaned and masked: no token or secret is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// It may work later: the identity service didn't answer or is busy.
    #[error("the identity service can't answer now: {0}")]
    Unavailable(String),
    /// It won't work until somebody mends the identity or the settings.
    #[error("the identity can't be used: {0}")]
    Unusable(String),
}

impl CredentialError {
    /// Whether it stays so until somebody mends something.
    pub fn needs_people(&self) -> bool {
        match self {
            Self::Unavailable(_) => false,
            Self::Unusable(_) => true,
        }
    }
}

/// Where bearer tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token for a scope (`https://management.azure.com/.default`), good for a minute at least.
    async fn token(&self, scope: &str) -> Result<Secret, CredentialError>;

    /// The service answered 401 to this token: the next [`TokenSource::token`] gets another. Does nothing if that has
    /// happened meanwhile.
    fn reject(&self, scope: &str, token: &Secret);
}

/// A caching [`TokenSource`] over an [`Issuer`]. One request at a time goes to the identity service per scope, however
/// many callers wait.
pub struct Credential {
    issuer: Arc<dyn Issuer>,
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// What is known for one scope.
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
    /// Held by whoever asks the identity service.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct SlotState {
    held: Option<Issued>,
    /// Answers heard so far: who waited for one of them need not ask again.
    answers: u64,
    last_error: Option<CredentialError>,
    asked_at: Option<Timestamp>,
}

/// What the cache says about a token for now.
enum Cached {
    Fresh(Secret),
    /// Good for this request; worth renewing.
    Ageing(Secret),
    Nothing,
}

impl Credential {
    /// A credential of `azure_identity`; nothing is built or asked yet.
    pub fn new(identity: AzureIdentity, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::over(Arc::new(identity), clock)
    }

    /// A cache over any issuer.
    pub fn over(issuer: Arc<dyn Issuer>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { issuer, clock, slots: Mutex::default() })
    }

    fn slot(&self, scope: &str) -> Result<Arc<Slot>, CredentialError> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(scope) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() == SCOPES_MAX {
            return Err(CredentialError::Unusable(format!("more than {SCOPES_MAX} scopes are asked for")));
        }
        Ok(Arc::clone(slots.entry(scope.to_owned()).or_default()))
    }

    /// Asks the identity service, with the slot's `asking` held.
    async fn ask(&self, scope: &str, slot: &Slot) -> Result<Secret, CredentialError> {
        slot.lock().asked_at = Some(self.clock.now());
        let issued = tokio::time::timeout(ISSUE_TIMEOUT, self.issuer.issue(scope))
            .await
            .unwrap_or_else(|_| Err(CredentialError::Unavailable("no answer in time".to_owned())));
        let now = self.clock.now();
        let mut state = slot.lock();
        state.answers = state.answers.wrapping_add(1);
        match issued {
            Ok(issued) => {
                let token = issued.token.clone();
                state.held = Some(issued);
                state.last_error = None;
                Ok(token)
            }
            Err(error) => {
                state.last_error = Some(error.clone());
                match state.cached(now) {
                    Cached::Fresh(token) | Cached::Ageing(token) => {
                        tracing::warn!(scope, %error, "a token could not be renewed; the one at hand still serves");
                        Ok(token)
                    }
                    Cached::Nothing => Err(error),
                }
            }
        }
    }
}

#[async_trait]
impl TokenSource for Credential {
    async fn token(&self, scope: &str) -> Result<Secret, CredentialError> {
        let slot = self.slot(scope)?;
        let now = self.clock.now();
        let (cached, answers, is_paused) = slot.lock().view(now);
        let _asking = match cached {
            Cached::Fresh(token) => return Ok(token),
            Cached::Ageing(token) if is_paused => return Ok(token),
            Cached::Ageing(token) => match slot.asking.try_lock() {
                Ok(asking) => asking,
                Err(_) => return Ok(token),
            },
            Cached::Nothing => slot.asking.lock().await,
        };
        let (cached, answers_now, _) = slot.lock().view(self.clock.now());
        if answers_now != answers {
            // Somebody else's answer came while this caller waited: it is this caller's too.
            let last_error = slot.lock().last_error.clone();
            match (cached, last_error) {
                (Cached::Fresh(token) | Cached::Ageing(token), _) => return Ok(token),
                (Cached::Nothing, Some(error)) => return Err(error),
                (Cached::Nothing, None) => {}
            }
        }
        self.ask(scope, &slot).await
    }

    fn reject(&self, scope: &str, token: &Secret) {
        let Ok(slot) = self.slot(scope) else { return };
        let mut state = slot.lock();
        if state.held.as_ref().is_some_and(|held| held.token == *token) {
            state.held = None;
            self.issuer.forget();
        }
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotState {
    fn cached(&self, now: Timestamp) -> Cached {
        let Some(held) = &self.held else { return Cached::Nothing };
        let left = held.expires_at.duration_since(now);
        if left > REFRESH_BEFORE {
            Cached::Fresh(held.token.clone())
        } else if left > USABLE_FOR {
            Cached::Ageing(held.token.clone())
        } else {
            Cached::Nothing
        }
    }

    /// The cached token, the number of answers so far, and whether the last question is too recent for another.
    fn view(&self, now: Timestamp) -> (Cached, u64, bool) {
        let is_paused = self.asked_at.is_some_and(|asked| now.duration_since(asked).abs() < REFRESH_PAUSE);
        (self.cached(now), self.answers, is_paused)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
