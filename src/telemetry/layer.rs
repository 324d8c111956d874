//! The layer that turns an event and the spans around it into one line.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::{Format, Lines, Settings, Stream, printable};

/// Most bytes of a line, with its line feed. Application Insights cuts messages at 32 KiB (learn.microsoft.com, "Application
/// Insights limits"); half of it leaves room for what the host adds.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Most bytes of one value, before its quotes are escaped.
pub const VALUE_BYTES_MAX: usize = 4 * 1024;

/// Most fields of an event or of a span that are kept.
const FIELDS_MAX: usize = 32;

/// The closing of a line whose fields did not all fit.
const TRUNCATED: &str = ",\"truncated\":true";

/// The crates whose events are written: this one's library and binary share their name.
const OWN_TARGET: &str = "aks_stop_guard";

pub(super) struct Writing<L> {
    settings: Settings,
    lines: L,
}

impl<L: Lines> Writing<L> {
    pub(super) fn new(settings: Settings, lines: L) -> Self {
        Self { settings, lines }
    }
}

impl<S, L> Layer<S> for Writing<L>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Lines,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let own = metadata
            .target()
            .strip_prefix(OWN_TARGET)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        own && *metadata.level() <= self.settings.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.settings.level)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.inherit(outer);
            }
        }
        let level = *event.metadata().level();
        let line = match self.settings.format {
            Format::Json => {
                json(&(self.settings.now)().to_string(), level, event.metadata().target(), &fields)
            }
            Format::Human => human(level, &fields),
        };
        self.lines.write(Stream::of(self.settings.format, level), &line);
    }
}

/// A line for a machine. The fixed members come first, so a line that is cut short still says what it is about.
fn json(time: &str, level: Level, target: &str, fields: &Fields) -> String {
    let mut line = format!(r#"{{"time":"{time}","level":"{level}","target":"{target}""#);
    line.push_str(",\"message\":");
    line.push_str(&quoted(&fields.message));
    for (name, value) in &fields.values {
        let member = match value {
            Value::Text(text) => format!(",\"{name}\":{}", quoted(text)),
            Value::Plain(plain) => format!(",\"{name}\":{plain}"),
        };
        if line.len() + member.len() + TRUNCATED.len() + "}\n".len() > LINE_BYTES_MAX {
            line.push_str(TRUNCATED);
            break;
        }
        line.push_str(&member);
    }
    line.push_str("}\n");
    line
}

/// A line for a person.
fn human(level: Level, fields: &Fields) -> String {
    let mut line = format!("{level:>5} {}", fields.message);
    for (name, value) in &fields.values {
        let (Value::Text(text) | Value::Plain(text)) = value;
        if line.len() + name.len() + text.len() + " … =\n".len() > LINE_BYTES_MAX {
            line.push_str(" …");
            break;
        }
        line.push(' ');
        line.push_str(name);
        line.push('=');
        line.push_str(text);
    }
    line.push('\n');
    line
}

/// A JSON string. Nothing but quotes and backslashes is left to escape in a printable text.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    // Cut where something is escaped, so that what lies between is copied as a whole.
    let mut rest = text;
    while let Some((plain, from)) = rest.find(['"', '\\']).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        out.push('\\');
        let (escaped, after) = from.split_at_checked(1).unwrap_or((from, ""));
        out.push_str(escaped);
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
    out
}

/// The values of an event or a span, printable and bounded from the moment they are taken.
#[derive(Default)]
struct Fields {
    message: String,
    values: Vec<(&'static str, Value)>,
}

#[derive(Clone)]
enum Value {
    /// To be quoted in JSON.
    Text(String),
    /// A number or a boolean, which is JSON as it is.
    Plain(String),
}

impl Fields {
    /// Takes over what an outer span says, unless something nearer has said it: a JSON object has no name twice.
    fn inherit(&mut self, outer: &Self) {
        for (name, value) in &outer.values {
            if !self.values.iter().any(|(nearer, _)| nearer == name) {
                self.values.push((name, value.clone()));
            }
        }
    }

    fn set(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            let (Value::Text(text) | Value::Plain(text)) = value;
            self.message = text;
        } else if let Some((_, old)) = self.values.iter_mut().find(|(name, _)| *name == field.name()) {
            *old = value;
        } else if self.values.len() < FIELDS_MAX {
            self.values.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        let value =
            if value.is_finite() { Value::Plain(value.to_string()) } else { Value::Text(value.to_string()) };
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Plain(value.to_string()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::Text(printable(value, VALUE_BYTES_MAX)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        // Stops in the middle of a value that is too long: what it wrote until then is what counts.
        let _stopped_when_full = write!(text, "{value:?}");
        self.set(field, Value::Text(printable(&text.0, VALUE_BYTES_MAX)));
    }
}

/// Takes no more of a value than can be shown, however much its `Debug` or `Display` has to say.
#[derive(Default)]
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.len() > 2 * VALUE_BYTES_MAX { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
