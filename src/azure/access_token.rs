//! Checks Entra access tokens that callers send to the guard: issuer, audience, signature, times.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::jwt_crypto;
use super::secret::Secret;
use super::signing_keys::{Authority, SigningKeys};
use super::transport::Transport;
use crate::clock::Clock;
use crate::domain::Caller;
use crate::domain::claims::parse_guid;

/// Longest token that is looked at, in bytes. One with 200 groups has 8 KB.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How far the clocks of Entra and of this machine may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// What a token must be for: the application's client id, or its id URI.
    pub audiences: Vec<String>,
    /// The tenants whose tokens are taken, lower case.
    pub tenants: BTreeSet<String>,
}

/// Why a token proves nothing. Holds nothing of the token's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is not good, and would not be any better if it came again.
    #[error("the token is not good: {0}")]
    Refused(&'static str),
    /// It can't be checked now.
    #[error("{0}")]
    Unavailable(String),
}

/// Checks tokens. Keeps the tenants' keys.
pub struct AccessTokens {
    audience: Audience,
    keys: SigningKeys,
    clock: Arc<dyn Clock>,
}

impl AccessTokens {
    /// Does no I/O: keys come with the first token.
    pub fn new(
        audience: Audience,
        authority: Authority,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        jwt_crypto::install();
        let keys = SigningKeys::new(authority, transport, Arc::clone(&clock));
        Self { audience, keys, clock }
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// If it is not a token of an allowed tenant, for this guard, signed by that tenant's key with RS256, valid now and with the
    /// caller's object id. Or if the keys can't be had.
    pub async fn verify(&self, token: &Secret) -> Result<Caller, TokenFault> {
        let token = token.expose();
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Refused("it is too long"));
        }
        let header = decode_header(token).map_err(|_| TokenFault::Refused("it is no JSON Web Token"))?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenFault::Refused("its algorithm is not RS256"));
        }
        let key_id = header.kid.ok_or(TokenFault::Refused("it names no key"))?;
        let tenant = self.claimed_tenant(token)?;
        let key = self.keys.key(&tenant, &key_id).await;
        let key = key.map_err(|error| TokenFault::Unavailable(error.to_string()))?;
        let key = key.ok_or(TokenFault::Refused("its tenant has no such key"))?;
        let checked = decode::<Map<String, Value>>(token, &key, &self.validation(&tenant));
        let claims = checked.map_err(|error| TokenFault::Refused(fault(error.kind())))?.claims;
        check_times(&claims, self.clock.now())?;
        caller(&claims, &tenant)
    }

    /// Which of the allowed tenants it says it is from. Nothing is proven by that: it tells whose keys to check it with, and the
    /// issuer has to agree.
    fn claimed_tenant(&self, token: &str) -> Result<String, TokenFault> {
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Map<String, Value>>(token)
            .map_err(|_| TokenFault::Refused("it has no claims that can be read"))?;
        let tenant = claims.get("tid").and_then(Value::as_str).and_then(parse_guid);
        tenant
            .filter(|tenant| self.audience.tenants.contains(tenant))
            .ok_or(TokenFault::Refused("its tenant is not allowed"))
    }

    fn validation(&self, tenant: &str) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&self.audience.audiences);
        validation.set_issuer(&self.keys.authority().issuers(tenant));
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss"]);
        // The library reads the system's clock, which may be wrong or, in a test, another: times are checked below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }
}

fn fault(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidAudience => "it is for somebody else",
        ErrorKind::InvalidIssuer => "its issuer is not the tenant's",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, nbf, aud or iss",
        _ => "it can't be read",
    }
}

/// Not before its time and not after it, on this guard's clock.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), TokenFault> {
    let time = |name: &str| {
        let seconds = claims.get(name).and_then(Value::as_i64);
        seconds.and_then(|seconds| Timestamp::from_second(seconds).ok())
    };
    let (Some(from), Some(until)) = (time("nbf"), time("exp")) else {
        return Err(TokenFault::Refused("its times can't be read"));
    };
    if now.duration_since(until) >= LEEWAY {
        return Err(TokenFault::Refused("it has expired"));
    }
    if from.duration_since(now) > LEEWAY {
        return Err(TokenFault::Refused("it is not valid yet"));
    }
    Ok(())
}

/// Who it is.
fn caller(claims: &Map<String, Value>, tenant: &str) -> Result<Caller, TokenFault> {
    // The library takes a list of issuers with the right one in it; Entra sends none.
    if !claims.get("iss").is_some_and(Value::is_string) {
        return Err(TokenFault::Refused("its issuer is not the tenant's"));
    }
    let caller = Caller::from_token_claims(claims);
    if caller.tenant.as_deref() != Some(tenant) {
        return Err(TokenFault::Refused("its tenant is not allowed"));
    }
    // An id token, which is for a client and not for an API, has none.
    if caller.app_id.is_none() {
        return Err(TokenFault::Refused("it is no access token"));
    }
    if caller.object_id.is_none() {
        return Err(TokenFault::Refused("it has no object id"));
    }
    Ok(caller)
}

/// Who the guard's own token is for, unchecked: it came from the identity service itself. For the record of who used the command
/// line.
pub fn own_identity(token: &Secret) -> Option<Caller> {
    let token = token.expose();
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Map<String, Value>>(token).ok()?;
    Some(Caller::from_token_claims(&claims)).filter(Caller::is_known)
}

#[cfg(test)]
mod tests;
