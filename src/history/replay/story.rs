//! A replay in words.

use std::fmt::Write as _;

use super::{Decision, Replay, Restart, Row, Source};
use crate::history::learn::Window;
use crate::history::words;

impl Replay {
    /// For people: how many differ, and which; with `all`, the others as well.
    pub fn human(&self, all: bool) -> String {
        let mut told = String::new();
        let Window { since, until } = self.window;
        let source = match self.source {
            Source::Cases => "stored cases",
            Source::Log => "the activity log",
        };
        // Writing to a String can't fail.
        let _ = writeln!(
            told,
            "{} in {source}, from {} to {}: {} decided as before, {} otherwise",
            words::count(self.stops.len(), "stop"),
            words::time(since),
            words::time(until),
            self.same,
            self.different,
        );
        if self.undecided > 0 {
            let _ = writeln!(told, "not decided then: {}", self.undecided);
        }
        if self.unreadable > 0 {
            let _ = writeln!(told, "left out, damaged or of a cluster that isn't known: {}", self.unreadable);
        }
        if self.is_cut {
            told.push_str("careful: there is more than is read: ask for a shorter time\n");
        }
        if !self.unknown.is_empty() {
            let unknown = self.unknown.join(", ");
            let _ = writeln!(told, "not known of that time, asked as absent or 0: {unknown}");
        }
        for row in self.stops.iter().filter(|row| all || row.differs || row.then.is_none()) {
            told.push('\n');
            told.push_str(&shown(row));
        }
        told
    }
}

fn shown(row: &Row) -> String {
    let mark = if row.differs { "  DIFFERS" } else { "" };
    let (at, cluster) = (words::time(row.at), words::cluster(&row.cluster));
    let then = row.then.as_ref().map_or_else(|| "nothing was decided".to_owned(), decision);
    format!("{at}  {cluster}  by {}{mark}\n  then  {then}\n  now   {}\n", row.caller, decision(&row.now))
}

fn decision(decision: &Decision) -> String {
    let mut told = match (decision.authorised, decision.policies.as_slice()) {
        (true, policies) => format!("authorised by {}", ids(policies)),
        (false, []) => "not authorised: no policy allows it".to_owned(),
        (false, policies) => format!("not authorised by {}", ids(policies)),
    };
    if let Some(severity) = decision.severity.filter(|_| !decision.authorised) {
        let _ = write!(told, " ({})", severity.as_str());
    }
    for error in &decision.errors {
        let _ = write!(told, "; error: {}", words::name(error));
    }
    if let Some(answer) = &decision.restart {
        let _ = write!(told, "; {}", restart(answer));
    }
    told
}

fn restart(answer: &Restart) -> String {
    let mut told = match (answer.permitted, answer.policies.as_slice()) {
        (true, policies) => format!("restart permitted by {}", ids(policies)),
        (false, []) => "restart not permitted".to_owned(),
        (false, policies) => format!("restart forbidden by {}", ids(policies)),
    };
    if let Some(severity) = answer.severity {
        let _ = write!(told, " ({})", severity.as_str());
    }
    if answer.in_storm {
        told.push_str(", told as a storm");
    }
    told
}

/// Stored ids: whoever may write cases may have put anything there.
fn ids(policies: &[String]) -> String {
    policies.iter().map(|id| words::name(id)).collect::<Vec<_>>().join(", ")
}
