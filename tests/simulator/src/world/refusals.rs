//! The answers that a fault orders in place of the real one, in the wording that is attested where one is.

use http::StatusCode;

use super::answer::Draft;
use super::arm::Call;
use super::fault::{Fault, RequestKind};
use super::identity::TokenFault;

/// The resource provider's 429 (azure-aks-docs `quotas-skus-regions`).
pub(super) fn throttled(kind: RequestKind, subscription: &str, retry_after: Option<u32>) -> Draft {
    let seconds = retry_after.unwrap_or_default();
    let message = format!(
        "The {kind:?}ManagedClusterHandler request limit has been exceeded for SubID='{subscription}', please retry again in \
         {seconds} seconds. For more information, please visit aka.ms/aks/throttling"
    );
    let draft = Draft::provider_error(StatusCode::TOO_MANY_REQUESTS, "Throttled", &message);
    match retry_after {
        Some(seconds) => draft.with("retry-after", &seconds.to_string()),
        None => draft,
    }
}

/// What a fault answers, if it answers at all.
pub(super) fn ordered(fault: &Fault, call: &Call<'_>, object_id: &str) -> Option<Draft> {
    let action = call.target.action();
    let scope = call.target.cluster().map(ToString::to_string).unwrap_or_default();
    match fault {
        Fault::Throttled { retry_after } => {
            Some(throttled(call.kind, call.target.subscription().unwrap_or_default(), *retry_after))
        }
        Fault::Denied => Some(Draft::gateway_error(
            StatusCode::FORBIDDEN,
            "AuthorizationFailed",
            &format!(
                "The client '{object_id}' with object id '{object_id}' does not have authorization to perform action \
                 '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your \
                 credentials."
            ),
        )),
        Fault::Locked => Some(Draft::gateway_error(
            StatusCode::CONFLICT,
            "ScopeLocked",
            &format!(
                "The scope '{scope}' cannot perform write operation because following scope(s) are locked: '{scope}'. \
                 Please remove the lock and try again."
            ),
        )),
        Fault::PolicyDenied => Some(Draft::gateway(
            StatusCode::FORBIDDEN,
            &serde_json::json!({ "error": {
                "code": "RequestDisallowedByPolicy",
                "message": "The resource was disallowed by policy. Policy identifiers: '[]'.",
                "target": scope,
                "additionalInfo": [{ "type": "PolicyViolation", "info": { "policyDefinitionEffect": "deny" } }],
            }}),
        )),
        Fault::Conflict => Some(Draft::provider_error(
            StatusCode::CONFLICT,
            "OperationNotAllowed",
            "Operation is not allowed: Another operation (Updating) is in progress, please wait for it to finish before \
             starting a new operation. See https://aka.ms/aks-pending-operation for more details",
        )),
        Fault::Changed => Some(super::amend::changed()),
        Fault::ServerError => Some(Draft::text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
        Fault::Unavailable => Some(
            Draft::gateway_error(StatusCode::SERVICE_UNAVAILABLE, "ServerTimeout", "The request timed out.")
                .with("retry-after", "10"),
        ),
        Fault::TokenRefused => Some(TokenFault::Expired(call.now).answer(call.now)),
        Fault::IdentityDown => Some(Draft::gateway(
            StatusCode::INTERNAL_SERVER_ERROR,
            &serde_json::json!({ "statusCode": 500, "message": "An unexpected error occurred while fetching the token.",
                                 "correlationId": call.correlation_id }),
        )),
        Fault::Quota
        | Fault::StartFails { .. }
        | Fault::StaleLook(_)
        | Fault::AnswerLost
        | Fault::NeverArrived
        | Fault::SlowAnswer(_) => None,
    }
}
