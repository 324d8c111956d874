//! The activity log of several scopes, read for a person who waits.

use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::output;
use crate::azure::power_history::Progress;
use crate::azure::{Arm, ArmError};
use crate::domain::{LogScope, ScopeReading, text};

/// Most scopes of one command: each is read on its own.
pub(super) const SCOPES_MAX: usize = 100;
/// Longest time that all reading takes: ARM throttles in windows of an hour at most, and people give up sooner.
const READ_BUDGET: Duration = Duration::from_secs(10 * 60);
/// Longest text that an error about an argument repeats, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// Reads `90d` or `12h`: at least an hour, at most a year.
pub(in crate::cli) fn since(text: &str) -> Result<SignedDuration, String> {
    const HOURS_MAX: i64 = 366 * 24;
    let (number, hours) = [("d", 24), ("h", 1)]
        .into_iter()
        .find_map(|(unit, hours)| Some((text.strip_suffix(unit)?, hours)))
        .unzip();
    let digits: &str = number.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())).unwrap_or_default();
    let total = digits.parse::<i64>().ok().zip(hours).and_then(|(n, hours)| n.checked_mul(hours));
    let total = total.filter(|hours| (1..=HOURS_MAX).contains(hours));
    total.map(SignedDuration::from_hours).ok_or_else(|| "write days or hours, like `90d` or `12h`".to_owned())
}

/// Reads a scope.
pub(super) fn scope(text: &str) -> Result<LogScope, String> {
    LogScope::parse(text)
        .map_err(|_| "write a subscription's, a resource group's or a cluster's id".to_owned())
}

/// Reads the name of a time zone.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    let shown = text::clean(name, SHOWN_CHARS_MAX);
    TimeZone::get(name)
        .map_err(|_| format!("`{shown}` is no name of the IANA database, like `Europe/Berlin`"))
}

/// Reads all scopes, one after another. Where they overlap, an operation counts once.
pub(super) async fn read(
    arm: &Arm,
    scopes: &[LogScope],
    since: Timestamp,
    until: Timestamp,
) -> anyhow::Result<ScopeReading> {
    anyhow::ensure!(scopes.len() <= SCOPES_MAX, "more than {SCOPES_MAX} scopes");
    let deadline = Instant::now() + READ_BUDGET;
    let mut readings = Vec::new();
    for scope in scopes {
        let mut told = |Progress { pages, operations }: Progress| {
            output::progress(&format!("reading {scope}: page {pages}, {operations} starts and stops"));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let read = arm.power_history(scope, since, until, left, &mut told).await;
        output::progress("");
        readings.push(read.map_err(|error| explained(error, scope, deadline))?);
    }
    Ok(ScopeReading::join(readings))
}

/// What a person can do about it.
fn explained(error: ArmError, scope: &LogScope, deadline: Instant) -> anyhow::Error {
    let advice = match &error {
        ArmError::Denied(_) => {
            "your identity needs `Microsoft.Insights/eventtypes/values/read` there, as in the role Monitoring Reader"
        }
        ArmError::NoToken(_) => "log in with `az login`, or check `STOP_GUARD_CREDENTIAL`",
        ArmError::Gone(_) => "there is no such scope, or your identity may not see it",
        ArmError::Unreachable(_) | ArmError::Wait(_) if Instant::now() >= deadline => {
            "it took too long: name smaller scopes or a shorter time"
        }
        ArmError::RetryAfter { .. } | ArmError::LeftAlone { .. } => {
            "Azure throttles: wait, or name smaller scopes or a shorter time"
        }
        ArmError::Unreachable(_) | ArmError::Wait(_) => "try again",
        ArmError::Locked(_)
        | ArmError::Conflict(_)
        | ArmError::Quota(_)
        | ArmError::Capacity(_)
        | ArmError::Refused(_)
        | ArmError::Malformed(_) => "check `STOP_GUARD_CLOUD` and `STOP_GUARD_ARM_ENDPOINT`",
    };
    let told: anyhow::Result<()> =
        Err(error).with_context(|| format!("the activity log of {scope} can't be read: {advice}"));
    told.err().unwrap_or_else(|| anyhow::anyhow!("the activity log of {scope} can't be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_back_is_a_number_of_days_or_hours() {
        assert_eq!(since("90d"), Ok(SignedDuration::from_hours(90 * 24)));
        assert_eq!(since("1h"), Ok(SignedDuration::from_hours(1)));
        for text in ["", "d", "0d", "-1d", "+1d", "1.5d", "90", "90m", "367d", "99999999999999999999d", "١d"]
        {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
