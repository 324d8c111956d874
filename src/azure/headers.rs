//! The response headers that matter, read leniently: what can't be read is as good as absent.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

use crate::domain::text;

/// Longest Retry-After that is believed: 24 hours, as long as Event Grid itself goes on trying.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
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

/// `x-ms-request-id`: what Microsoft's support asks for.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-ms-request-id")?.to_str().ok()?;
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

    proptest! {
        #[test]
        fn no_header_makes_the_readers_panic(value in proptest::collection::vec(32u8..=255, 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut map = HeaderMap::new();
                map.insert("retry-after", value.clone());
                map.insert("date", value.clone());
                map.insert("x-ms-request-id", value);
                let _ = (retry_after(&map, now()), date(&map), request_id(&map));
            }
        }
    }
}
