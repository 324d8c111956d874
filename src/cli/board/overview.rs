//! What the overview shows: what is open, how clusters, the guard and sinks stand, and what is allowed and forbidden at the moment.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::known::{Deliveries, Known, Open, Stands};
use super::refresh::CLUSTERS_MAX;
use super::site::Problem;
use crate::cli::cases::age::age;
use crate::cli::cases::row::{Tone, tone, verdict};
use crate::doctor::{self, Standing};
use crate::domain::calendar::LATEST;
use crate::domain::text::{clean, utc};
use crate::domain::{Grant, Hold};

/// Open cases that are listed: what people can look through. Those that wait for them come first.
const OPEN_MAX: usize = 200;
/// Holds, grants, sinks and problems that are listed, each.
const ROWS_MAX: usize = 50;
/// Longest name or text of others in a table, in characters.
const TEXT_CHARS_MAX: usize = 300;
/// What is said of a part that was never read. As the template says it.
const NOT_READ: &str = "not read yet";
/// A case that was to be looked at so long ago is late: sweeps come every minute or two.
const LATE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What the template shows.
#[derive(Serialize)]
pub(super) struct Overview<'a> {
    updated: String,
    /// Nothing was read yet.
    is_empty: bool,
    /// What was read at least once: of the rest it isn't known that there is none.
    was_read: WasRead,
    progress: Option<(usize, usize)>,
    problems: Vec<Problem>,
    more_problems: usize,
    glance: Vec<Glance>,
    clusters: Vec<Count>,
    open: Vec<Row<'a>>,
    open_total: usize,
    more_open: usize,
    guard: Vec<Check>,
    sinks: Vec<Sink>,
    holds: Vec<HoldRow>,
    more_holds: usize,
    grants: Vec<GrantRow>,
    more_grants: bool,
}

#[derive(Clone, Copy, Serialize)]
struct WasRead {
    cases: bool,
    holds: bool,
    grants: bool,
}

/// A part of the page in a few words.
#[derive(Serialize)]
struct Glance {
    name: &'static str,
    /// The id of its head.
    part: &'static str,
    tone: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Count {
    words: &'static str,
    tone: &'static str,
    number: usize,
}

/// An open case.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    cluster: String,
    place: String,
    state: &'static str,
    tone: &'static str,
    verdict: &'static str,
    caller: String,
    age: String,
    opened: String,
    waits: &'a str,
    next: String,
    is_late: bool,
}

/// Something about the guard itself.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    tone: &'static str,
    standing: &'static str,
    seen: String,
}

#[derive(Serialize)]
struct Sink {
    name: String,
    tone: &'static str,
    standing: &'static str,
    took: Option<String>,
    waiting: usize,
    since: Option<String>,
    failure: Option<String>,
}

#[derive(Serialize)]
struct HoldRow {
    scope: String,
    reason: String,
    by: String,
    /// Absent for one that can't be read.
    end: Option<End>,
    id: String,
}

#[derive(Serialize)]
struct End {
    until: String,
    left: String,
}

#[derive(Serialize)]
struct GrantRow {
    scope: String,
    caller: String,
    reason: String,
    by: String,
    from: String,
    until: String,
    left: String,
    ticket: Option<String>,
}

/// The word for how something is to be seen.
pub(super) fn tone_word(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "bad",
        Tone::Busy => "busy",
        Tone::Good => "good",
        Tone::Quiet => "quiet",
    }
}

impl<'a> Overview<'a> {
    pub(super) fn of(known: &'a Known, now: Timestamp) -> Self {
        let seen = || known.clusters.values().filter_map(|entry| entry.seen.as_ref());
        let clusters = Stands::ALL.map(|stands| {
            let (words, tone) = stands.words();
            let number = seen().filter(|cluster| cluster.stands == stands).count();
            Count { words, tone, number }
        });
        let mut open: Vec<(Stands, &Open)> =
            seen().filter_map(|cluster| Some((cluster.stands, cluster.case.as_ref()?))).collect();
        // Those that need people first, and of these the newest.
        open.sort_by_key(|(stands, open)| {
            (*stands, std::cmp::Reverse(open.summary.opened_at), open.summary.id.as_str())
        });
        let open_total = open.len();
        let mut problems = known.problems();
        let more_problems = problems.len().saturating_sub(ROWS_MAX);
        problems.truncate(ROWS_MAX);
        let active: Vec<&Hold> = known.holds.value.iter().filter(|hold| hold.is_active(now)).collect();
        let current = |grant: &&Grant| grant.is_current(now);
        let grants: Vec<&Grant> = known.grants.value.0.iter().filter(current).collect();
        let (guard, sinks) = (known.guard(now), known.sinks(now));
        let was_read = WasRead {
            cases: known.records.at.is_some(),
            holds: known.holds.at.is_some(),
            grants: known.grants.at.is_some(),
        };
        let glance = vec![
            Glance::guard(&guard),
            Glance::clusters(&clusters, was_read.cases),
            Glance::sinks(&sinks, was_read.cases),
            Glance::in_force("Holds", "holds", "bad", active.len(), was_read.holds),
            Glance::in_force("Grants", "grants", "quiet", grants.len(), was_read.grants),
        ];
        Self {
            glance,
            updated: known.records.at.map_or_else(|| utc(now), utc),
            is_empty: !was_read.cases && known.clusters.is_empty(),
            was_read,
            progress: known.progress,
            problems,
            more_problems,
            clusters: clusters.into_iter().filter(|count| count.number > 0).collect(),
            open: open.into_iter().take(OPEN_MAX).map(|(_, open)| Row::of(open, now)).collect(),
            open_total,
            more_open: open_total.saturating_sub(OPEN_MAX),
            guard,
            sinks,
            more_holds: active.len().saturating_sub(ROWS_MAX),
            holds: active.into_iter().take(ROWS_MAX).map(|hold| HoldRow::of(hold, now)).collect(),
            more_grants: known.grants.value.1 || grants.len() > ROWS_MAX,
            grants: grants.into_iter().take(ROWS_MAX).map(|grant| GrantRow::of(grant, now)).collect(),
        }
    }
}

impl Glance {
    fn in_force(
        name: &'static str,
        part: &'static str,
        tone: &'static str,
        number: usize,
        was_read: bool,
    ) -> Self {
        let (tone, text) = match number {
            0 => ("quiet", none("none", was_read)),
            number => (tone, format!("{number} in force")),
        };
        Self { name, part, tone, text }
    }

    /// The worst of what the guard says of itself; if all is well, how fresh its heartbeat is.
    fn guard(checks: &[Check]) -> Self {
        let rank =
            |check: &&Check| ["good", "quiet", "busy", "bad"].iter().position(|tone| *tone == check.tone);
        // Of equals the first.
        let worst = checks.iter().rev().max_by_key(rank);
        let (tone, text) = worst.map_or(("quiet", NOT_READ.to_owned()), |check| {
            (check.tone, format!("{}: {}", check.name, check.seen))
        });
        Self { name: "The guard", part: "guard", tone, text }
    }

    fn clusters(counts: &[Count; 7], was_read: bool) -> Self {
        let first = counts.iter().filter(|count| count.number > 0).take(2);
        let text = first.clone().map(|count| format!("{} {}", count.number, count.words)).collect::<Vec<_>>();
        let tone = first.map(|count| count.tone).next().unwrap_or("quiet");
        let text = if text.is_empty() { none("none was stopped yet", was_read) } else { text.join(", ") };
        Self { name: "Clusters", part: "clusters", tone, text }
    }

    fn sinks(sinks: &[Sink], was_read: bool) -> Self {
        let failing = sinks.iter().filter(|sink| sink.tone == "bad").count();
        let (tone, text) = match (failing, sinks.len()) {
            (0, 0) => ("quiet", none("told of nothing of late", was_read)),
            (0, all) => ("good", format!("{all} of {all} take messages")),
            (1, all) => ("bad", format!("1 of {all} does not take messages")),
            (some, all) => ("bad", format!("{some} of {all} do not take messages")),
        };
        Self { name: "Sinks", part: "sinks", tone, text }
    }
}

/// What is said of a part with nothing in it.
fn none(words: &str, was_read: bool) -> String {
    if was_read { words.to_owned() } else { NOT_READ.to_owned() }
}

impl Known {
    /// All that could not be read.
    fn problems(&self) -> Vec<Problem> {
        let parts = [
            ("the cases", &self.records.problem, self.records.at),
            ("the heartbeat", &self.heartbeat.problem, self.heartbeat.at),
            ("the holds", &self.holds.problem, self.holds.at),
            ("the grants", &self.grants.problem, self.grants.at),
        ];
        let parts = parts.into_iter().filter_map(|(what, problem, at)| {
            problem.as_ref().map(|why| Problem::new(&format!("{what}: {why}"), at))
        });
        let cut = self.records.value.then(|| {
            let what = format!("there are more than {CLUSTERS_MAX} clusters: the others are not shown");
            Problem::new(&what, None)
        });
        let clusters = self.clusters.values().filter_map(|entry| entry.problem.as_ref());
        let bulletins = self.bulletins.values().filter_map(|entry| entry.problem.as_ref());
        let mut single: Vec<&String> = clusters.chain(bulletins).collect();
        single.sort();
        parts.chain(cut).chain(single.into_iter().map(|what| Problem::new(what, None))).collect()
    }

    /// What the guard says of itself.
    fn guard(&self, now: Timestamp) -> Vec<Check> {
        if self.heartbeat.at.is_none() {
            return Vec::new();
        }
        let found = doctor::heartbeat(self.heartbeat.value.as_deref(), now, env!("CARGO_PKG_VERSION"));
        let check = |finding: doctor::Finding| Check {
            name: finding.check,
            tone: match finding.standing {
                Standing::Ok => "good",
                Standing::Unknown => "quiet",
                Standing::Warning => "busy",
                Standing::Fault => "bad",
            },
            standing: finding.standing.as_str(),
            seen: clean(&finding.seen, TEXT_CHARS_MAX),
        };
        found.into_iter().map(check).collect()
    }

    /// How each sink stands that was told of anything.
    fn sinks(&self, now: Timestamp) -> Vec<Sink> {
        let clusters = self.clusters.values().filter_map(|entry| Some(&entry.seen.as_ref()?.deliveries));
        let bulletins = self.bulletins.values().filter_map(|entry| entry.seen.as_ref());
        let mut sinks: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
        for Deliveries { took, lacks } in clusters.chain(bulletins) {
            for (sink, at) in took {
                let tally = sinks.entry(sink).or_default();
                tally.took = tally.took.max(Some(*at));
            }
            for lack in lacks {
                let tally = sinks.entry(&lack.sink).or_default();
                tally.waiting += 1;
                tally.since = Some(tally.since.map_or(lack.since, |since| since.min(lack.since)));
                tally.failed += usize::from(lack.tries > 0);
                tally.failure = tally.failure.or(lack.failure.as_deref());
            }
        }
        sinks.into_iter().take(ROWS_MAX).map(|(name, tally)| tally.sink(name, now)).collect()
    }
}

/// All about one sink.
#[derive(Default)]
struct Tally<'a> {
    took: Option<Timestamp>,
    waiting: usize,
    failed: usize,
    since: Option<Timestamp>,
    failure: Option<&'a str>,
}

impl Tally<'_> {
    fn sink(self, name: &str, now: Timestamp) -> Sink {
        let (tone, standing) = match (self.failed, self.waiting) {
            (1.., _) => ("bad", "failing"),
            (0, 1..) => ("busy", "waiting"),
            (0, 0) => ("good", "ok"),
        };
        Sink {
            name: name.to_owned(),
            tone,
            standing,
            took: self.took.map(|at| format!("{} ago", age(at, now))),
            waiting: self.waiting,
            since: self.since.map(|at| age(at, now)),
            failure: self.failure.map(str::to_owned),
        }
    }
}

impl<'a> Row<'a> {
    fn of(open: &'a Open, now: Timestamp) -> Self {
        let Open { summary, title, newest, next_at } = open;
        let cluster = summary.cluster.as_ref();
        let place = cluster.map_or_else(String::new, |cluster| {
            format!("{} in {}", cluster.resource_group(), cluster.subscription().as_str())
        });
        let late = now.duration_since(*next_at);
        let next = if late >= SignedDuration::ZERO {
            format!("due {} ago", age(*next_at, now))
        } else {
            format!("in {}", age(now, *next_at))
        };
        Self {
            id: summary.id.as_str(),
            title,
            cluster: clean(cluster.map_or("-", |cluster| cluster.name()), TEXT_CHARS_MAX),
            place: clean(&place, TEXT_CHARS_MAX),
            state: summary.state,
            tone: tone_word(tone(summary.state)),
            verdict: verdict(summary.authorised),
            caller: clean(summary.caller(), TEXT_CHARS_MAX),
            age: age(summary.opened_at, now),
            opened: utc(summary.opened_at),
            waits: summary.waits_for.as_deref().unwrap_or(newest),
            next,
            is_late: late > LATE_AFTER,
        }
    }
}

impl HoldRow {
    fn of(hold: &Hold, now: Timestamp) -> Self {
        Self {
            scope: clean(&hold.scope.to_string(), TEXT_CHARS_MAX),
            reason: clean(&hold.reason, TEXT_CHARS_MAX),
            by: clean(&hold.set_by.to_string(), TEXT_CHARS_MAX),
            end: (hold.until != LATEST).then(|| End { until: utc(hold.until), left: age(now, hold.until) }),
            id: clean(&hold.id, TEXT_CHARS_MAX),
        }
    }
}

impl GrantRow {
    fn of(grant: &Grant, now: Timestamp) -> Self {
        Self {
            scope: clean(&grant.scope.to_string(), TEXT_CHARS_MAX),
            caller: clean(&grant.caller, TEXT_CHARS_MAX),
            reason: clean(&grant.reason, TEXT_CHARS_MAX),
            by: clean(&grant.granted_by.to_string(), TEXT_CHARS_MAX),
            from: utc(grant.from),
            until: utc(grant.until),
            left: age(now, grant.until),
            ticket: grant.ticket.as_ref().map(|ticket| clean(ticket, TEXT_CHARS_MAX)),
        }
    }
}
