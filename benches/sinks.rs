//! What sinks cost: the messages of one incident for all that are shipped, and reading the settings with their files at the start.
//!
//! `cargo bench --profile simulation --bench sinks` prints the medians and fails beyond a limit. The profile is optimised, but without the
//! link-time optimisation of the released build, which is not slower.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::Duration;

use aks_stop_guard::config::{Environment, Settings, SinkFolder};
use aks_stop_guard::domain::IncidentState;
use aks_stop_guard::incident::samples::{Sample, sample};
use aks_stop_guard::incident::{Azure, PreparedSink};
use jiff::tz::TimeZone;
use median::median;

#[path = "support/median.rs"]
mod median;

/// All requests of one incident to all sinks.
const WRITE_MAX: Duration = Duration::from_millis(1);

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
fn write(sinks: &[PreparedSink], about: Sample) -> Duration {
    let incident = sample(about, IncidentState::Opened);
    median(501, || {
        for sink in sinks {
            assert!(!sink.show(&incident).unwrap().is_empty());
        }
    })
}

/// Reads the settings with these sinks.
fn read(sinks: &str) -> Duration {
    let environment = Environment::of([
        ("STOP_GUARD_STATE", "memory"),
        ("STOP_GUARD_SUBSCRIPTIONS", "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"),
        ("STOP_GUARD_SINKS", sinks),
        ("STOP_GUARD_PAGERDUTY_KEY", "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12"),
        ("STOP_GUARD_SLACK_URL", "https://hooks.slack.example/services/T/B/X"),
        ("STOP_GUARD_WEBHOOK_URL", "https://receiver.example/hook"),
    ]);
    median(101, || assert_eq!(Settings::read(&environment).sink_names().is_empty(), sinks.is_empty()))
}

fn main() {
    let sinks = shipped();
    let count = sinks.len();
    let stop = write(&sinks, Sample::Stop);
    let storm = write(&sinks, Sample::Storm);
    println!("one incident for {count} sinks                {stop:>10.1?}   limit {WRITE_MAX:?}");
    println!("a storm of 12 clusters for {count} sinks      {storm:>10.1?}   limit {WRITE_MAX:?}");
    for (name, sinks) in
        [("no sink", ""), ("webhook", "webhook"), ("pagerduty, slack and webhook", "pagerduty,slack,webhook")]
    {
        println!("settings with {name:<30} {:>10.1?}", read(sinks));
    }
    assert!(stop <= WRITE_MAX && storm <= WRITE_MAX, "beyond its limit");
}
