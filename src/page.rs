//! What all HTML pages have in common: how values get into them, what they look like, and how a content security policy allows just
//! that. Pure.
//!
//! Every value is escaped by the template engine. What goes in as it is are texts of this program alone: style sheets and scripts, which a
//! policy allows by their digests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use sha2::{Digest as _, Sha256};

/// The style that all pages share: colours for light and dark, tables, paper.
const BASE: &str = include_str!("page/base.css");

/// A text of this program that goes into a page as it is: a style sheet, a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inline(String);

impl Inline {
    /// The shared style, followed by a page's own.
    pub fn style(own: &str) -> Self {
        Self(format!("{BASE}{own}"))
    }

    /// A page's script.
    pub fn script(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// For the template, unescaped.
    pub fn value(&self) -> Value {
        Value::from_safe_string(self.0.clone())
    }

    /// By which a content security policy allows it: `sha256-…`.
    pub fn source(&self) -> String {
        format!("sha256-{}", BASE64.encode(Sha256::digest(&self.0)))
    }
}

/// An engine that escapes every value for HTML, and knows no value that nobody gave it.
pub fn engine<'source>() -> Environment<'source> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    engine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_escaped_and_a_missing_one_is_an_error() {
        let engine = engine();
        let render =
            |template| engine.render_str(template, minijinja::context! { x => "<b a='1' b=\"2\">&" });
        assert_eq!(render("{{ x }}").unwrap(), "&lt;b a=&#x27;1&#x27; b=&quot;2&quot;&gt;&amp;");
        assert!(render("{{ y }}").is_err());
    }

    #[test]
    fn the_digest_is_that_of_the_text_that_goes_in() {
        let script = Inline::script("alert(1)");
        assert_eq!(script.source(), "sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=");
        assert_eq!(script.value().to_string(), "alert(1)");
        assert!(Inline::style("p{}").value().to_string().ends_with("p{}"));
    }
}
