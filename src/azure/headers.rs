//! The response headers that matter, read leniently: what can't be read is as good as absent.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

use crate::domain::{RequestIds, text};

/// Longest Retry-After that is believed: 24 hours, as long as Event Grid itself goes on trying.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The window of a user's quota, where the answer doesn't say when it ends (source: as for [`used_up_quota`]).
const QUOTA_WINDOW: Duration = Duration::from_secs(5);
/// Longest request id that is kept, characters. ARM's are GUIDs, older services prefix a region and append ticks.
const REQUEST_ID_CHARS_MAX: usize = 100;

/// The `Date` header: ARM's clock, with a resolution of one second.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(http::header::DATE)?.to_str().ok()?)
}

/// `Retry-After`, in seconds or as an HTTP date (RFC 9110, 10.2.3). A date counts from the response's own `Date`, so
/// that a wrong clock on this machine changes nothing; from `now` without one.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // More digits than a u64 holds is a very long time.
        text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs)
    } else {
        let until = http_date(text)?;
        let wait = until.duration_since(date(headers).unwrap_or(now));
        Duration::try_from(wait).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// When the quota of Resource Graph is new again, if the answer says that it is used up (source: Resource Graph docs, "Guidance
/// for throttled requests": `x-ms-user-quota-remaining`, a number, and `x-ms-user-quota-resets-after`, `hh:mm:ss`).
pub(super) fn used_up_quota(headers: &HeaderMap) -> Option<Duration> {
    let remaining = headers.get("x-ms-user-quota-remaining")?.to_str().ok()?.trim();
    if remaining != "0" {
        return None;
    }
    let resets_after = headers.get("x-ms-user-quota-resets-after").and_then(|after| after.to_str().ok());
    Some(resets_after.and_then(clock_time).unwrap_or(QUOTA_WINDOW).min(RETRY_AFTER_MAX))
}

/// `hh:mm:ss`.
fn clock_time(text: &str) -> Option<Duration> {
    let parts: Vec<u64> = text.trim().split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts.as_slice() else { return None };
    let seconds = hours.checked_mul(60)?.checked_add(*minutes)?.checked_mul(60)?.checked_add(*seconds)?;
    Some(Duration::from_secs(seconds))
}

/// `x-ms-request-id`: what Microsoft's support asks for.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    id(headers, "x-ms-request-id")
}

/// What ARM calls a request.
pub(super) fn request_ids(headers: &HeaderMap) -> RequestIds {
    RequestIds { request_id: request_id(headers), correlation_id: id(headers, "x-ms-correlation-request-id") }
}

fn id(headers: &HeaderMap, name: &str) -> Option<String> {
    let id = headers.get(name)?.to_str().ok()?;
    Some(text::clean(id, REQUEST_ID_CHARS_MAX))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn now() -> Timestamp {
        "2026-09-14T18:05:00Z".parse().unwrap()
    }

    #[test]
    fn the_date_is_read_as_arm_writes_it() {
        let read = date(&headers(&[("date", "Wed, 29 Mar 2023 08:35:04 GMT")]));
        assert_eq!(read, Some("2023-03-29T08:35:04Z".parse().unwrap()));
        assert_eq!(date(&headers(&[("date", "yesterday")])), None);
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let read = |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs), now());
        assert_eq!(read(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
        assert_eq!(
            read(&[("retry-after", "Mon, 14 Sep 2026 18:06:00 GMT")]),
            Some(Duration::from_secs(60)),
            "from our clock when the response has no date"
        );
        let dated =
            [("retry-after", "Mon, 14 Sep 2026 18:06:00 GMT"), ("date", "Mon, 14 Sep 2026 18:05:50 GMT")];
        assert_eq!(read(&dated), Some(Duration::from_secs(10)), "from the response's own date otherwise");
        assert_eq!(read(&[("retry-after", "Mon, 14 Sep 2026 17:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(read(&[("retry-after", "99999999999999999999999")]), Some(RETRY_AFTER_MAX));
        for odd in ["", "-5", "soon", "1.5"] {
            assert_eq!(read(&[("retry-after", odd)]), None, "{odd}");
        }
    }

    #[test]
    fn a_quota_that_is_used_up_says_for_how_long() {
        let read = |remaining: &str, resets_after: &str| {
            let pairs =
                [("x-ms-user-quota-remaining", remaining), ("x-ms-user-quota-resets-after", resets_after)];
            used_up_quota(&headers(&pairs))
        };
        assert_eq!(read("0", "00:00:05"), Some(Duration::from_secs(5)));
        assert_eq!(read("0", "01:02:03"), Some(Duration::from_secs(3_723)));
        assert_eq!(read("0", "99:00:00"), Some(RETRY_AFTER_MAX));
        assert_eq!(read("1", "00:00:05"), None);
        for odd in ["", "5", "00:00:-1", "1:2:3:4", "99999999999999999999:00:00"] {
            assert_eq!(read("0", odd), Some(QUOTA_WINDOW), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_readers_panic(value in proptest::collection::vec(32u8..=255, 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut map = HeaderMap::new();
                map.insert("retry-after", value.clone());
                map.insert("date", value.clone());
                map.insert("x-ms-user-quota-remaining", HeaderValue::from_static("0"));
                map.insert("x-ms-user-quota-resets-after", value.clone());
                map.insert("x-ms-request-id", value);
                let _ = (retry_after(&map, now()), date(&map), request_id(&map), used_up_quota(&map));
            }
        }
    }
}
