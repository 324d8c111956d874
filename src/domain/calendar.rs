//! Between which times anything the guard hears of can have happened.
//!
//! Whatever comes from outside is held to them, so that the protocol's sums of times can't leave the calendar of `jiff` (that
//! would be a panic).

use jiff::Timestamp;

/// Azure is younger: nothing happened earlier.
pub const EARLIEST: Timestamp = Timestamp::UNIX_EPOCH;
/// 9000-01-01T00:00:00Z, a millennium before the calendar ends.
pub const LATEST: Timestamp = Timestamp::constant(221_845_392_000, 0);

/// Longest moment that is read, in bytes: one with nanoseconds and an offset of seconds has fewer.
const MOMENT_BYTES_MAX: usize = 64;

/// A text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time: write one with its offset, like `2026-12-01T06:00+01:00` or `2026-12-01T05:00Z`")]
pub struct NoMoment(String);

/// Reads a moment that a person wrote: RFC 3339, seconds may be left out, the offset may not: without it nobody can tell whose
/// six o'clock is meant.
pub fn parse_moment(text: &str) -> Result<Timestamp, NoMoment> {
    let no_moment = || NoMoment(super::text::clean(text, MOMENT_BYTES_MAX));
    // Digits first: names of weekdays, durations and zones in brackets are not what was asked for.
    let is_plain = text.len() <= MOMENT_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"-+:.TtZz".contains(&byte))
        && text.contains(['T', 't']);
    let moment: Timestamp =
        Some(text).filter(|_| is_plain).and_then(|text| text.parse().ok()).ok_or_else(no_moment)?;
    if (EARLIEST..=LATEST).contains(&moment) { Ok(moment) } else { Err(no_moment()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_with_its_offset() {
        let five: Timestamp = "2026-12-01T05:00:00Z".parse().unwrap();
        for text in [
            "2026-12-01T06:00+01:00",
            "2026-12-01T05:00Z",
            "2026-12-01T05:00:00Z",
            "2026-11-30T21:00:00.000-08:00",
        ] {
            assert_eq!(parse_moment(text), Ok(five), "{text}");
        }
    }

    #[test]
    fn a_time_that_could_be_anybodys_is_none() {
        for text in [
            "",
            "2026-12-01T06:00",
            "2026-12-01",
            "06:00Z",
            "tomorrow",
            "2026-13-01T06:00Z",
            "2026-12-01T06:00+01:00[Europe/Berlin]",
            "1969-12-01T06:00Z",
            "9999-12-01T06:00Z",
            "1764565200",
            "P30D",
            "2026-12-01 06:00+01:00",
        ] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
        insta::assert_snapshot!(parse_moment("2026-12-01T06:00").unwrap_err(), @"`2026-12-01T06:00` is no time: write one with its offset, like `2026-12-01T06:00+01:00` or `2026-12-01T05:00Z`");
    }
}
