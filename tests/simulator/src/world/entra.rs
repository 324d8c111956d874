//! The login service: it signs tokens with RS256 and publishes its keys, as Entra does.
//!
//! The keys are those that RFC 7517 (appendix A.2) and RFC 7520 (section 3.4) print as examples: whoever reads them knows that they
//! protect nothing. ring, the one crypto provider here, makes no RSA keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Draft;
use super::caller::{Caller, CallerKind, TENANT};

const PUBLISHED: &str = include_str!("published_keys.json");

/// How long a token is good: Entra gives an hour to an hour and a half.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(75);

/// An example key of an RFC, private part included, in base64url.
#[derive(Debug, Clone, Deserialize)]
struct Jwk {
    kid: String,
    n: String,
    e: String,
    d: String,
    p: String,
    q: String,
    dp: String,
    dq: String,
    qi: String,
}

/// The login service of the tenant.
#[derive(Debug, Clone, Default)]
pub(super) struct Entra {
    /// Which key signs and is published: 0, and 1 after a rotation.
    current: usize,
    /// How often the keys were fetched.
    fetched: u32,
    /// Whether the service answers at all.
    down: bool,
}

fn keys() -> Vec<Jwk> {
    serde_json::from_str(PUBLISHED).unwrap_or_default()
}

/// Signs whatever it is given: what a token says is the caller's matter. `None` if there is no such key.
pub fn sign(header: &Value, claims: &Value, key: usize) -> Option<String> {
    let message = unsigned(header, claims);
    let keys = keys();
    let jwk = keys.get(key)?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: bytes(&jwk.n), e: bytes(&jwk.e) },
        d: bytes(&jwk.d),
        p: bytes(&jwk.p),
        q: bytes(&jwk.q),
        dP: bytes(&jwk.dp),
        dQ: bytes(&jwk.dq),
        qInv: bytes(&jwk.qi),
    };
    let pair = KeyPair::from_components(&components).ok()?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The first two parts of a token.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// The name and the public modulus of a key, as anybody can read them.
pub fn public_key(key: usize) -> Option<(String, Vec<u8>)> {
    let jwk = keys().into_iter().nth(key)?;
    Some((jwk.kid, URL_SAFE_NO_PAD.decode(jwk.n).ok()?))
}

/// The claims of an access token of version 1.0 for somebody.
pub fn claims(caller: &Caller, audience: &str, now: Timestamp) -> Value {
    let mut claims = json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": now.as_second(),
        "nbf": now.as_second(),
        "exp": (now + TOKEN_LIFETIME).as_second(),
        "oid": caller.object_id,
        "appid": caller.app_id,
        "tid": TENANT,
        "ver": "1.0",
    });
    let (credential, upn, identity) = match &caller.kind {
        CallerKind::User { upn } => ("0", Some(upn), None),
        CallerKind::Guest { mail } => ("0", Some(mail), None),
        CallerKind::ServicePrincipal => ("1", None, None),
        CallerKind::SystemIdentity { host } => ("2", None, Some(host)),
        CallerKind::UserAssignedIdentity { identity } => ("2", None, Some(identity)),
        CallerKind::AzureProvider | CallerKind::Nameless => ("2", None, None),
    };
    if let Some(members) = claims.as_object_mut() {
        members.insert("appidacr".to_owned(), json!(credential));
        members.insert("idtyp".to_owned(), json!(if upn.is_some() { "user" } else { "app" }));
        members.extend(upn.map(|upn| ("upn".to_owned(), json!(upn))));
        members.extend(upn.map(|_| ("scp".to_owned(), json!("user_impersonation"))));
        members.extend(identity.map(|id| ("xms_mirid".to_owned(), json!(id))));
    }
    claims
}

impl Entra {
    pub(super) fn token(&self, caller: &Caller, audience: &str, now: Timestamp) -> String {
        let kid = keys().into_iter().nth(self.current).map(|jwk| jwk.kid);
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": kid });
        sign(&header, &claims(caller, audience, now), self.current).unwrap_or_default()
    }

    pub(super) fn rotate(&mut self) {
        self.current = 1;
    }

    pub(super) fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    pub(super) fn fetched(&self) -> u32 {
        self.fetched
    }

    /// The answer, if the request is for the login service: the keys, or where they are.
    pub(super) fn answer<B>(&mut self, request: &Request<B>, origin: &str) -> Option<Draft> {
        let below = request.uri().path().strip_prefix(&format!("/{TENANT}/"))?;
        if request.method() != Method::GET {
            return None;
        }
        let body = match below {
            "discovery/v2.0/keys" | "discovery/keys" => {
                self.fetched = self.fetched.saturating_add(1);
                let jwk = keys().into_iter().nth(self.current);
                let shown = jwk
                    .map(|jwk| json!({ "kty": "RSA", "use": "sig", "kid": jwk.kid, "n": jwk.n, "e": jwk.e }));
                // Entra lists keys that are not for signatures as well, and names members that nobody asked for.
                json!({ "keys": [{ "kty": "EC", "kid": "other" }, shown] })
            }
            "v2.0/.well-known/openid-configuration" | ".well-known/openid-configuration" => json!({
                "issuer": format!("https://sts.windows.net/{TENANT}/"),
                "jwks_uri": format!("{origin}/{TENANT}/discovery/v2.0/keys"),
                "id_token_signing_alg_values_supported": ["RS256"],
            }),
            _ => return None,
        };
        let status = if self.down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        Some(Draft::gateway(status, &body))
    }
}
