//! The templates of one sink: compiled once, and escaped by what they make - JSON, a URL, a header.
//!
//! A template can't turn escaping off: the filters and blocks that would are not there or are faults.

use std::borrow::Cow;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

mod filters;

/// Work that one rendering may take, in the engine's unit (an instruction, or 64 bytes): thirty times what the largest shipped body of
/// the largest incident takes, and an end to a loop that has none.
const FUEL_MAX: u64 = 2_000_000;

/// What a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every value is written as JSON.
    Json,
    /// Every value is percent-encoded, but settings that are URLs or paths themselves.
    Url,
    /// Every value loses what can't be in a header.
    Header,
    /// A condition: nothing of it is sent.
    Condition,
    /// Plain text: every value as it is.
    Text,
    /// Every value is written as text of HTML, or as an attribute's value.
    Html,
}

impl Kind {
    /// The end of the names of templates of this kind.
    fn suffix(self) -> &'static str {
        match self {
            Self::Json => ".json",
            Self::Url => ".url",
            Self::Header => ".header",
            Self::Condition => ".condition",
            Self::Text => ".text",
            Self::Html => ".html",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Json, Self::Url, Self::Header, Self::Condition, Self::Text, Self::Html]
            .into_iter()
            .find(|kind| name.ends_with(kind.suffix()))
    }
}

/// The compiled templates of one sink.
pub(super) struct Templates(Environment<'static>);

/// A template of [`Templates`].
#[derive(Debug, Clone)]
pub(super) struct Name(String);

impl Templates {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(FUEL_MAX));
        environment.set_auto_escape_callback(|name| match Kind::of(name) {
            Some(Kind::Json) => AutoEscape::Json,
            Some(Kind::Html) => AutoEscape::Html,
            Some(Kind::Url) => AutoEscape::Custom(Cow::Borrowed("url")),
            Some(Kind::Text) => AutoEscape::Custom(Cow::Borrowed("text")),
            Some(Kind::Header | Kind::Condition) | None => AutoEscape::Custom(Cow::Borrowed("header")),
        });
        environment.set_formatter(format);
        // Each of them marks a text as one that needs no escaping.
        for unsafe_filter in ["safe", "escape", "e", "tojson"] {
            environment.remove_filter(unsafe_filter);
        }
        filters::add(&mut environment);
        Self(environment)
    }

    /// Compiles a template.
    pub(super) fn add(&mut self, name: &str, kind: Kind, source: &str) -> Result<Name, Error> {
        let name = format!("{name}{}", kind.suffix());
        let source = match kind {
            Kind::Condition => format!("{{% if {source} %}}yes{{% endif %}}"),
            Kind::Json | Kind::Url | Kind::Header | Kind::Text | Kind::Html => source.to_owned(),
        };
        self.0.add_template_owned(name.clone(), source)?;
        Ok(Name(name))
    }

    pub(super) fn render(&self, name: &Name, context: &Value) -> Result<String, Error> {
        self.0.get_template(&name.0)?.render(context.clone())
    }
}

/// A value for templates from anything that can be serialised.
pub(super) fn value(of: impl serde::Serialize) -> Value {
    Value::from(Serde(of))
}

/// A text that is put into URLs as it is: a setting that was checked.
pub(super) fn checked(text: &str) -> Value {
    Value::from_safe_string(text.to_owned())
}

fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let kind = Kind::of(state.name());
    let expected = match kind {
        Some(Kind::Json) => *state.auto_escape() == AutoEscape::Json,
        Some(Kind::Html) => *state.auto_escape() == AutoEscape::Html,
        Some(_) | None => matches!(state.auto_escape(), AutoEscape::Custom(_)),
    };
    if !expected {
        return Err(Error::new(ErrorKind::InvalidOperation, "escaping can't be turned off"));
    }
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    match kind {
        Some(Kind::Json | Kind::Html) => minijinja::escape_formatter(out, state, value),
        Some(Kind::Text) => Ok(out.write_str(&text(value)?)?),
        Some(Kind::Url) if value.is_safe() => Ok(out.write_str(value.as_str().unwrap_or_default())?),
        Some(Kind::Url) => {
            let text = text(value)?;
            Ok(out.write_str(
                &url::form_urlencoded::byte_serialize(text.as_bytes())
                    .collect::<String>()
                    .replace('+', "%20"),
            )?)
        }
        Some(Kind::Header | Kind::Condition) | None => {
            let text = text(value)?;
            let plain: String =
                text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '_' }).collect();
            Ok(out.write_str(&plain)?)
        }
    }
}

/// A single value: a list, or nothing at all, in a URL, a header or a text is a slip.
fn text(value: &Value) -> Result<Cow<'_, str>, Error> {
    if let Some(text) = value.as_str() {
        return Ok(Cow::Borrowed(text));
    }
    if value.is_number() || value.is_true() && value.len().is_none() {
        return Ok(Cow::Owned(value.to_string()));
    }
    Err(Error::new(
        ErrorKind::InvalidOperation,
        format!("a {} can't be in a URL, a header or a text", value.kind()),
    ))
}

#[cfg(test)]
mod tests;
