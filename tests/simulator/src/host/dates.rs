//! How the host spells dates that it finds in strings.
//!
//! The Event Grid extension up to 3.4.2, manual runs and HTTP answers let the JSON library turn every string that looks
//! like a date into a date and write it again: zone moved to UTC, trailing zeros of the fraction cut. From 3.4.3 on the
//! extension leaves strings alone. The spelling here is what a host with extension 3.3.0 was seen to write.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

/// Digits of a second's fraction the host keeps (100 ns).
const FRACTION_DIGITS: usize = 7;

/// What the zone of a date was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Unspecified,
    Utc,
    Offset(SignedDuration),
}

/// A string as the host writes it after reading it: unchanged unless it is a date.
#[must_use]
pub fn respell(text: String) -> String {
    match parse(&text) {
        Some((date, fraction, zone)) => {
            let suffix = match zone {
                Zone::Unspecified => "",
                Zone::Utc => "Z",
                Zone::Offset(_) => "+00:00",
            };
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{}{point}{fraction}{suffix}", in_utc(date, zone).strftime("%Y-%m-%dT%H:%M:%S"))
        }
        None => text,
    }
}

/// A date as .NET prints it without a culture: `09/14/2026 18:04:29`. `None` when the text is not a date.
#[must_use]
pub fn invariant_culture(text: &str) -> Option<String> {
    let (date, _, zone) = parse(text)?;
    Some(in_utc(date, zone).strftime("%m/%d/%Y %H:%M:%S").to_string())
}

/// A moment with 100 ns and trailing zeros cut, as in `sys.UtcNow`.
#[must_use]
pub fn utc_now(now: Timestamp) -> String {
    respell(format!("{now:.7}"))
}

fn in_utc(date: DateTime, zone: Zone) -> DateTime {
    match zone {
        Zone::Unspecified | Zone::Utc => date,
        Zone::Offset(offset) => date.saturating_sub(offset),
    }
}

fn parse(text: &str) -> Option<(DateTime, &str, Zone)> {
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let moment = Timestamp::from_millisecond(inner.parse().ok()?).ok()?;
        return Some((jiff::tz::TimeZone::UTC.to_datetime(moment), "", Zone::Utc));
    }
    let (head, tail) = text.split_at_checked("yyyy-MM-ddTHH:mm:ss".len())?;
    let well_formed = head.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let date: DateTime = well_formed.then(|| head.parse().ok()).flatten()?;
    let (fraction, zone) = match tail.strip_prefix('.') {
        Some(rest) => {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            (1..=FRACTION_DIGITS).contains(&digits).then(|| rest.split_at(digits))?
        }
        None => ("", tail),
    };
    Some((date, fraction, parse_zone(zone)?))
}

fn parse_zone(text: &str) -> Option<Zone> {
    match text {
        "" => return Some(Zone::Unspecified),
        "Z" => return Some(Zone::Utc),
        _ => {}
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let two_digits = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    Some(Zone::Offset(SignedDuration::from_mins(sign * (hours * 60 + minutes))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_spelled_as_extension_3_3_0_does() {
        let recorded = [
            ("2026-09-14T20:04:29+02:00", "2026-09-14T18:04:29+00:00"),
            ("2026-09-14T18:04:29+00:00", "2026-09-14T18:04:29+00:00"),
            ("2026-09-14T18:04:29", "2026-09-14T18:04:29"),
            ("2026-09-14T18:04:29.1000000Z", "2026-09-14T18:04:29.1Z"),
            ("2026-09-14T18:04:29.1234567Z", "2026-09-14T18:04:29.1234567Z"),
            ("2026-09-14", "2026-09-14"),
            ("2026-09-14T18:04Z", "2026-09-14T18:04Z"),
            ("/Date(1789408800000)/", "2026-09-14T18:00:00Z"),
            ("at 2026-09-14T18:04:29Z", "at 2026-09-14T18:04:29Z"),
        ];
        for (given, expected) in recorded {
            assert_eq!(respell(given.to_owned()), expected);
        }
    }

    proptest! {
        #[test]
        fn spelling_twice_changes_nothing_more(text in r"(\PC*|[0-9T:.Z+-]{0,40}|2026-0[1-9]-1[0-9]T1[0-9]:0[0-9]:29(\.[0-9]{1,9})?(Z|[+-][0-9]{2,3}:[0-9]{2})?)") {
            let once = respell(text);
            prop_assert_eq!(respell(once.clone()), once);
        }
    }
}
