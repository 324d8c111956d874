//! GUIDs: ids of subscriptions, tenants and operations.

/// Bytes of a GUID: 8, 4, 4, 4 and 12 hex digits with dashes between them.
const GUID_BYTES: usize = 36;

/// Reads a GUID with dashes, in any case; gives it in lower case. `None` if it isn't one. What passes has only hex digits and
/// dashes, so it can stand in a URL and in a command.
pub fn parse(text: &str) -> Option<String> {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    (text.len() == GUID_BYTES && text.bytes().enumerate().all(fits)).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_a_guid_is_one() {
        let guid = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
        assert_eq!(parse(&guid.to_uppercase()).as_deref(), Some(guid));
        for other in [
            "",
            "contoso.com",
            "aaaa0a0abb1bcc2cdd3deeeeee4e4e4e",
            &format!("{guid} "),
            &format!("{guid};ls"),
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(parse(&guid.replace('a', "é")), None);
    }
}
