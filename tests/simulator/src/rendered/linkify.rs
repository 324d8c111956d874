//! Which parts of a plain text a client turns into links: addresses with a scheme, bare domains, and e-mail addresses.

use linkify::{LinkFinder, LinkKind};

/// Top-level domains that clients know beside those of two letters (linkify-it's list, and those that are sold most).
const TOP_LEVEL: [&str; 31] = [
    "aero", "app", "asia", "biz", "blog", "click", "cloud", "club", "com", "coop", "dev", "edu", "gov",
    "icu", "info", "int", "link", "mil", "mobi", "museum", "name", "net", "online", "org", "page", "pro",
    "shop", "site", "top", "web", "xyz",
];

/// Beginnings that make a link without two slashes.
const BARE_SCHEMES: [&str; 4] = ["mailto:", "tel:", "sip:", "xmpp:"];

/// The addresses in a text that would be links.
pub(super) fn links(text: &str) -> Vec<String> {
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    let mut found: Vec<String> = finder
        .links(text)
        .filter(|link| *link.kind() != LinkKind::Email && is_address(link.as_str()))
        .map(|link| link.as_str().to_owned())
        .collect();
    let lower = text.to_ascii_lowercase();
    for scheme in BARE_SCHEMES {
        found.extend(after(&lower, scheme).map(|rest| format!("{scheme}{rest}")));
    }
    // The finder leaves out domains of other scripts, which clients know.
    let words = text.split(|c: char| c.is_whitespace() || "()<>[]{}\"',;".contains(c));
    found.extend(words.filter(|word| !word.is_ascii() && is_bare_domain(word)).map(str::to_owned));
    // A scheme that the finder doesn't take, in front of an odd host.
    if found.is_empty()
        && ["http://", "https://", "ftp://", "file://"].iter().any(|scheme| lower.contains(scheme))
    {
        found.push(text.to_owned());
    }
    if found.is_empty() && has_www(&lower) {
        found.push(text.to_owned());
    }
    found
}

/// The e-mail addresses in a text, which some clients offer to write to.
pub(super) fn mailboxes(text: &str) -> Vec<String> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Email]);
    finder.links(text).map(|link| link.as_str().to_owned()).collect()
}

/// What follows a word's beginning, up to a space, wherever a word begins with it.
fn after<'a>(text: &'a str, scheme: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(scheme).filter_map(move |(at, _)| {
        let before = text.get(..at)?.chars().next_back();
        let rest = text.get(at + scheme.len()..)?;
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        (!before.is_some_and(char::is_alphanumeric)
            && word.starts_with(|c: char| c.is_alphanumeric() || c == '+'))
        .then_some(word)
    })
}

fn has_www(lower: &str) -> bool {
    lower.match_indices("www.").any(|(at, _)| {
        let before = lower.get(..at).and_then(|before| before.chars().next_back());
        let next = lower.get(at + 4..).and_then(|rest| rest.chars().next());
        !before.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric)
    })
}

/// With a scheme it is one; without it has to end in a domain that exists.
fn is_address(text: &str) -> bool {
    if text.contains("://") {
        return true;
    }
    is_bare_domain(text)
}

fn is_bare_domain(text: &str) -> bool {
    let host = text.split(['/', ':', '?', '#']).next().unwrap_or_default().trim_end_matches('.');
    let Some((before, top)) = host.rsplit_once('.') else { return false };
    if !host.split('.').all(|label| !label.is_empty() && label.chars().all(is_of_a_host)) {
        return false;
    }
    let top = top.to_lowercase();
    let two_letters = top.chars().count() >= 2 && !top.is_ascii()
        || top.len() == 2 && top.bytes().all(|b| b.is_ascii_lowercase());
    !before.is_empty()
        && !top.contains('_')
        && (two_letters || top.starts_with("xn--") || TOP_LEVEL.contains(&top.as_str()))
}

fn is_of_a_host(c: char) -> bool {
    c.is_alphanumeric() || "-_".contains(c)
}
