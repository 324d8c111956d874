//! What sinks cost: the messages of one incident for all that are shipped, and reading the settings with their files at the start.
//!
//! `cargo bench --profile simulation --bench sinks` prints a line of JSON for each figure, with its limit; `make bench` holds them against it.
//! The profile is optimised, but without the link-time optimisation of the released build, which is not slower.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use aks_stop_guard::config::{Environment, Settings, SinkFolder};
use aks_stop_guard::domain::IncidentState;
use aks_stop_guard::incident::samples::{Sample, sample};
use aks_stop_guard::incident::{Azure, PreparedSink};
use jiff::tz::TimeZone;
use serde_json::json;
use told::{Told, timed_ms};

#[path = "support/told.rs"]
mod told;

/// All requests of one incident to all sinks, milliseconds.
const WRITE_MS_MAX: f64 = 1.0;

/// Every shipped sink, with made-up settings.
fn shipped() -> Vec<PreparedSink> {
    let none = Environment::of::<&str, &str>([]);
    let folder = SinkFolder::of(&none);
    let azure = Settings::read(&none).azure_for_sinks();
    folder.names().map(|name| ready(&folder, name, &none, &azure)).collect()
}

fn ready(folder: &SinkFolder, name: &str, environment: &Environment, azure: &Azure) -> PreparedSink {
    folder.entry(name, environment, &TimeZone::UTC, azure).unwrap().sink.unwrap()
}

/// Writes the messages as people are shown them: as they are sent, and their bodies read back and secrets looked for once more.
fn write(sinks: &[PreparedSink], about: Sample) -> Vec<f64> {
    let incident = sample(about, IncidentState::Opened);
    timed_ms(501, || {
        for sink in sinks {
            assert!(!sink.show(&incident).unwrap().is_empty());
        }
    })
}

/// Reads the settings with these sinks.
fn read(sinks: &str) -> Vec<f64> {
    let environment = Environment::of([
        ("STOP_GUARD_STATE", "memory"),
        ("STOP_GUARD_SUBSCRIPTIONS", "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"),
        ("STOP_GUARD_SINKS", sinks),
        ("STOP_GUARD_PAGERDUTY_KEY", "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12"),
        ("STOP_GUARD_SLACK_URL", "https://hooks.slack.example/services/T/B/X"),
        ("STOP_GUARD_WEBHOOK_URL", "https://receiver.example/hook"),
    ]);
    timed_ms(101, || assert_eq!(Settings::read(&environment).sink_names().is_empty(), sinks.is_empty()))
}

fn main() {
    let sinks = shipped();
    let count = sinks.len();
    for (what, about) in [("one incident", Sample::Stop), ("a storm of 12 clusters", Sample::Storm)] {
        let written = write(&sinks, about);
        Told::runs(&format!("{what} for {count} sinks"), "ms", written)
            .with("at_most", json!(WRITE_MS_MAX))
            .print();
    }
    for (name, sinks) in
        [("no sink", ""), ("webhook", "webhook"), ("pagerduty, slack and webhook", "pagerduty,slack,webhook")]
    {
        Told::runs(&format!("settings with {name}"), "ms", read(sinks)).print();
    }
}
