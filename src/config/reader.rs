//! Takes settings from the environment and collects what is wrong with them.

use super::environment::Environment;
use super::fault::{Fault, FaultKind};
use crate::azure::secret::mask;
use crate::domain::text;

/// Names of the guard's own settings begin so.
const PREFIX: &str = "STOP_GUARD_";
/// Longest wrong value that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 60;
/// Most unknown names that are told.
const UNKNOWN_MAX: usize = 20;
/// How unlike a known name an unknown one may be to be taken for it: the most single-character changes.
const SLIP_MAX: usize = 4;
/// What an app setting holds as long as the platform could not resolve its reference to a secret (source: Azure docs,
/// "Use Key Vault references as app settings": the reference string itself is used then).
const UNRESOLVED: &str = "@Microsoft.KeyVault(";

pub(super) struct Reader<'a> {
    environment: &'a Environment,
    faults: Vec<Fault>,
}

/// A wrong value, for a message. What looks like a key in the wrong place is masked.
pub(super) fn shown(value: &str) -> String {
    text::clean(&mask(value), SHOWN_CHARS_MAX)
}

/// The words of a list with commas.
pub(super) fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// The known name that was meant, if one is near.
pub(super) fn meant<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|known| (strsim::levenshtein(name, known), *known)).min()?;
    (near.0 <= SLIP_MAX && near.0 < name.chars().count()).then_some(near.1)
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, faults: Vec::new() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.environment.get(name)
    }

    pub(super) fn faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Notes a fault. A secret that the platform could not resolve is the cause of whatever else is wrong with it.
    pub(super) fn fault(&mut self, fault: Fault) {
        let is_unresolved = self.get(&fault.setting).is_some_and(|value| value.starts_with(UNRESOLVED));
        let fault = if is_unresolved {
            let told = "is a Key Vault reference that the platform could not resolve: check its address and that \
                        the app's identity may read the secret";
            Fault::about(&fault.setting, FaultKind::Invalid, told)
        } else {
            fault
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    pub(super) fn missing(&mut self, setting: &str, remedy: &str) {
        self.fault(Fault::about(setting, FaultKind::Missing, &format!("is missing: {remedy}")));
    }

    /// A value that is no secret and is wrong. `problem` continues the sentence that begins with the value.
    pub(super) fn invalid(&mut self, setting: &str, value: &str, problem: &str) {
        let told = format!("`{}` {problem}", shown(value));
        self.fault(Fault::about(setting, FaultKind::Invalid, &told));
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(&mut self, setting: &str, words: &[(&str, T)], absent: T, broken: T) -> T {
        let Some(value) = self.get(setting) else { return absent };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == value) {
            return *meaning;
        }
        let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.invalid(setting, value, &format!("is none of {}", list.join(", ")));
        broken
    }

    /// Names that begin like the guard's own and are none: somebody believes in them.
    pub(super) fn report_unknown(&mut self, known: &[&str]) {
        let environment = self.environment;
        let unknown = environment.names().filter(|name| name.starts_with(PREFIX) && !known.contains(name));
        for name in unknown.take(UNKNOWN_MAX) {
            let shown = text::clean(name, SHOWN_CHARS_MAX);
            let told = match meant(name, known) {
                Some(meant) => format!("{shown} is no setting: did you mean {meant}?"),
                None => format!("{shown} is no setting of this version: remove it"),
            };
            self.fault(Fault::saying(&shown, FaultKind::Unknown, told));
        }
    }
}
