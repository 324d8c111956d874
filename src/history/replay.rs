//! What other policies would have decided about stops of the past, beside what was decided then.
//!
//! A stored case holds its stops with their callers, and what was decided; it doesn't hold the cluster's tags, location, tier
//! and version at that time. Policies see these as absent. The counts that policies may ask for are those of the replay: stops
//! that it judges unauthorised in the hour before, and restarts that the guard then meant to make.

mod decision;
mod rolling;
mod story;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::learn::Window;
use super::past::PastStop;
use super::words;
use crate::case::asked::Asked;
use crate::case::verdict::{Asker, judge};
use crate::case::{Case, CaseId, Mode, Stop, StopSource, Times};
use crate::domain::{Caller, ClusterId};
use crate::policy::{Counts, Policies, RestartQuestion};

pub use decision::{Decision, Restart};
use rolling::Rolling;

/// What is unknown of stored cases that don't keep what was known of them, as policies call it.
const UNKNOWN_OF_CASES: &[&str] =
    &["tags", "location", "skuTier", "private", "kubernetesVersion", "context.grant"];
/// What is unknown of stops from the activity log.
const UNKNOWN_OF_LOG: &[&str] = &[
    "tags",
    "location",
    "skuTier",
    "private",
    "kubernetesVersion",
    "context.grant",
    "context.restartsLast24h",
];

/// A stop of the past with what was decided about it, to be decided again.
#[derive(Debug, Clone)]
pub struct Past {
    /// The cluster.
    pub cluster: ClusterId,
    /// The case: a stored one, or one made of a record of the log.
    pub case: Case,
}

/// Where the stops of the past come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The guard's closed and open cases.
    Cases,
    /// The activity log.
    Log,
}

/// One set of policies.
#[derive(Debug, Clone, Copy)]
pub struct PolicySet<'a> {
    /// The policies.
    pub policies: &'a Policies,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Where the stops come from.
    pub source: Source,
    /// The time they lie in.
    pub window: Window,
    /// The hash of the policies that would decide.
    pub policy_hash: String,
    /// How many stops are decided as before.
    pub same: usize,
    /// How many otherwise.
    pub different: usize,
    /// How many with nothing to compare: nothing was decided then.
    pub undecided: usize,
    /// Cases that could not be read or whose cluster isn't known any more, and damaged records.
    pub unreadable: usize,
    /// There was more than is read.
    pub is_cut: bool,
    /// Facts that policies may ask for and that are not known of that time; they are asked as absent, numbers as 0.
    pub unknown: &'static [&'static str],
    /// The stops, in order of time.
    pub stops: Vec<Row>,
}

/// One stop, decided twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The case, if it is a stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// The cluster.
    pub cluster: ClusterId,
    /// When it was stopped; of several stops in one case the newest.
    pub at: Timestamp,
    /// Who did it, for people.
    pub caller: String,
    /// What was decided, or what the policies to compare with would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Decision>,
    /// What would be decided.
    pub now: Decision,
    /// Whether the two differ in anything but the policies' ids.
    pub differs: bool,
}

impl Past {
    /// A stop of the log as a case of which nothing was decided.
    pub fn of_log(stop: &PastStop) -> Self {
        let id = CaseId::new(&stop.cluster.key(), 0);
        let stop_of_case = Stop {
            time: stop.at,
            time_known: true,
            caller: stop.caller.clone(),
            correlation_id: None,
            event_id: "log".to_owned(),
            source: StopSource::Log,
            confirmed: stop.caller.is_known(),
            claimed: None,
            allowed_by: None,
            granted: None,
        };
        Self { cluster: stop.cluster.clone(), case: Case::new(id, Mode::DryRun, stop_of_case, stop.at) }
    }

    /// What its verdict was asked with.
    fn asked(&self) -> Option<&Asked> {
        self.case.verdict.as_ref()?.asked.as_deref()
    }

    /// Whether anything is known of the stop itself: of what took a damaged record's place nothing is.
    fn is_known(&self) -> bool {
        self.case.newest_stop().is_some_and(|stop| stop.source != StopSource::DamagedRecord)
    }
}

impl Replay {
    /// Decides all stops again. They are compared with what `baseline` would have decided, or with what was stored.
    pub fn of(
        source: Source,
        window: Window,
        mut past: Vec<Past>,
        policies: PolicySet<'_>,
        baseline: Option<PolicySet<'_>>,
    ) -> Self {
        let before = past.len();
        past.retain(Past::is_known);
        past.sort_by(|a, b| {
            let time = a.case.newest_stop_time().cmp(&b.case.newest_stop_time());
            time.then_with(|| a.case.id.as_str().cmp(b.case.id.as_str()))
        });
        let unreadable = before - past.len();
        let now = decide_all(&past, policies);
        let then: Vec<Option<Decision>> = match baseline {
            Some(baseline) => decide_all(&past, baseline).into_iter().map(Some).collect(),
            None => past.iter().map(|past| Decision::stored(&past.case)).collect(),
        };
        let rows = past.iter().zip(then).zip(now).map(|((past, then), now)| row(source, past, then, now));
        let stops: Vec<Row> = rows.collect();
        let different = stops.iter().filter(|row| row.differs).count();
        let undecided = stops.iter().filter(|row| row.then.is_none()).count();
        Self {
            source,
            window,
            policy_hash: policies.policies.hash().to_owned(),
            same: stops.len() - different - undecided,
            different,
            undecided,
            unreadable,
            is_cut: false,
            unknown: match source {
                Source::Cases if past.iter().all(|past| past.asked().is_some()) => &[],
                Source::Cases => UNKNOWN_OF_CASES,
                Source::Log => UNKNOWN_OF_LOG,
            },
            stops,
        }
    }
}

fn row(source: Source, past: &Past, then: Option<Decision>, now: Decision) -> Row {
    let unknown = Caller::unknown();
    let newest = past.case.newest_stop();
    Row {
        case: match source {
            Source::Cases => Some(past.case.id.clone()),
            Source::Log => None,
        },
        cluster: past.cluster.clone(),
        at: past.case.newest_stop_time(),
        caller: words::who(newest.map_or(&unknown, |stop| &stop.caller)),
        differs: then.as_ref().is_some_and(|then| then.differs(&now)),
        then,
        now,
    }
}

/// `past` is in order of time: each decision counts those before it.
fn decide_all(past: &[Past], set: PolicySet<'_>) -> Vec<Decision> {
    let mut rolling = Rolling::default();
    past.iter().map(|past| decide(past, set, &mut rolling)).collect()
}

/// As the guard decides a stop: first as if there were no other, then with the others counted (docs/POLICY.md).
fn decide(past: &Past, set: PolicySet<'_>, rolling: &mut Rolling) -> Decision {
    let case = &past.case;
    let unknown = Caller::unknown();
    let caller = case.newest_stop().map_or(&unknown, |stop| &stop.caller);
    let stop_time = case.newest_stop_time();
    let asked = past.asked();
    let facts = asked.and_then(|asked| asked.facts.as_ref());
    let decided_at = case.opened_at.max(stop_time);
    let others = rolling.counts(past, caller, stop_time, decided_at);
    let with_own = Counts {
        unauthorised_stops_by_caller_last_hour: others.unauthorised_stops_by_caller_last_hour + 1,
        unauthorised_stops_in_subscription_last_hour: others.unauthorised_stops_in_subscription_last_hour + 1,
        ..others
    };
    let alone = Counts { restarts_last_24h: others.restarts_last_24h, ..Counts::default() };
    let verdict = |counts| {
        let mut again = case.clone();
        // What policies of that time allowed says nothing about these.
        again.stops.iter_mut().for_each(|stop| stop.allowed_by = None);
        let asker = Asker {
            policies: set.policies,
            zone: set.zone,
            cluster: &past.cluster,
            facts,
            counts,
            grants: &[],
            kept_grant: asked.and_then(|asked| asked.grant.as_ref()),
            resource_uid: None,
        };
        judge(&mut again, &asker, &Times::default())
    };
    let (mut counts, mut found) = (others, verdict(alone));
    if found.authorised {
        found = verdict(others);
    }
    if !found.authorised {
        counts = with_own;
        found = verdict(with_own);
    }
    let restart = (!found.authorised).then(|| {
        set.policies.may_restart(&RestartQuestion {
            caller,
            caller_known: caller.is_known(),
            cluster: &past.cluster,
            facts,
            at: decided_at,
            stopped_at: stop_time,
            zone: set.zone,
            counts,
        })
    });
    rolling.add(past, caller, stop_time, found.authorised);
    Decision::of(&found, restart.as_ref())
}
