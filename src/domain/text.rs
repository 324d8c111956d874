//! Text that came from outside, made safe to show: in a log line, an incident, a terminal.

mod defang;

use std::fmt::Write as _;

use jiff::Timestamp;

pub use defang::defang;

/// Replaces what could break a line, a terminal or a reader's trust (control, bidirectional and zero-width characters)
/// by U+FFFD, and cuts the text after `max_chars` characters, ending it with `…` if anything was cut.
pub fn clean(text: &str, max_chars: usize) -> String {
    // Most text is harmless and short enough: then it is only looked at, and copied as a whole.
    let is_short = text.len() <= max_chars || text.chars().count() <= max_chars;
    if is_short && !text.bytes().any(may_be_harmful) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(max_chars.saturating_mul(4)) + '…'.len_utf8());
    for (count, c) in text.chars().enumerate() {
        if count == max_chars {
            out.push('…');
            break;
        }
        out.push(if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c });
    }
    out
}

/// Percent-encodes one path segment or query value: only RFC 3986's unreserved characters stay as they are.
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A time in a sentence, in UTC and saying so: `2026-09-14 18:00:11 UTC`.
pub fn utc(at: Timestamp) -> String {
    at.strftime("%F %T UTC").to_string()
}

/// Bytes in lower-case hex.
pub fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + (half - 10) };
    let digits: Vec<u8> = bytes.into_iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect();
    // All of them are ASCII.
    String::from_utf8(digits).unwrap_or_default()
}

/// A text in a colour, by the code of a terminal (ECMA-48, SGR), if there are colours.
pub fn painted(code: &str, text: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// First bytes of all harmful characters in UTF-8 (and of much harmless text).
fn may_be_harmful(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, 0xC2 | 0xCD | 0xD8 | 0xE1..=0xE3 | 0xEF | 0xF3)
}

/// Characters that change how the text around them is shown, or that can't be seen.
fn is_harmful(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::{clean, is_harmful, may_be_harmful, percent_encoded, utc};

    #[test]
    fn no_harmful_character_is_passed_over_by_its_first_byte() {
        let harmful: Vec<char> = (char::MIN..=char::MAX).filter(|c| is_harmful(*c)).collect();
        assert_eq!(harmful.len(), 233);
        for c in harmful {
            assert!(may_be_harmful(c.to_string().as_bytes()[0]), "{c:?}");
        }
    }

    #[test]
    fn a_time_in_a_sentence_names_its_zone() {
        assert_eq!(utc("2026-09-14T20:00:11.5+02:00".parse().unwrap()), "2026-09-14 18:00:11 UTC");
    }

    #[test]
    fn what_could_end_a_part_of_a_url_is_encoded() {
        assert_eq!(percent_encoded("a/b?c#d e%ü~-._"), "a%2Fb%3Fc%23d%20e%25%C3%BC~-._");
    }

    #[test]
    fn line_breaks_escapes_and_direction_marks_are_replaced() {
        assert_eq!(clean("a\nb\u{1b}[31m\u{202e}c\u{200b}", 40), "a\u{fffd}b\u{fffd}[31m\u{fffd}c\u{fffd}");
    }

    #[test]
    fn letters_that_show_nothing_are_replaced() {
        assert_eq!(clean("\u{3164}\u{115f}\u{1160}\u{ffa0}\u{34f}\u{206a}", 40), "\u{fffd}".repeat(6));
    }

    #[test]
    fn a_second_cleaning_changes_nothing() {
        for text in ["", "abc", "abcd", "äöüß", "a\nb\u{202e}cd", "äöü\u{1b}"] {
            let once = clean(text, 3);
            assert_eq!(clean(&once, 3), once);
        }
        assert_eq!(clean("abc\n", 3), "abc…");
        assert_eq!(clean("\nab\n", 4), "\u{fffd}ab\u{fffd}");
        assert_eq!(clean("abc", 0), "…");
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_says_so() {
        assert_eq!(clean("äöüß", 3), "äöü…");
        assert_eq!(clean("äöü", 3), "äöü");
    }
}
