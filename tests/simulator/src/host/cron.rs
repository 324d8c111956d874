//! Schedules of timer triggers: six-field cron expressions and constant intervals, in UTC.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How far ahead an occurrence is looked for; 29 February comes round within it.
const SEARCH_DAYS: u32 = 366 * 8;

/// When a timer fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At the seconds a cron expression allows.
    Cron(Cron),
    /// This long after the previous run.
    Every(SignedDuration),
}

/// A six-field cron expression: second, minute, hour, day, month, weekday (0 and 7 are Sunday).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
}

/// A schedule that the host would refuse; it disables that one function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schedule `{0}` is not a cron expression of six fields or a time span")]
pub struct BadSchedule(String);

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Schedule {
    /// Reads `0 */5 * * * *` (five fields get a leading second 0) or `00:05:00`.
    pub fn parse(text: &str) -> Result<Schedule, BadSchedule> {
        let bad = || BadSchedule(text.chars().take(80).collect());
        if let Some(span) = time_span(text) {
            return if span.is_positive() { Ok(Schedule::Every(span)) } else { Err(bad()) };
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (second, rest) = match fields.as_slice() {
            [second, rest @ ..] if rest.len() == 5 => (*second, rest),
            rest @ [..] if rest.len() == 5 => ("0", rest),
            _ => return Err(bad()),
        };
        let [minute, hour, day, month, weekday] = rest else { return Err(bad()) };
        let cron = || {
            let weekdays = field(weekday, 0, 7, &WEEKDAYS)?;
            Some(Cron {
                seconds: field(second, 0, 59, &[])?,
                minutes: field(minute, 0, 59, &[])?,
                hours: field(hour, 0, 23, &[])?,
                days: field(day, 1, 31, &[])?,
                months: field(month, 1, 12, &MONTHS)?,
                weekdays: (weekdays | (weekdays >> 7)) & 0x7f,
            })
        };
        cron().map(Schedule::Cron).ok_or_else(bad)
    }

    /// The first moment after `after` at which the timer fires; `None` for a date that does not exist.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Cron(cron) => cron.next(after),
            Schedule::Every(span) => after.checked_add(*span).ok(),
        }
    }

    /// Whether the schedule follows daylight saving, as `Data.<name>.Schedule` says it.
    #[must_use]
    pub fn adjusts_for_dst(&self) -> bool {
        match self {
            Schedule::Cron(_) => true,
            Schedule::Every(_) => false,
        }
    }

    /// Whether it fires more often than once a minute; the host keeps no status for such a timer.
    #[must_use]
    pub fn is_under_a_minute(&self, now: Timestamp) -> bool {
        let first = self.next(now);
        let second = first.and_then(|first| self.next(first));
        matches!((first, second), (Some(first), Some(second))
            if second.duration_since(first) < SignedDuration::from_mins(1))
    }
}

impl Cron {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = TimeZone::UTC.to_datetime(after.checked_add(SignedDuration::from_secs(1)).ok()?);
        let mut day = start.date();
        let mut earliest = seconds_of_day(start);
        for _ in 0..SEARCH_DAYS {
            if self.allows(day) {
                let found = (earliest..24 * 3600).find(|second| self.allows_second(*second));
                if let Some(second) = found {
                    let at =
                        day.at(0, 0, 0, 0).checked_add(SignedDuration::from_secs(i64::from(second))).ok()?;
                    return TimeZone::UTC.to_timestamp(at).ok();
                }
            }
            day = day.tomorrow().ok()?;
            earliest = 0;
        }
        None
    }

    fn allows(&self, day: Date) -> bool {
        let weekday = i64::from(day.weekday().to_sunday_zero_offset());
        has(self.months, i64::from(day.month()))
            && has(self.days, i64::from(day.day()))
            && has(self.weekdays, weekday)
    }

    fn allows_second(&self, second: u32) -> bool {
        has(self.hours, i64::from(second / 3600))
            && has(self.minutes, i64::from(second / 60 % 60))
            && has(self.seconds, i64::from(second % 60))
    }
}

fn seconds_of_day(at: DateTime) -> u32 {
    let part = |value: i8| u32::try_from(value).unwrap_or(0);
    part(at.hour()) * 3600 + part(at.minute()) * 60 + part(at.second())
}

fn has(set: u64, value: i64) -> bool {
    u32::try_from(value).is_ok_and(|value| value < 64 && set >> value & 1 == 1)
}

/// `hh:mm:ss`, or `d.hh:mm:ss`.
fn time_span(text: &str) -> Option<SignedDuration> {
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) => (days.parse::<i64>().ok()?, clock),
        None => (0, text),
    };
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let parts_in_seconds =
        [days.checked_mul(86_400)?, hours.checked_mul(3_600)?, minutes.checked_mul(60)?, seconds];
    let total = parts_in_seconds.into_iter().try_fold(0_i64, i64::checked_add)?;
    parts.next().is_none().then(|| SignedDuration::from_secs(total))
}

/// The values a field allows, as a set of bits.
fn field(text: &str, low: u32, high: u32, names: &[&str]) -> Option<u64> {
    text.split(',').try_fold(0, |set, part| Some(set | list_part(part, low, high, names)?))
}

fn list_part(part: &str, low: u32, high: u32, names: &[&str]) -> Option<u64> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0)?),
        None => (part, 1),
    };
    let (from, to) = match range.split_once('-') {
        _ if range == "*" => (low, high),
        Some((from, to)) => (value(from, low, names)?, value(to, low, names)?),
        None => {
            let from = value(range, low, names)?;
            (from, if part.contains('/') { high } else { from })
        }
    };
    let valid = low <= from && from <= to && to <= high;
    valid.then(|| (from..=to).step_by(step).fold(0, |set, value| set | 1 << value))
}

fn value(text: &str, low: u32, names: &[&str]) -> Option<u32> {
    let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
    match named {
        Some(index) => Some(u32::try_from(index).ok()? + low),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let after = after.parse().unwrap();
        Schedule::parse(schedule).unwrap().next(after).unwrap().to_string()
    }

    #[test]
    fn every_half_minute_fires_at_0_and_30_seconds() {
        assert_eq!(next("*/30 * * * * *", "2026-11-23T13:00:00Z"), "2026-11-23T13:00:30Z");
        assert_eq!(next("*/30 * * * * *", "2026-11-23T13:00:30.5Z"), "2026-11-23T13:01:00Z");
    }

    #[test]
    fn lists_ranges_names_and_five_fields_are_understood() {
        assert_eq!(next("0 0 3 * * *", "2026-11-23T13:00:00Z"), "2026-11-24T03:00:00Z");
        assert_eq!(next("0 15,45 9-17/4 * * MON-FRI", "2026-11-28T10:00:00Z"), "2026-11-30T09:15:00Z");
        assert_eq!(next("0 0 1 JAN *", "2026-11-28T10:00:00Z"), "2027-01-01T00:00:00Z");
        assert_eq!(next("0 0 0 29 2 *", "2026-11-28T10:00:00Z"), "2028-02-29T00:00:00Z");
        assert_eq!(next("0 0 0 * * 7", "2026-11-28T10:00:00Z"), "2026-11-29T00:00:00Z");
    }

    #[test]
    fn an_interval_counts_from_the_previous_run() {
        assert_eq!(next("00:01:00", "2026-11-23T13:03:20Z"), "2026-11-23T13:04:20Z");
    }

    #[test]
    fn a_schedule_that_is_none_is_refused() {
        for text in ["", "* * *", "x * * * * *", "61 * * * * *", "*/0 * * * * *", "5-1 * * * * *", "00:00:00"]
        {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
        assert_eq!(Schedule::parse("0 0 0 31 2 *").unwrap().next(Timestamp::UNIX_EPOCH), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_schedule_or_refused_without_a_panic(text in r"(\PC{0,40}|([0-9*/,-]{1,6} ){5}[0-9*/,-]{1,6}|[0-9]{1,25}(\.[0-9]{1,25})?:[0-9]{1,25}:[0-9]{1,25})") {
            if let Ok(schedule) = Schedule::parse(&text) {
                let now = Timestamp::UNIX_EPOCH;
                proptest::prop_assert!(schedule.next(now).is_none_or(|next| next > now));
            }
        }
    }

    #[test]
    fn only_schedules_under_a_minute_have_no_status() {
        let now = "2026-11-23T13:00:00Z".parse().unwrap();
        assert!(Schedule::parse("*/30 * * * * *").unwrap().is_under_a_minute(now));
        assert!(!Schedule::parse("0 * * * * *").unwrap().is_under_a_minute(now));
        assert!(!Schedule::parse("00:01:00").unwrap().is_under_a_minute(now));
    }
}
