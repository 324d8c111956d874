//! A text that must not be shown.

use std::fmt;

/// A token, key or password. It has no `Display`, its `Debug` doesn't show it, and it can't be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Longest run of token characters that a message from outside may show. GUIDs have 36; bearer tokens, keys and
/// signatures have more.
const SHOWN_RUN_CHARS_MAX: usize = 36;

/// Masks whatever in a message could be a token, a key or a signature: every longer run of the characters they are
/// made of. Messages of credential libraries quote what they could not parse, so they can't be trusted to hold none.
pub fn mask(message: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.+/=~%".contains(c);
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let in_run = is_token(first);
        let end = rest.find(|c| is_token(c) != in_run).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        if in_run && run.len() > SHOWN_RUN_CHARS_MAX && !is_resource(run) {
            out.push_str("***");
        } else {
            out.push_str(run);
        }
        rest = tail;
    }
    out
}

/// Resource ids and names of actions are long too, and what an error is about. They have none of base64's `+` and `=`.
fn is_resource(run: &str) -> bool {
    let begins = ["/subscriptions/", "Microsoft."].iter().any(|start| run.starts_with(start));
    begins && run.contains('/') && !run.contains(['+', '=', '~', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown_by_debug() {
        assert_eq!(format!("{:?}", Some(Secret::new("canary"))), "Some(Secret(..))");
    }

    #[test]
    fn resource_ids_and_actions_are_shown() {
        let said = "no action 'Microsoft.ContainerService/managedClusters/start/action' over '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg'";
        assert_eq!(mask(said), said);
        assert_eq!(mask(&format!("/subscriptions/{}=", "a".repeat(40))), "***");
    }

    #[test]
    fn a_token_quoted_in_a_message_is_masked_and_a_guid_is_not() {
        let token = format!("eyJ0eXAi.{}", "a1_-".repeat(20));
        let guid = "ce31e266-c660-440b-aeb7-4d0e1ae17795";
        let shown = mask(&format!("invalid type: string \"{token}\", trace {guid} é"));
        assert_eq!(shown, format!("invalid type: string \"***\", trace {guid} é"));
    }
}
