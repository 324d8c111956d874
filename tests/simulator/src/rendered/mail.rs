//! An e-mail, taken apart by a library of others before.

use serde::Deserialize;

use super::{Shown, html};

/// A message as a mail client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// Names and decoded values of its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its parts that are texts.
    pub parts: Vec<Part>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Part {
    /// `text/plain` or `text/html`.
    pub content_type: String,
    /// Its text, decoded.
    pub text: String,
}

impl Mail {
    /// A header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// Shows a message: its headers, and both its parts.
pub fn mail(mail: &Mail) -> Shown {
    let mut shown = Shown::default();
    for (name, value) in &mail.headers {
        shown.structure.push(name.to_lowercase());
        if name.eq_ignore_ascii_case("subject") {
            shown.plain(value);
        }
    }
    for part in &mail.parts {
        shown.structure.push(part.content_type.clone());
        let text = part.text.replace("\r\n", "\n");
        match part.content_type.as_str() {
            "text/html" => html::show(&mut shown, &text),
            _ => shown.plain(&text),
        }
    }
    shown
}
