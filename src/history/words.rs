//! Words that several reports use. Whatever came from Azure is cleaned and bounded again here: a name must stay one word of one
//! line, whoever chose it.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Caller, ClusterId, text};

/// Longest name that is shown, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Longest id that is shown, in characters: a cluster's id has under 400.
const ID_CHARS_MAX: usize = 400;

/// A name as people may see it.
pub(super) fn name(text: &str) -> String {
    text::clean(text, NAME_CHARS_MAX)
}

/// What people call a caller.
pub(super) fn label(caller: &Caller) -> String {
    name(caller.label())
}

/// A caller with what identifies them: `nightly (service-principal 1111...)`.
pub(super) fn who(caller: &Caller) -> String {
    let Some(id) = caller.identity() else { return "an unknown caller".to_owned() };
    let id = text::clean(id, ID_CHARS_MAX);
    match label(caller) {
        label if label == id => format!("{} {id}", caller.kind),
        label => format!("{label} ({} {id})", caller.kind),
    }
}

/// A cluster's name and its group's, for people who know the subscription.
pub(super) fn cluster(id: &ClusterId) -> String {
    format!("{} in {}", name(&id.name().to_lowercase()), name(&id.resource_group().to_lowercase()))
}

/// What is shown of a line of a tally: of a cluster's id its name and its group's.
pub(super) fn short(what: &str) -> String {
    ClusterId::parse(what).map_or_else(|_| what.to_owned(), |id| cluster(&id))
}

/// `1 stop`, `2 stops`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A time to the second.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// `50 s`, `4 min`, `10 h 2 min`, `3 d 4 h`.
pub(super) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

/// What a day of the week is called; 1 is Monday, as policies have it.
pub(super) const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
