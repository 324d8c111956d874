//! The keys that Entra signs a tenant's tokens with: fetched from the cloud's login service, kept, and fetched anew when a token names
//! one that is not known.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

use super::endpoint::{Cloud, Endpoint};
use super::transport::Transport;
use crate::clock::Clock;

/// Longest wait for the keys. The invocation that asks has 20 s.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Most keys of a tenant that are taken: Entra publishes about six.
const KEYS_MAX: usize = 64;
/// Longest list of keys that is read, in bytes: Entra's has 15 KB.
const KEYS_BYTES_MAX: usize = 512 * 1024;
/// Longest modulus and exponent in base64url: a key of 8,192 bits. What is longer is slow to check.
const MODULUS_CHARS_MAX: usize = 1_366;
/// Longest name of a key, in characters.
const KEY_ID_CHARS_MAX: usize = 128;
/// A key that is not known is looked for this often at most: else anybody could have the login service asked by each request. Keys
/// are published long before they are used (source: Microsoft identity platform, "Signing key rollover").
const REFRESH_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// How soon after a fetch that failed another is tried.
const RETRY_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// How long keys are used without a look at them: one that was withdrawn counts no longer than that (same source: "every 24 hours").
const KEYS_KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Who issues tokens, and where their keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    cloud: Cloud,
    origin: String,
}

impl Authority {
    /// The login service of a cloud; with ARM on this machine the emulator's, which is the same server.
    pub fn of(cloud: Cloud, arm: &Endpoint) -> Self {
        let origin = if arm.on_loopback() { arm.origin() } else { cloud.login_origin() };
        Self { cloud, origin: origin.to_owned() }
    }

    /// What tokens of a tenant name as their issuer, in both versions (source: Microsoft identity platform, "Access token claims
    /// reference", `iss`; national clouds: "National cloud authentication endpoints").
    pub(super) fn issuers(&self, tenant: &str) -> [String; 2] {
        [
            format!("{}/{tenant}/", self.cloud.token_service_origin()),
            format!("{}/{tenant}/v2.0", self.cloud.login_origin()),
        ]
    }

    fn keys_url(&self, tenant: &str) -> String {
        format!("{}/{tenant}/discovery/v2.0/keys", self.origin)
    }
}

/// The keys can't be had now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the keys of the tenant can't be had now: {0}")]
pub(super) struct NoKeys(String);

/// A cache of keys. Bounded by the tenants that are allowed.
pub(super) struct SigningKeys {
    authority: Authority,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    tenants: Mutex<HashMap<String, Known>>,
    /// Held by whoever asks: one at a time.
    asking: tokio::sync::Mutex<()>,
}

/// What is known of one tenant.
#[derive(Clone, Default)]
struct Known {
    keys: BTreeMap<String, DecodingKey>,
    fetched_at: Option<Timestamp>,
    failed_at: Option<(Timestamp, String)>,
}

impl SigningKeys {
    pub(super) fn new(authority: Authority, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self { authority, transport, clock, tenants: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The key of a tenant with that name; `None` if the tenant has none. The tenant must be one that is allowed: it becomes part of a
    /// URL.
    pub(super) async fn key(&self, tenant: &str, id: &str) -> Result<Option<DecodingKey>, NoKeys> {
        if id.chars().count() > KEY_ID_CHARS_MAX {
            return Ok(None);
        }
        if let Some(answer) = self.known(tenant).answer(id, self.clock.now()) {
            return answer;
        }
        let _asking = self.asking.lock().await;
        let mut known = self.known(tenant);
        let now = self.clock.now();
        if let Some(answer) = known.answer(id, now) {
            return answer;
        }
        match self.fetch(tenant).await {
            Ok(keys) => known = Known { keys, fetched_at: Some(now), failed_at: None },
            Err(why) => {
                tracing::warn!(tenant, why, "the keys of a tenant could not be fetched");
                known.failed_at = Some((now, why));
            }
        }
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned(), known.clone());
        known.answer(id, now).unwrap_or(Ok(None))
    }

    fn known(&self, tenant: &str) -> Known {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned().unwrap_or_default()
    }

    async fn fetch(&self, tenant: &str) -> Result<BTreeMap<String, DecodingKey>, String> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(self.authority.keys_url(tenant))
            .body(Bytes::new())
            .map_err(|error| error.to_string())?;
        let response =
            self.transport.send(request, FETCH_TIMEOUT).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("the login service answered {}", response.status().as_u16()));
        }
        let keys = read(response.body())?;
        if keys.is_empty() { Err("the login service named no key of ours".to_owned()) } else { Ok(keys) }
    }
}

impl Known {
    /// What can be said without asking: a key that is fresh, that there is none, or that it was tried just now. `None`: ask.
    fn answer(&self, id: &str, now: Timestamp) -> Option<Result<Option<DecodingKey>, NoKeys>> {
        let within = |at: Timestamp, time: SignedDuration| now.duration_since(at).abs() < time;
        let is_fresh = self.fetched_at.is_some_and(|at| within(at, KEYS_KEPT_FOR));
        if let Some(key) = self.keys.get(id).filter(|_| is_fresh) {
            return Some(Ok(Some(key.clone())));
        }
        if let Some((at, why)) = &self.failed_at
            && within(*at, RETRY_PAUSE)
        {
            return Some(Err(NoKeys(why.clone())));
        }
        self.fetched_at.is_some_and(|at| within(at, REFRESH_PAUSE)).then_some(Ok(None))
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    kty: String,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

/// The RSA keys for signatures. Others are not for tokens, and are passed over.
fn read(body: &[u8]) -> Result<BTreeMap<String, DecodingKey>, String> {
    if body.len() > KEYS_BYTES_MAX {
        return Err(format!("the list of keys has more than {KEYS_BYTES_MAX} bytes"));
    }
    let set: KeySet =
        serde_json::from_slice(body).map_err(|_| "the list of keys can't be read".to_owned())?;
    let is_ours = |key: &Key| {
        let fits = key.n.len() <= MODULUS_CHARS_MAX && key.e.len() <= MODULUS_CHARS_MAX;
        let is_named = !key.kid.is_empty() && key.kid.chars().count() <= KEY_ID_CHARS_MAX;
        key.kty == "RSA" && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig") && is_named && fits
    };
    let keys = set.keys.into_iter().filter(is_ours).take(KEYS_MAX);
    Ok(keys
        .filter_map(|key| Some((key.kid, DecodingKey::from_rsa_components(&key.n, &key.e).ok()?)))
        .collect())
}
