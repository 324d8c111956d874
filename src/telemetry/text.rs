//! Text from outside made fit for a line of a log: nothing in it can move a cursor, turn the reading direction or
//! start a new line, and it has a limit.

/// Room for the note that says how much was cut off.
const NOTE_BYTES: usize = 24;

/// The text with control, bidirectional and invisible characters written as `\u{..}`, at most `bytes_max` bytes long
/// (never less than the note that something is left out).
#[must_use]
pub fn printable(text: &str, bytes_max: usize) -> String {
    // Most text is harmless and fits: then it is only looked at, and copied as a whole.
    if text.len() <= bytes_max && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let room = bytes_max.saturating_sub(NOTE_BYTES);
    let mut clean = String::with_capacity(text.len().min(bytes_max));
    // Where to cut if the text turns out not to fit.
    let (mut cut_clean, mut cut_text) = (0, 0);
    for (at, char) in text.char_indices() {
        if clean.len() <= room {
            (cut_clean, cut_text) = (clean.len(), at);
        }
        match char {
            '\n' => clean.push_str("\\n"),
            '\r' => clean.push_str("\\r"),
            '\t' => clean.push_str("\\t"),
            c if is_unprintable(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
        if clean.len() > bytes_max {
            clean.truncate(cut_clean);
            clean.push_str(&format!("…(+{} bytes)", text.len() - cut_text));
            return clean;
        }
    }
    clean
}

/// Control characters and those that change how the characters around them are shown.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' // zero width, left-to-right and right-to-left marks
            | '\u{2028}'..='\u{202e}' // line separators, embeddings and overrides
            | '\u{2060}'..='\u{206f}' // word joiner, isolates, deprecated format characters
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}') // tags
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_break_in_a_value_starts_no_line_of_its_own() {
        assert_eq!(printable("a\r\nERROR forged", 100), "a\\r\\nERROR forged");
    }

    #[test]
    fn escape_sequences_and_direction_overrides_are_shown_and_not_obeyed() {
        assert_eq!(
            printable("\u{1b}[2Jx\u{202e}y\u{2066}\u{85}", 100),
            "\\u{1b}[2Jx\\u{202e}y\\u{2066}\\u{85}"
        );
    }

    #[test]
    fn a_long_text_says_how_much_is_missing() {
        assert_eq!(printable(&"a".repeat(100), 34), "aaaaaaaaaa…(+90 bytes)");
    }

    proptest! {
        #[test]
        fn any_text_comes_out_clean_and_within_its_limit(text in ".{0,200}|(?s).{0,200}", bytes_max in 24usize..300) {
            let clean = printable(&text, bytes_max);
            prop_assert!(clean.len() <= bytes_max, "{} > {bytes_max}", clean.len());
            prop_assert!(!clean.chars().any(is_unprintable));
        }
    }
}
