//! Lengths of time in settings: a number and a unit.

use jiff::SignedDuration;

use super::reader::Reader;

/// Longest time that a setting may give, in seconds: a week.
const SECONDS_MAX: i64 = 7 * 24 * 3_600;

/// A time from a setting, `default` if it is absent or none.
pub(super) fn read(reader: &mut Reader<'_>, setting: &str, default: SignedDuration) -> SignedDuration {
    let Some(text) = reader.get(setting) else { return default };
    parse(text).unwrap_or_else(|| {
        let problem =
            "is no time of at most 7 days: write a whole number and a unit, like `30s`, `15m` or `1h`";
        reader.invalid(setting, text, problem);
        default
    })
}

/// `30s`, `15m`, `1h`.
fn parse(text: &str) -> Option<SignedDuration> {
    let (number, seconds) = [("s", 1), ("m", 60), ("h", 3_600)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| number.parse::<i64>().ok()).flatten()?;
    let total = number.checked_mul(seconds).filter(|total| *total <= SECONDS_MAX)?;
    Some(SignedDuration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("1h", 3_600), ("0s", 0), ("168h", SECONDS_MAX)] {
            assert_eq!(parse(text), Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "s", "30", "-1s", "+1s", "1.5h", "1 h", "1H", "9d", "169h", "99999999999999999999s", "١s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
