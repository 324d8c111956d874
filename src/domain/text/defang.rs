//! Takes the life out of text that somebody else wrote: no tool that shows it makes a link, a mention or a piece of markup of it.
//!
//! What is left can be read as before, in the way that security people write addresses (`hxxps[:]//evil[.]example`). Names that look
//! like e-mail addresses stay: they are how people know each other, and the worst that a tool makes of one is a mail that somebody
//! would have to write.

/// Longest name of a top-level domain, in characters (source: the root zone; `xn--` names are longer and are taken by their prefix).
const TLD_CHARS_MAX: usize = 24;
/// Last parts of dotted names that are no top-level domains and that the guard's own sentences hold: resource providers and files.
const NO_TLD: [&str; 12] = [
    "authorization",
    "cedar",
    "cedarschema",
    "compute",
    "containerinstance",
    "containerservice",
    "insights",
    "managedidentity",
    "operationalinsights",
    "resourcegraph",
    "resources",
    "toml",
];
/// Schemes that tools make links of without two slashes.
const SCHEMES: [&str; 25] = [
    "http",
    "https",
    "ftp",
    "mailto",
    "javascript",
    "vbscript",
    "data",
    "tel",
    "sms",
    "callto",
    "sip",
    "sips",
    "im",
    "skype",
    "slack",
    "msteams",
    "ms-word",
    "ms-excel",
    "ms-msdt",
    "search-ms",
    "vscode",
    "file",
    "geo",
    "webcal",
    "xmpp",
];
/// Characters that a name system takes for the dot in a host's name (source: UTS #46, section 2.3).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// Neutralises addresses, mentions and links in `text`. Applying it twice is applying it once.
pub fn defang(text: &str) -> String {
    if !text.bytes().any(may_be_alive) {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 16);
    let mut at = 0;
    while at < chars.len() {
        at += match is_name(&chars, at) {
            true => name(&chars, at, &mut out),
            false => mark(&chars, at, &mut out),
        };
    }
    out
}

/// Bytes that something alive has to have: ASCII marks, and the first bytes of the other [`DOTS`] in UTF-8 (and of much harmless text).
fn may_be_alive(byte: u8) -> bool {
    matches!(byte, b'.' | b':' | b'%' | b'@' | b'<' | b']' | b'\\' | 0xE3 | 0xEF)
}

fn char_at(chars: &[char], at: usize) -> Option<char> {
    chars.get(at).copied()
}

/// Characters of words and host names.
fn is_name(chars: &[char], at: usize) -> bool {
    char_at(chars, at).is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

/// Writes the dotted name that begins at `at`, and says how long it is.
fn name(chars: &[char], at: usize, out: &mut String) -> usize {
    let mut end = at;
    while is_name(chars, end)
        || (char_at(chars, end).is_some_and(|c| DOTS.contains(&c)) && is_name(chars, end + 1))
    {
        end += 1;
    }
    let word: String = chars.get(at..end).unwrap_or_default().iter().collect();
    let is_scheme = char_at(chars, end) == Some(':') && is_scheme(chars, end, &word);
    // Some tools make a link of whatever begins so, and browsers forgive slashes that are missing or lean the other way.
    let is_encoded =
        char_at(chars, end) == Some('%') && matches!(&*word.to_ascii_lowercase(), "http" | "https");
    let word = if is_scheme || is_encoded { word.to_ascii_lowercase().replace("http", "hxxp") } else { word };
    let in_url = out.ends_with("[:]//") || out.ends_with('@') && out.contains("[:]//");
    if in_url || (is_domain(&word) && !is_mail(chars, at, end)) {
        out.push_str(&word.replace(DOTS, "[.]"));
    } else {
        out.push_str(&word);
    }
    if is_scheme {
        out.push_str("[:]");
        return end + 1 - at;
    }
    end - at
}

/// Whether a word before a colon makes an address of what follows.
fn is_scheme(chars: &[char], colon: usize, word: &str) -> bool {
    let followed = char_at(chars, colon + 1);
    let slashes = followed == Some('/') && char_at(chars, colon + 2) == Some('/');
    let last = word.rsplit(DOTS).next().unwrap_or_default();
    let named = SCHEMES.iter().any(|scheme| last.eq_ignore_ascii_case(scheme));
    slashes || (named && followed.is_some_and(|c| !c.is_whitespace() && c != '('))
}

/// Whether tools would take a dotted name for that of a host.
fn is_domain(word: &str) -> bool {
    let mut labels = word.rsplit(DOTS);
    let Some(last) = labels.next() else { return false };
    if labels.next().is_none() {
        return false;
    }
    let lower = last.to_lowercase();
    let chars = lower.chars().count();
    let looks_so = lower.chars().all(char::is_alphabetic) && (2..=TLD_CHARS_MAX).contains(&chars);
    (looks_so && !NO_TLD.contains(&lower.as_str()))
        || lower.starts_with("xn--")
        || word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."))
}

/// Whether a dotted name is the half of an e-mail address, with nothing behind it that would make a host of it.
fn is_mail(chars: &[char], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| char_at(chars, at));
    let is_local_part = char_at(chars, end) == Some('@') && is_name(chars, end + 1) && before != Some('@');
    let is_host = before == Some('@')
        && start.checked_sub(2).is_some_and(|at| is_name(chars, at))
        && !matches!(char_at(chars, end), Some('/' | ':' | '?' | '#' | '@' | '\\'));
    is_local_part || is_host
}

/// Writes one character that is no part of a name, made harmless, and says how many were read.
fn mark(chars: &[char], at: usize, out: &mut String) -> usize {
    let Some(c) = char_at(chars, at) else { return 1 };
    let next = char_at(chars, at + 1);
    let before = at.checked_sub(1).and_then(|at| char_at(chars, at));
    match c {
        // An address without a scheme that is ours to see: `://host`.
        ':' if next == Some('/') && char_at(chars, at + 2) == Some('/') => out.push_str("[:]"),
        // A mention: nobody's local part stands before it.
        '@' if is_name(chars, at + 1)
            && !before.is_some_and(|c| c.is_alphanumeric() || "-_.+%'".contains(c)) =>
        {
            out.push_str("[@]");
        }
        // Slack's commands.
        '<' if matches!(next, Some('!' | '@' | '#')) => {
            out.push_str("<(");
            out.extend(next);
            out.push(')');
            return 2;
        }
        // Markdown's link.
        ']' if next == Some('(') => out.push_str("] "),
        // A share on a server.
        '\\' if next == Some('\\')
            && before != Some('\\')
            && before != Some('[')
            && is_name(chars, at + 2) =>
        {
            out.push_str("[\\\\]");
            return 2;
        }
        c => out.push(c),
    }
    1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::defang;

    #[test]
    fn what_tools_would_make_live_is_dead_and_readable() {
        for (text, expected) in [
            ("see https://evil.example/a?b=c.d", "see hxxps[:]//evil[.]example/a?b=c.d"),
            ("HTTP://10.0.0.1:8080/x", "hxxp[:]//10[.]0[.]0[.]1:8080/x"),
            ("https:/evil.example", "hxxps[:]/evil[.]example"),
            ("https:\\\\evil.example", "hxxps[:][\\\\]evil[.]example"),
            ("Https%3A%2F%2Fx", "hxxps%3A%2F%2Fx"),
            ("ldap://evil.example/a", "ldap[:]//evil[.]example/a"),
            ("//evil.example", "//evil[.]example"),
            ("www.evil.c0m", "www[.]evil[.]c0m"),
            ("evil.example/x", "evil[.]example/x"),
            ("EVIL.Zip", "EVIL[.]Zip"),
            ("xn--bcher-kva.xn--p1ai", "xn--bcher-kva[.]xn--p1ai"),
            ("bücher.de", "bücher[.]de"),
            ("evil\u{3002}com", "evil[.]com"),
            ("mailto:dana@contoso.com", "mailto[:]dana@contoso.com"),
            ("javascript:alert(1)", "javascript[:]alert(1)"),
            ("Data:text/html,x", "data[:]text/html,x"),
            ("@here @channel, @everyone", "[@]here [@]channel, [@]everyone"),
            ("<!channel> <@U123> <#C1>", "<(!)channel> <(@)U123> <(#)C1>"),
            ("[click](evil)", "[click] (evil)"),
            (r"\\server\share", r"[\\]server\share"),
            ("a@evil.example/x", "a@evil[.]example/x"),
            ("https://user@evil.example", "hxxps[:]//user@evil[.]example"),
        ] {
            assert_eq!(defang(text), expected, "{text}");
        }
    }

    #[test]
    fn every_dot_is_looked_for() {
        for dot in super::DOTS {
            let mut bytes = [0; 4];
            assert!(dot.encode_utf8(&mut bytes).bytes().any(super::may_be_alive), "{dot:?}");
        }
    }

    #[test]
    fn names_and_sentences_of_the_guard_stay_as_they_are() {
        for text in [
            "aks-prod-01 was stopped by dana@contoso.com without permission",
            "dana.example@mail.contoso.co.uk stopped it (203.0.113.24).",
            "The guard lacks Microsoft.ContainerService/managedClusters/start/action on it.",
            "policies/default.cedar:12:3: no such action",
            "held: a hold covers it; Action::\"stop\" at 2026-09-14T18:04:29.1732057Z",
            "Kubernetes 1.29.4, e.g. in westeurope ...",
            "live.com#dana@contoso.com",
            "$5 <b> 100% {{ x }} [1] a@b",
        ] {
            assert_eq!(defang(text), text.replace("live.com", "live[.]com"));
        }
    }

    proptest! {
        #[test]
        fn no_address_survives_and_a_second_time_changes_nothing(
            text in prop_oneof!["\\PC{0,60}", "[a-c.:/@<>!#\\[\\]()\\\\ -]{0,60}", "(https?://|www\\.|@|<!|mailto:|[a-z.]{1,5}){1,8}"]
        ) {
            let once = defang(&text);
            prop_assert!(!once.contains("://"), "{once}");
            prop_assert!(!once.contains("<!") && !once.contains("]("), "{once}");
            prop_assert_eq!(defang(&once), once);
        }
    }
}
