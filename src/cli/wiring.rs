//! Puts the guard together from its settings. Nothing is built here that costs time: clients, tokens and policies come with
//! their first use.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::azure::credential::AzureIdentity;
use crate::azure::{
    AccessTokens, Arm, ArmOptions, Authority, Cloud, Credential, CredentialError, Endpoint, HttpTransport,
    Secret, TokenSource, Transport as _, TransportError,
};
use crate::clock::{Clock, SystemClock};
use crate::config::{ArmSettings, Settings, load_policies};
use crate::guard::{self, Guard, PolicyLoader, Ports, SystemEntropy};
use crate::incident::{HttpSend, PreparedSink, Reached, SendError, Sink, SinkTokens};
use crate::store::{self, BlobTokens, DeadLetters, STORAGE_SCOPE, Store, StoreError, TokenError};

/// The one HTTP client as the sinks want it.
struct SinkHttp(Arc<HttpTransport>);

#[async_trait]
impl HttpSend for SinkHttp {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, SendError> {
        self.0.send(request, timeout).await.map_err(|error| match error {
            TransportError::NotConnected(_) => SendError::NotConnected,
            TransportError::TimedOut => SendError::TimedOut,
            TransportError::Broken(_) => SendError::Broken,
            TransportError::TooLarge => SendError::TooLarge,
        })
    }
}

/// The one credential as the sinks want it.
struct TokensForSinks(Arc<dyn TokenSource>);

#[async_trait]
impl SinkTokens for TokensForSinks {
    async fn token(&self, scope: &str) -> Result<String, String> {
        match self.0.token(scope).await {
            Ok(token) => Ok(token.expose().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn reject(&self, scope: &str, token: &str) {
        self.0.reject(scope, &Secret::new(token));
    }
}

/// A sink that delivers over the one HTTP client, with tokens of the one credential.
fn connect(sink: PreparedSink, http: &Arc<HttpTransport>, tokens: &Arc<dyn TokenSource>) -> Arc<dyn Sink> {
    let http = Arc::new(SinkHttp(Arc::clone(http)));
    Arc::new(sink.connect(http, Arc::new(TokensForSinks(Arc::clone(tokens)))))
}

/// A sink on its own, as the guard has it.
pub(super) fn sink(
    sink: PreparedSink,
    arm: Option<&ArmSettings>,
    http: &Arc<HttpTransport>,
) -> Arc<dyn Sink> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    connect(sink, http, &tokens(arm, http, &clock))
}

/// Whether a sink's receivers answer; they are told nothing.
pub(super) async fn reach(sink: &PreparedSink, http: &Arc<HttpTransport>, timeout: Duration) -> Vec<Reached> {
    sink.reach(&SinkHttp(Arc::clone(http)), timeout).await
}

/// The one credential as the store wants it.
struct StoreTokens(Arc<dyn TokenSource>);

#[async_trait]
impl BlobTokens for StoreTokens {
    async fn token(&self) -> Result<String, TokenError> {
        match self.0.token(STORAGE_SCOPE).await {
            Ok(token) => Ok(token.expose().to_owned()),
            Err(CredentialError::Unavailable(why)) => Err(TokenError::Unavailable(why)),
            Err(CredentialError::Unusable(why)) => Err(TokenError::Denied(why)),
        }
    }
}

/// The credential while its settings are broken: it asks nobody.
struct NoIdentity;

#[async_trait]
impl TokenSource for NoIdentity {
    async fn token(&self, _: &str) -> Result<Secret, CredentialError> {
        Err(CredentialError::Unusable("the settings that say who the guard is are broken".to_owned()))
    }

    fn reject(&self, _: &str, _: &Secret) {}
}

/// The credential that ARM and the store share.
fn tokens(
    arm: Option<&ArmSettings>,
    http: &Arc<HttpTransport>,
    clock: &Arc<dyn Clock>,
) -> Arc<dyn TokenSource> {
    match arm {
        Some(ArmSettings { cloud, credential, .. }) => {
            let identity = AzureIdentity::new(credential.clone(), *cloud, Arc::clone(http));
            Credential::new(identity, Arc::clone(clock))
        }
        None => Arc::new(NoIdentity),
    }
}

fn open_store(
    location: &store::Location,
    http: &Arc<HttpTransport>,
    tokens: &Arc<dyn TokenSource>,
) -> Result<Store, StoreError> {
    Store::open(location, transport(http, tokens))
}

fn transport(http: &Arc<HttpTransport>, tokens: &Arc<dyn TokenSource>) -> store::Transport {
    let http = Arc::clone(http);
    store::Transport {
        http: Arc::new(move || http.client().cloned().map_err(|error| error.to_string())),
        tokens: Some(Arc::new(StoreTokens(Arc::clone(tokens)))),
    }
}

/// The store alone, if the settings say where it is.
pub(super) fn store(settings: &Settings, http: &Arc<HttpTransport>) -> Option<Result<Store, StoreError>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tokens = tokens(settings.arm.as_ref(), http, &clock);
    settings.state.as_ref().map(|location| open_store(location, http, &tokens))
}

/// ARM, if the settings say where it is and who asks it, and the credential itself.
pub(super) fn arm(settings: &Settings, http: &Arc<HttpTransport>) -> Option<(Arm, Arc<dyn TokenSource>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let arm = settings.arm.as_ref()?;
    let tokens = tokens(Some(arm), http, &clock);
    let options = ArmOptions::new(arm.endpoint.clone());
    Some((Arm::new(options, Arc::clone(http) as _, Arc::clone(&tokens), clock), tokens))
}

/// What checks the tokens of those who announce something, if that is on.
pub(super) fn access_tokens(settings: &Settings, http: &Arc<HttpTransport>) -> Option<AccessTokens> {
    let (arm, audience) = (settings.arm.as_ref()?, settings.audience.clone()?);
    let authority = Authority::of(arm.cloud, &arm.endpoint);
    Some(AccessTokens::new(audience, authority, Arc::clone(http) as _, Arc::new(SystemClock)))
}

/// The guard over its settings, degraded if anything is wrong with them.
///
/// Where the state's setting is broken there is a store in memory, for one use only: to tell people once an hour what is
/// broken. No event is taken in then: all come again.
pub(super) fn guard(settings: Settings, http: &Arc<HttpTransport>) -> Guard {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tokens = tokens(settings.arm.as_ref(), http, &clock);
    let mut faults: Vec<String> = settings.faults.iter().map(ToString::to_string).collect();
    let opened = settings.state.as_ref().map(|location| open_store(location, http, &tokens));
    let store = match opened {
        Some(Ok(store)) => Some(store),
        Some(Err(error)) => {
            faults.push(format!("{}: {error}", store::STATE_SETTING));
            None
        }
        None => None,
    };
    let letters = settings.dead_letters.as_ref().map(|at| DeadLetters::open(at, transport(http, &tokens)));
    let dead_letters = match letters.transpose() {
        Ok(letters) => letters,
        Err(error) => {
            faults.push(format!("{}: {error}", store::DEAD_LETTERS_SETTING));
            None
        }
    };
    let subscriptions = settings.subscriptions.clone().filter(|_| store.is_some());
    let endpoint =
        settings.arm.as_ref().map_or_else(|| Endpoint::of(Cloud::Public), |arm| arm.endpoint.clone());
    let policies = policy_loader(&settings);
    let sinks = settings.sinks.into_iter().map(|sink| connect(sink, http, &tokens)).collect();
    let ports = Ports {
        arm: Arm::new(ArmOptions::new(endpoint), Arc::clone(http) as _, tokens, Arc::clone(&clock)),
        store: store.unwrap_or_else(Store::memory),
        dead_letters,
        sinks,
        clock,
        entropy: Arc::new(SystemEntropy),
    };
    let settings = guard::Settings {
        mode: settings.mode,
        subscriptions,
        management_groups: settings.management_groups,
        zone: settings.zone,
        confirm: settings.confirm,
        times: settings.times,
        portal: settings.arm.as_ref().map(|arm| arm.portal.clone()),
        routes: settings.routes,
        posture: settings.posture,
        faults,
    };
    Guard::new(settings, policies, ports)
}

fn policy_loader(settings: &Settings) -> PolicyLoader {
    let folder = settings.policies.clone();
    let sinks: Vec<String> = settings.sink_names().into_iter().map(str::to_owned).collect();
    Box::new(move || {
        let sinks: Vec<&str> = sinks.iter().map(String::as_str).collect();
        load_policies(&folder, &sinks).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    })
}
