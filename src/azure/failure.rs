//! What an error response says, in any of the shapes in which ARM and the resource providers say it.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::headers;
use super::secret::mask;
use crate::domain::{ClusterId, Scope, text};

/// Longest error code that is kept, characters. The longest seen is `DenyAssignmentAuthorizationFailed`.
const CODE_CHARS_MAX: usize = 80;
/// Longest message that is kept, characters: for people to read, never to decide by. Room for two resource ids.
const MESSAGE_CHARS_MAX: usize = 600;
/// Wrappers that are unpacked: an operation's failure holds a resource provider's, which may hold another.
const DEPTH_MAX: usize = 4;

/// Codes that only say that something inside failed; `details` says what (source: recorded bodies of failed AKS
/// operations; azure-rest-api docs, "Error response content").
const WRAPPERS: [&str; 3] = ["ResourceOperationFailure", "DeploymentFailed", "MultipleErrorsOccurred"];

/// The code of what a read-only lock forbids.
pub(super) const SCOPE_LOCKED: &str = "ScopeLocked";

/// An error response of ARM: what people and logs get to see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmFailure {
    /// HTTP status.
    pub status: StatusCode,
    /// The error's code, if the body had the shape of an ARM error. Cleaned and bounded.
    pub code: Option<String>,
    /// The error's message, cleaned, masked and bounded; empty if there was none.
    pub message: String,
    /// `x-ms-request-id`, for Microsoft's support.
    pub request_id: Option<String>,
}

impl ArmFailure {
    /// Reads an error response. Understands `{"error":{code,message}}` of ARM's gateway, `{code,message}` of AKS,
    /// `{Code,Message}` of the activity log's service in older recordings, and failed operations that wrap one of these.
    pub fn read(response: &Response<Bytes>) -> Self {
        let said = serde_json::from_slice::<Value>(response.body()).ok().and_then(|body| innermost(&body));
        let (code, message) = said.map_or((None, String::new()), |(code, message)| (Some(code), message));
        Self {
            status: response.status(),
            code: code.map(|code| text::clean(&code, CODE_CHARS_MAX)),
            message: text::clean(&mask(&message), MESSAGE_CHARS_MAX),
            request_id: headers::request_id(response.headers()),
        }
    }

    /// The locked scope that a `ScopeLocked` names: its message quotes the scope that was to be written first, then those that are
    /// locked (source: recorded bodies). Told to people, never decided by; only a parsed scope that the cluster lies in counts.
    pub fn locked_scope(&self, cluster: &ClusterId) -> Option<Scope> {
        if !self.has_code(SCOPE_LOCKED) {
            return None;
        }
        let quoted = self.message.split('\'').skip(1).step_by(2).skip(1);
        quoted.filter_map(|text| Scope::parse(text).ok()).find(|scope| scope.covers(cluster))
    }

    /// Whether the error's code is this one. Codes are compared without case.
    pub fn has_code(&self, code: &str) -> bool {
        self.code.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(code))
    }

    /// Whether the error's code is one of these.
    pub fn has_any_code(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.has_code(code))
    }
}

impl fmt::Display for ArmFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if let Some(code) = &self.code {
            write!(f, " `{code}`")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

/// The code of an error object, of the innermost one that has a code. Cleaned and bounded.
pub(super) fn code(error: &Value) -> Option<String> {
    innermost(error).map(|(code, _)| text::clean(&code, CODE_CHARS_MAX))
}

/// Code and message of the innermost error that has a code.
fn innermost(body: &Value) -> Option<(String, String)> {
    let mut error = member(body, "error").filter(|error| error.is_object()).unwrap_or(body);
    let mut said = code_and_message(error)?;
    for _ in 0..DEPTH_MAX {
        if !WRAPPERS.iter().any(|wrapper| said.0.eq_ignore_ascii_case(wrapper)) {
            break;
        }
        let inner = member(error, "details").and_then(|details| details.as_array()?.first());
        match inner.and_then(|inner| Some((inner, code_and_message(inner)?))) {
            Some((inner, inner_said)) => (error, said) = (inner, inner_said),
            None => break,
        }
    }
    Some(said)
}

fn code_and_message(error: &Value) -> Option<(String, String)> {
    let code = member(error, "code")?.as_str().filter(|code| !code.is_empty())?;
    let message = member(error, "message").and_then(Value::as_str).unwrap_or_default();
    Some((code.to_owned(), message.to_owned()))
}

/// A member by name, in the usual casing or with a capital.
fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(status: u16, body: &str) -> ArmFailure {
        let response = Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap();
        ArmFailure::read(&response)
    }

    #[test]
    fn both_shapes_and_both_casings_are_understood() {
        for body in [
            r#"{"error":{"code":"BadRequest","message":"no"}}"#,
            r#"{"code":"BadRequest","message":"no","details":null,"subcode":""}"#,
            r#"{"Code":"BadRequest","Message":"no"}"#,
        ] {
            let failure = read(400, body);
            assert_eq!(
                (failure.code.as_deref(), failure.message.as_str()),
                (Some("BadRequest"), "no"),
                "{body}"
            );
        }
    }

    #[test]
    fn a_body_that_is_no_arm_error_has_no_code() {
        for body in ["", "Internal Server Error", "<html>", "[]", "null", r#"{"error":"x"}"#, r#"{"code":5}"#]
        {
            assert_eq!(read(404, body).code, None, "{body}");
        }
    }

    #[test]
    fn what_people_read_is_one_bounded_line_without_tokens() {
        let token = "eyJ0eXAi".repeat(20);
        let body = serde_json::json!({"code": "X\n", "message": format!("line\nbreak {token} {}", "é ".repeat(900))});
        let shown = read(400, &body.to_string()).to_string();
        assert!(!shown.contains('\n') && !shown.contains(&token), "{shown}");
        assert!(shown.chars().count() < CODE_CHARS_MAX + MESSAGE_CHARS_MAX + 20);
    }

    #[test]
    fn the_locked_scope_is_told_if_it_is_one_that_the_cluster_lies_in() {
        let sub = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
        let group = format!("{sub}/resourceGroups/rg");
        let cluster = format!("{group}/providers/Microsoft.ContainerService/managedClusters/aks");
        let id = ClusterId::parse(&cluster).unwrap();
        let locked = |code: &str, scopes: &str| {
            let message = format!(
                "The scope '{cluster}' cannot perform write operation because following scope(s) are locked: {scopes}. Please"
            );
            read(409, &serde_json::json!({"code": code, "message": message}).to_string()).locked_scope(&id)
        };
        assert_eq!(locked("ScopeLocked", &format!("'{group}'")), Scope::parse(&group).ok());
        assert_eq!(locked("ScopeLocked", &format!("'{cluster}'")), Scope::parse(&cluster).ok());
        assert_eq!(
            locked("ScopeLocked", &format!("'{sub}/resourceGroups/other', '{sub}'")),
            Scope::parse(sub).ok()
        );
        for scopes in
            ["", "'", "''", "'rm -rf'", &format!("'{group}/x'"), &format!("'{sub}/resourceGroups/other'")]
        {
            assert_eq!(locked("ScopeLocked", scopes), None, "{scopes}");
        }
        assert_eq!(locked("Other", &format!("'{group}'")), None);
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in "\\PC{0,200}", deep in 0usize..400) {
            let _ = read(500, &body);
            let _ = read(500, &format!("{}{body}", r#"{"error":"#.repeat(deep)));
        }
    }
}
