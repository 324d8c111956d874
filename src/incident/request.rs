//! One step of a sink, compiled: from an incident to the request that tells it.

use ::http::{HeaderName, HeaderValue, Method};
use minijinja::value::Value;
use serde_json::Value as Json;

use super::address::Address;
use super::file::Answers;
use super::signature::Secret;
use super::template::{Name, Templates};
use super::tokens::Scope;
use super::view::View;
use crate::domain::IncidentState;
use crate::domain::text::clean;

/// Longest reason in characters.
const REASON_CHARS_MAX: usize = 200;
/// How many times as long as a whole body may be the lists alone are at which it isn't written to see whether it fits: it would be
/// megabytes, and a template that leaves the lists out is found to fit all the same.
const HOPELESS: usize = 8;
/// What secrets are shown as.
pub(super) const HIDDEN: &str = "***";
/// Shorter values than these are not looked for in texts, in bytes: they would be found everywhere.
const SECRET_BYTES_MIN: usize = 4;

/// A compiled step.
pub(super) struct Request {
    pub(super) name: String,
    pub(super) states: Vec<IncidentState>,
    pub(super) when: Option<Part>,
    pub(super) method: Method,
    pub(super) url: Part,
    /// Whether the URL holds a secret, so that not even its host is shown.
    pub(super) is_url_secret: bool,
    pub(super) headers: Vec<(HeaderName, Part)>,
    pub(super) body: Option<Part>,
    pub(super) auth: Proof,
    pub(super) answers: Answers,
    /// What the receiver answers, for checks and samples.
    pub(super) example: Json,
}

/// A template and the line that it begins in.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) template: Name,
    pub(super) line: usize,
}

/// How a request proves who sends it.
pub(super) enum Proof {
    None,
    /// The value of the header `authorization`.
    Basic(HeaderValue),
    /// Nothing is signed without a key.
    Signature(Option<Secret>),
    Token(Scope),
}

/// A request, but for what proves who sends it.
pub(super) struct Rendered {
    pub(super) address: Address,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<String>,
}

/// Why a request can't be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RenderError {
    /// The line of the file, from 1.
    pub(super) line: usize,
    pub(super) message: String,
}

/// All that requests are written from.
pub(super) struct Material<'a> {
    pub(super) templates: &'a Templates,
    /// What `settings` and `azure` are in templates.
    pub(super) settings: &'a Value,
    pub(super) azure: &'a Value,
    pub(super) body_bytes_max: usize,
    /// Values that no reason may show.
    pub(super) secrets: &'a [String],
}

impl Request {
    /// Whether the step is taken for this message.
    pub(super) fn is_due(
        &self,
        material: &Material<'_>,
        state: IncidentState,
        view: &View,
        answers: &Value,
    ) -> Result<bool, RenderError> {
        if !self.states.contains(&state) {
            return Ok(false);
        }
        match &self.when {
            None => Ok(true),
            Some(when) => Ok(!render(material, when, &context(material, view, answers))?.is_empty()),
        }
    }

    /// Writes the request.
    pub(super) fn render(
        &self,
        material: &Material<'_>,
        view: &View,
        answers: &Value,
    ) -> Result<Rendered, RenderError> {
        let context = context(material, view, answers);
        let url = render(material, &self.url, &context)?;
        let address = Address::parse(url.trim())
            .map_err(|error| RenderError { line: self.url.line, message: format!("the URL {error}") })?;
        let mut headers = Vec::new();
        for (name, part) in &self.headers {
            let text = render(material, part, &context)?;
            let header = HeaderValue::from_str(text.trim()).map_err(|_| RenderError {
                line: part.line,
                message: format!("`{name}` would hold what can't be in a header"),
            })?;
            headers.push((name.clone(), header));
        }
        let body = self.body.as_ref().map(|part| {
            let write = |view: &View| json(material, part, &self::context(material, view, answers));
            fit(String::len, material.body_bytes_max, part.line, view, write)
        });
        let body = body.transpose()?;
        Ok(Rendered { address, headers, body })
    }
}

/// What templates see.
pub(super) fn context(material: &Material<'_>, view: &View, answers: &Value) -> Value {
    minijinja::context! {
        settings => material.settings.clone(),
        azure => material.azure.clone(),
        answers => answers.clone(),
        ..view.value()
    }
}

/// What is within the limit: the whole, or what is written without as few entries as will do.
pub(super) fn fit<T>(
    bytes: impl Fn(&T) -> usize,
    max: usize,
    line: usize,
    view: &View,
    write: impl Fn(&View) -> Result<T, RenderError>,
) -> Result<T, RenderError> {
    let entries = view.spare();
    // The most entries that can stay: at least `fits`, fewer than `too_many`.
    let (mut fits, mut too_many) = (0, entries + 1);
    if view.list_bytes() <= max.saturating_mul(HOPELESS) {
        let whole = write(view)?;
        if bytes(&whole) <= max {
            return Ok(whole);
        }
        too_many = entries;
    }
    let keeping = |count: usize| write(&view.without(entries - count));
    let mut longest = keeping(0)?;
    if bytes(&longest) > max {
        let message = format!("the body has {} bytes without any list, {max} are allowed", bytes(&longest));
        return Err(RenderError { line, message });
    }
    // Sought from the short end, since a body costs what it is long.
    while fits + 1 < too_many {
        let count = (2 * fits).max(1).min(fits + (too_many - fits) / 2);
        let body = keeping(count)?;
        if bytes(&body) <= max {
            (fits, longest) = (count, body);
        } else {
            too_many = count;
        }
    }
    Ok(longest)
}

/// Renders a body and writes it as compact JSON without members that are null.
fn json(material: &Material<'_>, part: &Part, context: &Value) -> Result<String, RenderError> {
    let text = render(material, part, context)?;
    let mut body: Json = serde_json::from_str(&text).map_err(|error| {
        let near = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default().trim();
        let message = format!(
            "the body is no JSON: {error}, near `{}`",
            clean(&hide(material.secrets, near), REASON_CHARS_MAX)
        );
        RenderError { line: part.line, message }
    })?;
    drop_nulls(&mut body);
    Ok(body.to_string())
}

fn drop_nulls(json: &mut Json) {
    match json {
        Json::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Json::Array(entries) => entries.iter_mut().for_each(drop_nulls),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

pub(super) fn render(material: &Material<'_>, part: &Part, context: &Value) -> Result<String, RenderError> {
    material
        .templates
        .render(&part.template, context)
        .map_err(|error| reason(&error, part.line, material.secrets))
}

/// The engine's error, with the line of the file.
pub(super) fn reason(error: &minijinja::Error, first_line: usize, secrets: &[String]) -> RenderError {
    let line = first_line + error.line().unwrap_or(1).saturating_sub(1);
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let message = clean(&hide(secrets, &format!("{}{detail}", error.kind())), REASON_CHARS_MAX);
    RenderError { line, message }
}

/// Takes secrets out of a text, as they are and as they are in URLs and JSON. Before it is cut: half a secret would not be found.
pub(super) fn hide(secrets: &[String], text: &str) -> String {
    let secrets = secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN);
    secrets.fold(text.to_owned(), |text, secret| {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let quoted = Json::from(secret.as_str()).to_string();
        text.replace(quoted.trim_matches('"'), HIDDEN)
            .replace(secret.as_str(), HIDDEN)
            .replace(&encoded.replace('+', "%20"), HIDDEN)
    })
}
