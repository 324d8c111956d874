//! From the stops of the past to habits, draft policies and what is not proposed.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::cedar;
use super::draft_test::{self, DraftTest};
use super::habit::{Deeds, Habits};
use super::past::PastStop;
use super::pattern::{self, Pattern, Unfit};
use super::words;
use crate::domain::ScopeReading;
use crate::policy::{Policies, PolicyFile};

/// The file of draft policies.
pub const POLICIES_FILE: &str = "learned.cedar";
/// The file of their tests.
pub const TESTS_FILE: &str = "learned.yaml";

/// Most callers that are told one by one. More are a number.
const CALLERS_MAX: usize = 200;
/// Most drafts: fewer than a policy set may have, so that they can be loaded beside others.
const DRAFTS_MAX: usize = 500;

/// The time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// What the past says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Learned {
    /// The time that was read.
    pub window: Window,
    /// The zone of hours and days, as `STOP_GUARD_TIMEZONE` takes it.
    pub zone: String,
    /// How many stops there were.
    pub stops: usize,
    /// How many clusters they were of.
    pub clusters: usize,
    /// The log held more than was read: the oldest is missing.
    pub is_cut: bool,
    /// Records that could not be used.
    pub unusable: usize,
    /// Callers, whoever stopped most first.
    pub callers: Vec<Habits>,
    /// How many further callers are not told one by one; they have fewer stops than those that are.
    pub more_callers: usize,
    /// Draft policies to review.
    pub drafts: Vec<Draft>,
    /// What is no pattern.
    pub not_proposed: Vec<NotProposed>,
}

/// A draft policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// Its `@id`.
    pub id: String,
    /// How many stops it rests on.
    pub stops: usize,
    /// On how many days they were.
    pub days: usize,
    /// Its text, with comments.
    pub policy: String,
    /// Tests of it.
    pub tests: Vec<DraftTest>,
}

/// Stops from which no policy is drafted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotProposed {
    /// Whose.
    pub caller: String,
    /// How many.
    pub stops: usize,
    /// The first one.
    pub first: Timestamp,
    /// Why not.
    pub why: String,
}

impl Learned {
    /// Learns from a reading. Hours and days are those of `zone`.
    pub fn from(reading: &ScopeReading, window: Window, zone: &TimeZone) -> Self {
        let stops = PastStop::all(reading);
        let all = Deeds::by_caller(&stops);
        let (told, more) = all.split_at_checked(CALLERS_MAX).unwrap_or((&all, &[]));
        let mut clusters: Vec<&str> = stops.iter().map(|stop| stop.cluster.lower()).collect();
        clusters.sort_unstable();
        clusters.dedup();
        let mut learned = Self {
            window,
            zone: cedar::zone_name(zone).to_owned(),
            stops: stops.len(),
            clusters: clusters.len(),
            is_cut: reading.is_cut,
            unusable: reading.unusable,
            callers: told.iter().map(|deeds| Habits::of(deeds, zone)).collect(),
            more_callers: more.len(),
            drafts: Vec::new(),
            not_proposed: Vec::new(),
        };
        for deeds in told {
            learned.propose(deeds, zone);
        }
        learned
    }

    /// All drafts as one file of policies.
    pub fn policies(&self) -> String {
        let drafts: Vec<&str> = self.drafts.iter().map(|draft| draft.policy.as_str()).collect();
        format!("{HEAD}\n{}", drafts.join("\n"))
    }

    /// The drafts' tests as one file for `policy test`.
    pub fn tests(&self) -> String {
        let tests: Vec<&DraftTest> = self.drafts.iter().flat_map(|draft| &draft.tests).collect();
        draft_test::yaml(&tests, &self.zone)
    }

    fn propose(&mut self, deeds: &Deeds<'_>, zone: &TimeZone) {
        let (patterns, mut unfit) = pattern::find(deeds, zone);
        for pattern in patterns {
            match self.draft(&pattern, deeds, zone) {
                Ok(draft) => self.drafts.push(draft),
                Err(why) => unfit.push(Unfit { stops: pattern.stops, why }),
            }
        }
        let caller = words::who(deeds.caller);
        self.not_proposed.extend(unfit.into_iter().map(|Unfit { stops, why }| NotProposed {
            caller: caller.clone(),
            stops: stops.len(),
            first: stops.first().map_or(self.window.since, |stop| stop.at),
            why,
        }));
    }

    /// A draft that the loader takes, or why there is none.
    fn draft(&self, pattern: &Pattern<'_>, deeds: &Deeds<'_>, zone: &TimeZone) -> Result<Draft, String> {
        if self.drafts.len() >= DRAFTS_MAX {
            return Err(format!("there are {DRAFTS_MAX} drafts already"));
        }
        let own = Deeds { caller: deeds.caller, stops: pattern.stops.clone() };
        let policy = cedar::draft(pattern, &Habits::of(&own, zone), zone);
        // A name that looks like another one makes Cedar warn, and a warning is a fault.
        Policies::load(&[PolicyFile { name: POLICIES_FILE, text: &policy }]).map_err(|faults| {
            let fault = faults.first().map(ToString::to_string).unwrap_or_default();
            format!("it can't be written as a policy: {}", words::name(&fault))
        })?;
        let id = cedar::policy_id(pattern);
        let tests = draft_test::of(pattern, &id, zone);
        Ok(Draft { id, stops: pattern.stops.len(), days: pattern.days, policy, tests })
    }
}

/// How the file of drafts begins.
const HEAD: &str = "\
// Drafts, learned from the activity log. They say what was done, not what anybody decided should be allowed: read each, throw
// away what you would not allow, and only then put the rest beside your policies.
";
