//! What the receiving side of an incident would show, as a small model: not pixels, but all that a reader can be led by - links, mentions,
//! markup, elements, images, lines - and all that can't be seen.
//!
//! The readings are strict: whatever one known client of a service makes out of a text counts. So they judge whether a text of somebody
//! who wants to be believed stays a text: [`Shown::beyond`] compares with the same message about somebody harmless.

mod html;
mod json;
mod linkify;
mod mail;
mod markdown;
mod services;
mod slack;

use std::collections::BTreeMap;

pub use json::program;
pub use mail::{Mail, Part, mail};
pub use services::{alertmanager, opsgenie, pagerduty, sentinel_incident, sentinel_row, servicenow, teams};
pub use slack::slack;

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// Addresses that a click opens, whoever made them links.
    pub links: Vec<String>,
    /// E-mail addresses in texts. A client may offer to write to one, which somebody then would have to do: names of people are such
    /// addresses, and they are shown on purpose. So these are no links for [`Self::beyond`].
    pub mailboxes: Vec<String>,
    /// Who is called.
    pub mentions: Vec<String>,
    /// Kinds of markup: `bold`, `code`, `quote` …
    pub markup: Vec<String>,
    /// Names of HTML elements.
    pub elements: Vec<String>,
    /// Addresses of pictures, which are fetched without a click.
    pub images: Vec<String>,
    /// Names of headers and paths of JSON members: the message's own structure.
    pub structure: Vec<String>,
    /// Characters that can't be seen, or that turn what is around them.
    pub unseen: Vec<String>,
    /// The texts, as they are read.
    pub texts: Vec<String>,
}

impl Shown {
    /// A text as it stands, in a client that makes links of addresses.
    fn plain(&mut self, text: &str) {
        self.linked(text);
        self.read(text);
    }

    /// What a client makes live in a text.
    fn linked(&mut self, text: &str) {
        self.links.extend(linkify::links(text));
        self.mailboxes.extend(linkify::mailboxes(text));
    }

    /// A text that is read, whatever was made of it before.
    fn read(&mut self, text: &str) {
        self.unseen.extend(text.chars().filter(|c| is_unseen(*c)).map(|c| format!("U+{:04X}", u32::from(c))));
        self.texts.push(text.to_owned());
    }

    /// Lines of all texts.
    pub fn lines(&self) -> usize {
        self.texts.iter().map(|text| text.split('\n').count()).sum()
    }

    /// Everything that this shows and the other doesn't: empty if a hostile text was as harmless as the other's.
    pub fn beyond(&self, harmless: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let pairs = [
            ("link", &self.links, &harmless.links),
            ("mention", &self.mentions, &harmless.mentions),
            ("markup", &self.markup, &harmless.markup),
            ("element", &self.elements, &harmless.elements),
            ("image", &self.images, &harmless.images),
            ("structure", &self.structure, &harmless.structure),
            ("unseen", &self.unseen, &harmless.unseen),
        ];
        for (what, mine, theirs) in pairs {
            let mut left = counted(theirs);
            for one in mine {
                match left.get_mut(one.as_str()) {
                    Some(count) if *count > 0 => *count -= 1,
                    Some(_) | None => found.push(format!("{what} `{one}`")),
                }
            }
        }
        if self.lines() > harmless.lines() {
            found.push(format!("{} lines instead of {}", self.lines(), harmless.lines()));
        }
        found
    }
}

fn counted(list: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for one in list {
        *counts.entry(one.as_str()).or_default() += 1;
    }
    counts
}

fn is_unseen(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests;
