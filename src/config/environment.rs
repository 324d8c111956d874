//! The environment, as a value.

use std::collections::BTreeMap;

/// Names and values of the environment. An empty value counts as none: that is how an app setting is switched off.
#[derive(Default)]
pub struct Environment(BTreeMap<String, String>);

/// The environment of this process. A value that is not Unicode is kept with U+FFFD in it, and is so a wrong one.
#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
pub fn from_env() -> Environment {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    Environment::of(std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))))
}

impl Environment {
    /// An environment of these names and values.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// A value without the white space around it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// All names that have a value.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| self.get(name).is_some())
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: the values of many are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
