//! `POST /Grant` and `POST /Hold`: what callers write, and what they are answered.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::envelope::HttpRequest;
use super::invocation::HttpOutput;
use crate::azure::TokenFault;
use crate::domain::calendar::parse_moment;
use crate::domain::scope::{ResourceGroupId, Scope};
use crate::domain::{Caller, ClusterId, Grant, GrantScope, Hold, SubscriptionId, text};
use crate::guard::{Denied, GrantRequest, GuardError, HoldRequest, Made, Wanted};
use crate::store::PathName;

/// Longest error that a caller is told, in characters: it quotes what they wrote.
const ERROR_CHARS_MAX: usize = 400;
/// Longest body, in bytes. With a reason of full length it has under 3 KB.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// What is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// A planned stop.
    Grant,
    /// A hold.
    Hold,
}

/// The body of a request for a grant: one of the first four, and who may stop it until when and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GrantBody {
    cluster: Option<String>,
    resource_group: Option<String>,
    subscription: Option<String>,
    tag: Option<TagBody>,
    caller: String,
    from: Option<String>,
    until: String,
    reason: String,
    ticket: Option<String>,
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagBody {
    name: String,
    value: String,
}

/// The body of a request for a hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HoldBody {
    #[serde(default)]
    all: bool,
    cluster: Option<String>,
    resource_group: Option<String>,
    subscription: Option<String>,
    until: String,
    reason: String,
    id: Option<String>,
}

/// Reads a request for a grant. Its name is made of the body and of who sent it: the same request twice is one grant, and nobody
/// can take the name of another's. A different `id` in the body makes it another grant.
pub(super) fn grant_request(request: &HttpRequest, sender: &Caller) -> Result<GrantRequest, HttpOutput> {
    let (body, id): (GrantBody, PathName) = read(request, sender, |body: &GrantBody| body.id.as_deref())?;
    let tag = body.tag.map(|tag| Wanted::Scope(GrantScope::Tag { name: tag.name, value: tag.value }));
    let given = [
        body.cluster.map(|id| cluster(&id).map(Wanted::Cluster)),
        body.resource_group.map(|id| Ok(Wanted::Scope(GrantScope::resource_group(group(&id)?)))),
        body.subscription.map(|id| Ok(Wanted::Scope(GrantScope::in_subscription(subscription(&id)?)))),
        tag.map(Ok),
    ];
    let wanted = only_one(given, "say one of `cluster`, `resourceGroup`, `subscription` and `tag`")?;
    Ok(GrantRequest {
        wanted,
        caller: body.caller,
        from: body.from.as_deref().map(moment).transpose()?,
        until: moment(&body.until)?,
        reason: body.reason,
        ticket: body.ticket,
        id,
    })
}

/// Reads a request for a hold; named as grants are.
pub(super) fn hold_request(request: &HttpRequest, sender: &Caller) -> Result<HoldRequest, HttpOutput> {
    let (body, id): (HoldBody, PathName) = read(request, sender, |body: &HoldBody| body.id.as_deref())?;
    let given = [
        body.all.then_some(Ok(Scope::Everywhere)),
        body.cluster.map(|id| cluster(&id).map(Scope::Cluster)),
        body.resource_group.map(|id| group(&id).map(Scope::ResourceGroup)),
        body.subscription.map(|id| subscription(&id).map(Scope::Subscription)),
    ];
    let scope = only_one(given, "say one of `all`, `cluster`, `resourceGroup` and `subscription`")?;
    Ok(HoldRequest { scope, until: moment(&body.until)?, reason: body.reason, id })
}

fn read<T: for<'de> Deserialize<'de>>(
    request: &HttpRequest,
    sender: &Caller,
    id: impl Fn(&T) -> Option<&str>,
) -> Result<(T, PathName), HttpOutput> {
    let text =
        request.body.as_deref().ok_or_else(|| bad("there is no body: send JSON, with its Content-Length"))?;
    if text.len() > BODY_BYTES_MAX {
        return Err(bad(&format!("the body has more than {BODY_BYTES_MAX} bytes")));
    }
    // Read twice: the value's members are sorted, so that spaces and order don't make it another request.
    let value: Value = serde_json::from_str(text).map_err(|error| bad(&error.to_string()))?;
    let body: T = serde_json::from_str(text).map_err(|error| bad(&error.to_string()))?;
    if id(&body).is_some_and(|id| PathName::parse(id).is_none()) {
        return Err(bad("`id` has 1 to 128 of the characters `a-z 0-9 . _ -`"));
    }
    let name = PathName::digest(format!("{}\n{value}", sender.identity().unwrap_or_default()));
    Ok((body, name))
}

fn only_one<T, const N: usize>(
    given: [Option<Result<T, HttpOutput>>; N],
    help: &str,
) -> Result<T, HttpOutput> {
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => one,
        (None, _) | (Some(_), Some(_)) => Err(bad(help)),
    }
}

fn cluster(id: &str) -> Result<ClusterId, HttpOutput> {
    ClusterId::parse(id).map_err(|error| bad(&error.to_string()))
}

fn group(id: &str) -> Result<ResourceGroupId, HttpOutput> {
    ResourceGroupId::parse(id).map_err(|error| bad(&error.to_string()))
}

fn subscription(id: &str) -> Result<SubscriptionId, HttpOutput> {
    SubscriptionId::parse(id).map_err(|error| bad(&error.to_string()))
}

fn moment(given: &str) -> Result<jiff::Timestamp, HttpOutput> {
    parse_moment(given).map_err(|error| bad(&error.to_string()))
}

fn bad(why: &str) -> HttpOutput {
    HttpOutput::error(StatusCode::BAD_REQUEST, &text::clean(why, ERROR_CHARS_MAX))
}

/// The functions are off.
pub(super) fn off() -> HttpOutput {
    HttpOutput::error(
        StatusCode::NOT_FOUND,
        "off: STOP_GUARD_GRANT_AUDIENCE and STOP_GUARD_GRANT_TENANTS are not set",
    )
}

/// There is no good token.
pub(super) fn unauthorised(fault: &TokenFault) -> HttpOutput {
    let status = match fault {
        TokenFault::Refused(_) => StatusCode::UNAUTHORIZED,
        TokenFault::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    HttpOutput::error(status, &fault.to_string())
}

/// What came of a request for a grant.
pub(super) fn granted(made: Result<Made<Grant>, Denied>) -> HttpOutput {
    answered(made, "grant")
}

/// What came of a request for a hold.
pub(super) fn held(made: Result<Made<Hold>, Denied>) -> HttpOutput {
    answered(made, "hold")
}

fn answered<T: serde::Serialize>(made: Result<Made<T>, Denied>, name: &str) -> HttpOutput {
    let (status, made) = match made {
        Ok(Made::New(made)) => (StatusCode::CREATED, made),
        Ok(Made::Known(made)) => (StatusCode::OK, made),
        Err(denied) => return refused(&denied),
    };
    match serde_json::to_value(&made) {
        Ok(value) => HttpOutput { status, body: json!({ name: value }) },
        Err(_) => HttpOutput::error(StatusCode::INTERNAL_SERVER_ERROR, "the answer can't be written as JSON"),
    }
}

fn refused(denied: &Denied) -> HttpOutput {
    let status = match denied {
        Denied::Invalid(_) => StatusCode::BAD_REQUEST,
        Denied::NotGuarded(_) | Denied::NotPermitted(_) => StatusCode::FORBIDDEN,
        Denied::NoCluster(_) => StatusCode::NOT_FOUND,
        Denied::TakenBack(_) => StatusCode::CONFLICT,
        Denied::NoLook(_)
        | Denied::Guard(
            GuardError::Store(_)
            | GuardError::Contended(_)
            | GuardError::Settings(_)
            | GuardError::Members(_),
        ) => StatusCode::SERVICE_UNAVAILABLE,
        Denied::Guard(GuardError::Record { .. }) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpOutput::error(status, &text::clean(&denied.to_string(), ERROR_CHARS_MAX))
}
