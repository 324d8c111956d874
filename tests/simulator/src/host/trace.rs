//! Trace context towards the handler.

use super::chance;

/// Which telemetry the host has on; without any it sends no trace headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Telemetry {
    /// No trace headers at all.
    #[default]
    Off,
    /// Application Insights: a trace the host begins itself is marked as not sampled.
    ApplicationInsights,
    /// OpenTelemetry: a trace the host begins itself is marked as sampled.
    OpenTelemetry,
}

/// The trace headers a caller sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`.
    pub parent: Option<String>,
    /// `tracestate`.
    pub state: Option<String>,
}

impl Telemetry {
    /// The headers for one request to the handler: the caller's trace goes on under a new span.
    #[must_use]
    pub fn headers(self, caller: &TraceContext) -> Vec<(&'static str, String)> {
        let own_flags = match self {
            Telemetry::Off => return Vec::new(),
            Telemetry::ApplicationInsights => "00",
            Telemetry::OpenTelemetry => "01",
        };
        let parent = caller.parent.as_deref().and_then(trace_and_flags);
        let (trace, flags) = match parent {
            Some((trace, flags)) => (trace.to_owned(), flags),
            None => (chance::hex(32), own_flags),
        };
        let mut headers = vec![("traceparent", format!("00-{trace}-{}-{flags}", chance::hex(16)))];
        if let (Some(_), Some(state)) = (parent, &caller.state) {
            headers.push(("tracestate", state.clone()));
        }
        headers
    }
}

fn trace_and_flags(parent: &str) -> Option<(&str, &str)> {
    let mut parts = parent.split('-');
    let (_, trace, _, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex(trace, 32) && hex(flags, 2)).then_some((trace, flags))
}
