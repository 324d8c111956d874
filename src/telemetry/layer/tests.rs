use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tracing::{debug, error, info, info_span, warn};

use super::*;
use crate::telemetry::subscriber;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<(Stream, String)>>>);

impl Lines for Captured {
    fn write(&self, stream: Stream, line: &str) {
        self.0.lock().unwrap().push((stream, line.to_owned()));
    }
}

fn logged(format: Format, level: LevelFilter, work: impl FnOnce()) -> Vec<(Stream, String)> {
    let lines = Captured::default();
    let settings = Settings { level, format, now: || Timestamp::UNIX_EPOCH };
    tracing::subscriber::with_default(subscriber(settings, lines.clone()), work);
    let lines = lines.0.lock().unwrap();
    lines.clone()
}

fn json_lines(work: impl FnOnce()) -> Vec<serde_json::Value> {
    let lines = logged(Format::Json, LevelFilter::INFO, work);
    lines.iter().map(|(_, line)| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_is_one_json_object_with_the_fields_of_its_spans() {
    let lines = logged(Format::Json, LevelFilter::INFO, || {
        let span = info_span!("invocation", invocation_id = "9f-1", late = tracing::field::Empty);
        let _entered = span.enter();
        span.record("late", true);
        info!(attempt = 2, ratio = 0.5, odd = f64::NAN, name = %"aks", "restarted `aks`");
    });
    insta::assert_snapshot!(
        lines[0].1,
        @r#"{"time":"1970-01-01T00:00:00Z","level":"INFO","target":"aks_stop_guard::telemetry::layer::tests","message":"restarted `aks`","attempt":2,"ratio":0.5,"odd":"NaN","name":"aks","invocation_id":"9f-1","late":true}"#
    );
}

#[test]
fn only_errors_go_to_stderr_so_that_the_host_shows_nothing_else_as_one() {
    let lines = logged(Format::Json, LevelFilter::DEBUG, || {
        debug!("d");
        info!("i");
        warn!("w");
        error!("e");
    });
    let streams: Vec<_> = lines.iter().map(|(stream, _)| *stream).collect();
    assert_eq!(streams, [Stream::Out, Stream::Out, Stream::Out, Stream::Err]);
}

#[test]
fn a_person_reads_text_on_stderr_and_leaves_stdout_to_the_command() {
    let lines = logged(Format::Human, LevelFilter::INFO, || {
        info!(cluster = "aks\u{1b}[31m-prod", "looked");
        error!("failed");
    });
    assert!(lines.iter().all(|(stream, _)| *stream == Stream::Err));
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    insta::assert_snapshot!(text, @r"
     INFO looked cluster=aks\u{1b}[31m-prod
    ERROR failed
    ");
}

#[test]
fn events_below_the_level_and_events_of_libraries_are_not_written() {
    let lines = json_lines(|| {
        debug!("too small");
        error!(target: "reqwest::connect", url = "https://x/?sig=SECRET", "not ours");
        error!(target: "aks_stop_guardian", "not ours either");
        warn!("ours");
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "ours");
}

#[test]
fn a_value_can_neither_forge_a_line_nor_break_the_json() {
    let hostile = "x\"}\n{\"level\":\"ERROR\"\\\u{202e}\u{0}";
    let lines =
        logged(Format::Json, LevelFilter::INFO, || info!(claim = hostile, debugged = ?hostile, "{hostile}"));
    let line = &lines[0].1;
    assert_eq!(line.matches('\n').count(), 1);
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(json["claim"], "x\"}\\n{\"level\":\"ERROR\"\\\\u{202e}\\u{0}");
    assert_eq!(json["level"], "INFO");
}

#[test]
fn a_line_has_a_limit_and_says_that_it_was_cut() {
    let long = "\"\\".repeat(1_000_000);
    let lines = logged(Format::Json, LevelFilter::INFO, || {
        info!(a = long, b = ?long, c = %long, d = long, last = "z", "{long}");
    });
    assert!(lines[0].1.len() <= LINE_BYTES_MAX, "{}", lines[0].1.len());
    let json: serde_json::Value = serde_json::from_str(&lines[0].1).unwrap();
    assert_eq!(json["truncated"], true);
    assert!(json["message"].as_str().unwrap().ends_with("bytes)"));

    let lines =
        logged(Format::Human, LevelFilter::INFO, || info!(a = long, b = long, c = long, d = long, "{long}"));
    assert!(lines[0].1.len() <= LINE_BYTES_MAX && lines[0].1.ends_with(" …\n"));
}
