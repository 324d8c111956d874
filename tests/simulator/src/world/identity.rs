//! The App Service identity endpoint, and the tokens it and the tests give out.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::answer::Draft;
use super::caller::{Caller, TENANT};
use super::entra::Entra;
use super::guid::Guids;
use super::target::query_value;

/// Audiences that ARM takes; both spellings were seen in real claims.
const ARM_AUDIENCES: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net"];

/// How long a token is good: managed identities' are for about a day.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The one api-version of App Service's endpoint that is documented as current.
const API_VERSION: &str = "2019-08-01";

/// Tokens remembered; older ones count as never issued. A test issues a handful.
const TOKENS_MAX: usize = 10_000;

/// A managed identity that is assigned to the app whose endpoint this is.
#[derive(Debug, Clone)]
pub struct AssignedIdentity {
    /// Who requests under this identity come from.
    pub caller: Caller,
    /// Whether it is user-assigned, so that a request must name its client id (the caller's `app_id`).
    pub user_assigned: bool,
}

/// A bearer token that was given out.
#[derive(Debug, Clone)]
struct Token {
    caller: Caller,
    audience: String,
    expires_at: Timestamp,
}

/// Why a bearer token is not good for ARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenFault {
    Missing,
    NeverIssued,
    WrongAudience(String),
    Expired(Timestamp),
}

/// All tokens given out.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    issued: HashMap<String, Token>,
    pub(super) entra: Entra,
}

impl Tokens {
    /// A token. One for ARM is a JWT by its shape only: ARM compares its bytes. Whoever else takes it has to check its signature, so
    /// that one is signed.
    pub(super) fn issue(
        &mut self,
        caller: &Caller,
        audience: &str,
        now: Timestamp,
        guids: &mut Guids,
    ) -> String {
        let expires_at = now + TOKEN_LIFETIME;
        let token = if is_for_arm(audience) {
            shaped(caller, audience, (now, expires_at), guids)
        } else {
            self.entra.token(caller, audience, now)
        };
        if self.issued.len() >= TOKENS_MAX {
            self.issued.clear();
        }
        let issued = Token { caller: caller.clone(), audience: audience.to_owned(), expires_at };
        self.issued.insert(token.clone(), issued);
        token
    }

    /// Who sent the request, if its token is good for ARM.
    pub(super) fn arm_caller<B>(&self, request: &Request<B>, now: Timestamp) -> Result<Caller, TokenFault> {
        let header = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(TokenFault::Missing)?;
        let token = self.issued.get(token).ok_or(TokenFault::NeverIssued)?;
        if !is_for_arm(&token.audience) {
            return Err(TokenFault::WrongAudience(token.audience.clone()));
        }
        if token.expires_at <= now {
            return Err(TokenFault::Expired(token.expires_at));
        }
        Ok(token.caller.clone())
    }
}

fn is_for_arm(audience: &str) -> bool {
    ARM_AUDIENCES.contains(&audience.trim_end_matches('/'))
}

/// What looks like a JWT.
fn shaped(
    caller: &Caller,
    audience: &str,
    (now, expires_at): (Timestamp, Timestamp),
    guids: &mut Guids,
) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({ "typ": "JWT", "alg": "none" }));
    let claims = part(json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": now.as_second(),
        "exp": expires_at.as_second(),
        "oid": caller.object_id,
        "appid": caller.app_id,
        "tid": TENANT,
        "uti": guids.next_guid(),
    }));
    format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode(guids.next_guid()))
}

impl TokenFault {
    /// ARM's 401.
    pub(super) fn answer(&self, now: Timestamp) -> Draft {
        let (code, message) = match self {
            Self::Missing => (
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.".to_owned(),
            ),
            Self::NeverIssued => ("InvalidAuthenticationToken", "The access token is invalid.".to_owned()),
            Self::WrongAudience(audience) => (
                "InvalidAuthenticationTokenAudience",
                format!("The access token has been obtained for wrong audience or resource '{audience}'."),
            ),
            Self::Expired(at) => (
                "ExpiredAuthenticationToken",
                format!("The access token expiry UTC time '{at}' is earlier than current UTC time '{now}'."),
            ),
        };
        Draft::gateway_error(StatusCode::UNAUTHORIZED, code, &message).with(
            "www-authenticate",
            "Bearer authorization_uri=\"https://login.windows.net/aaaabbbb-0000-cccc-1111-dddd2222eeee\", \
             error=\"invalid_token\", error_description=\"The access token is missing, wrong or has expired.\"",
        )
    }
}

/// What the endpoint needs to know to answer.
pub(super) struct Endpoint<'a> {
    pub(super) secret: &'a str,
    pub(super) identities: &'a [AssignedIdentity],
    pub(super) tokens: &'a mut Tokens,
    pub(super) guids: &'a mut Guids,
}

impl Endpoint<'_> {
    /// `GET /msi/token` as documented for App Service.
    pub(super) fn answer<B>(&mut self, request: &Request<B>, now: Timestamp) -> Draft {
        let given = request.headers().get("x-identity-header").and_then(|value| value.to_str().ok());
        if given != Some(self.secret) {
            return self.refused("The secret provided is not valid.");
        }
        if query_value(request.uri(), "api-version").as_deref() != Some(API_VERSION) {
            return self.refused("The api-version is not supported.");
        }
        let Some(resource) = query_value(request.uri(), "resource") else {
            return self.refused("The resource is missing.");
        };
        let client_id = query_value(request.uri(), "client_id");
        let found = self.identities.iter().find(|identity| match &client_id {
            None => !identity.user_assigned,
            Some(id) => identity.user_assigned && identity.caller.app_id.eq_ignore_ascii_case(id),
        });
        let Some(identity) = found else {
            return self.refused(
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            );
        };
        let caller = identity.caller.clone();
        let token = self.tokens.issue(&caller, &resource, now, self.guids);
        let body = json!({
            "access_token": token,
            // A string of seconds, as documented; other versions of the endpoint send a number or a date.
            "expires_on": (now + TOKEN_LIFETIME).as_second().to_string(),
            "not_before": now.as_second().to_string(),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": caller.app_id,
        });
        Draft::gateway(StatusCode::OK, &body)
    }

    fn refused(&mut self, message: &str) -> Draft {
        let body = json!({ "statusCode": 400, "message": message, "correlationId": self.guids.next_guid() });
        Draft::gateway(StatusCode::BAD_REQUEST, &body)
    }
}
