//! The two questions, and how their facts become a Cedar request.

use cedar_policy::{Context, RestrictedExpression};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::entity::{Facts, Unaskable, Vocabulary, datetime, moment, string};
use super::memo::{Memo, Subjects};
use super::reads::{ReadByQuestion, Reads};
use crate::domain::{Caller, Cluster, ClusterId};

/// Rolling counts. They count what nobody allowed: planned stops, however many, add nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Counts {
    /// Unauthorised stops by this caller within one hour.
    pub unauthorised_stops_by_caller_last_hour: u32,
    /// Unauthorised stops in the cluster's subscription within one hour.
    pub unauthorised_stops_in_subscription_last_hour: u32,
    /// Restarts of this cluster by the guard within 24 hours.
    pub restarts_last_24h: u32,
}

/// A planned stop that covers the stop in question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantFacts {
    /// The grant's id.
    pub id: String,
    /// Who gave it.
    pub granted_by: String,
    /// When it ends.
    pub until: Timestamp,
    /// Why it was given.
    pub reason: String,
    /// Where it was agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// Was this caller allowed to stop this cluster?
#[derive(Debug, Clone, Copy)]
pub struct StopQuestion<'a> {
    /// Who stopped it.
    pub caller: &'a Caller,
    /// Which cluster.
    pub cluster: &'a ClusterId,
    /// The cluster as the newest look showed it; `None` if it couldn't be looked at.
    pub facts: Option<&'a Cluster>,
    /// When it was stopped, on Azure's clock.
    pub at: Timestamp,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
    /// Rolling counts.
    pub counts: Counts,
    /// Whether the activity log names this caller for this stop.
    pub confirmed: bool,
    /// The grant that covers the stop.
    pub grant: Option<&'a GrantFacts>,
}

/// The stop wasn't allowed: may the guard restart the cluster?
#[derive(Debug, Clone, Copy)]
pub struct RestartQuestion<'a> {
    /// Who stopped it.
    pub caller: &'a Caller,
    /// Whether it is known who stopped it. Only if `caller` has an identity, too, policies see `callerKnown`.
    pub caller_known: bool,
    /// Which cluster.
    pub cluster: &'a ClusterId,
    /// The cluster as the newest look showed it; `None` if it couldn't be looked at.
    pub facts: Option<&'a Cluster>,
    /// Now.
    pub at: Timestamp,
    /// When it was stopped, on Azure's clock.
    pub stopped_at: Timestamp,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
    /// Rolling counts.
    pub counts: Counts,
}

/// All that a question is put with beside its [`Subjects`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Circumstances {
    Stop { at: Timestamp, zone: TimeZone, counts: Counts, confirmed: bool, grant: Option<GrantFacts> },
    Restart { at: Timestamp, stopped_at: Timestamp, zone: TimeZone, counts: Counts, caller_known: bool },
}

pub(super) type Pairs = Vec<(String, RestrictedExpression)>;

/// Cedar's datetime knows years of four digits (source: Cedar policy language reference, "datetime"): from this second on, of the Unix epoch.
const DATETIME_FIRST: i64 = -62_167_219_200;

/// A context in the making: of what can be told, it takes what policies read.
struct Telling<'r> {
    reads: &'r Reads,
    told: Pairs,
}

impl<'r> Telling<'r> {
    fn new(reads: &'r Reads) -> Self {
        Self { reads, told: Pairs::new() }
    }

    fn tell(&mut self, member: &str, value: impl FnOnce() -> RestrictedExpression) {
        if self.reads.has(member) {
            self.told.push((member.to_owned(), value()));
        }
    }

    fn try_tell(
        &mut self,
        member: &str,
        value: impl FnOnce() -> Result<RestrictedExpression, Unaskable>,
    ) -> Result<(), Unaskable> {
        if self.reads.has(member) {
            self.told.push((member.to_owned(), value()?));
        }
        Ok(())
    }

    fn tell_times(&mut self, at: Timestamp, zone: &TimeZone, memo: &Memo) -> Result<(), Unaskable> {
        // A time that Cedar can't tell makes no question, whether or not a policy reads it.
        if self.reads.has("at") || at.as_second() < DATETIME_FIRST {
            self.told.push(("at".to_owned(), memo.datetime(at)));
        }
        self.try_tell("utc", || moment(at, &TimeZone::UTC))?;
        self.try_tell("local", || moment(at, zone))
    }

    fn tell_counts(&mut self, counts: Counts) {
        let long = |n: u32| move || RestrictedExpression::new_long(i64::from(n));
        self.tell(BY_CALLER, long(counts.unauthorised_stops_by_caller_last_hour));
        self.tell(IN_SUBSCRIPTION, long(counts.unauthorised_stops_in_subscription_last_hour));
        self.tell(RESTARTS, long(counts.restarts_last_24h));
    }

    fn context(self) -> Result<Context, Unaskable> {
        Ok(Context::from_pairs(self.told)?)
    }
}

/// Counts, as policies call them.
const BY_CALLER: &str = "unauthorisedStopsByCallerLastHour";
const IN_SUBSCRIPTION: &str = "unauthorisedStopsInSubscriptionLastHour";
const RESTARTS: &str = "restartsLast24h";

impl Counts {
    /// Those that are read; the others are 0.
    fn read(self, reads: &Reads) -> Self {
        let kept = |name, count| if reads.has(name) { count } else { 0 };
        Self {
            unauthorised_stops_by_caller_last_hour: kept(
                BY_CALLER,
                self.unauthorised_stops_by_caller_last_hour,
            ),
            unauthorised_stops_in_subscription_last_hour: kept(
                IN_SUBSCRIPTION,
                self.unauthorised_stops_in_subscription_last_hour,
            ),
            restarts_last_24h: kept(RESTARTS, self.restarts_last_24h),
        }
    }
}

/// A question that is asked of all policies, perhaps several times.
pub(super) trait Question {
    /// What it is about.
    fn subjects(&self) -> Subjects<'_>;

    /// What policies about it read.
    fn reads<'r>(&self, all: &'r ReadByQuestion) -> &'r Reads;

    /// All that its answer depends on beside the subjects. Counts change while a case is decided, so they are left out where no policy
    /// reads them.
    fn circumstances(&self, reads: &Reads) -> Circumstances;

    /// The question in Cedar's terms, with as much of the context as is read.
    fn facts_for(&self, words: &Vocabulary, memo: &Memo, reads: &Reads) -> Result<Facts, Unaskable>;
}

impl Question for StopQuestion<'_> {
    fn subjects(&self) -> Subjects<'_> {
        Subjects { caller: self.caller, cluster: self.cluster, facts: self.facts }
    }

    fn reads<'r>(&self, all: &'r ReadByQuestion) -> &'r Reads {
        &all.stop
    }

    fn circumstances(&self, reads: &Reads) -> Circumstances {
        let Self { caller: _, cluster: _, facts: _, at, zone, counts, confirmed, grant } = *self;
        let counts = counts.read(reads);
        Circumstances::Stop { at, zone: zone.clone(), counts, confirmed, grant: grant.cloned() }
    }

    fn facts_for(&self, words: &Vocabulary, memo: &Memo, reads: &Reads) -> Result<Facts, Unaskable> {
        let mut context = Telling::new(reads);
        context.tell_times(self.at, self.zone, memo)?;
        context.tell_counts(self.counts);
        context.tell("callerKnown", || RestrictedExpression::new_bool(self.caller.is_known()));
        context.tell("groupsKnown", || RestrictedExpression::new_bool(self.caller.groups_known));
        context.tell("confirmed", || RestrictedExpression::new_bool(self.confirmed));
        if let Some(ip) = self.caller.ip {
            context.tell("ip", || memo.address(ip));
        }
        if let Some(role) = &self.caller.role {
            context.try_tell("role", || words.role(role))?;
        }
        if let Some(grant) = self.grant {
            context.try_tell("grant", || grant.to_record())?;
        }
        Ok(Facts {
            principal: words.caller(self.caller),
            action: words.stop.clone(),
            resource: words.cluster(self.cluster),
            context: context.context()?,
        })
    }
}

impl Question for RestartQuestion<'_> {
    fn subjects(&self) -> Subjects<'_> {
        Subjects { caller: self.caller, cluster: self.cluster, facts: self.facts }
    }

    fn reads<'r>(&self, all: &'r ReadByQuestion) -> &'r Reads {
        &all.restart
    }

    fn circumstances(&self, reads: &Reads) -> Circumstances {
        let Self { caller: _, caller_known, cluster: _, facts: _, at, stopped_at, zone, counts } = *self;
        let counts = counts.read(reads);
        Circumstances::Restart { at, stopped_at, zone: zone.clone(), counts, caller_known }
    }

    fn facts_for(&self, words: &Vocabulary, memo: &Memo, reads: &Reads) -> Result<Facts, Unaskable> {
        let known = self.caller_known && self.caller.is_known();
        // Clocks of two machines: a stop in the future was just now.
        let minutes = self.at.duration_since(self.stopped_at).as_mins().max(0);
        let mut context = Telling::new(reads);
        context.tell_times(self.at, self.zone, memo)?;
        context.tell_counts(self.counts);
        context.tell("caller", || RestrictedExpression::new_entity_uid(words.caller(self.caller)));
        context.tell("callerKnown", || RestrictedExpression::new_bool(known));
        context.tell("callerKind", || RestrictedExpression::new_entity_uid(words.kind(self.caller.kind)));
        context.tell("stoppedMinutesAgo", || RestrictedExpression::new_long(minutes));
        if let Some(role) = &self.caller.role {
            context.try_tell("role", || words.role(role))?;
        }
        Ok(Facts {
            principal: words.guard.clone(),
            action: words.restart.clone(),
            resource: words.cluster(self.cluster),
            context: context.context()?,
        })
    }
}

impl GrantFacts {
    fn to_record(&self) -> Result<RestrictedExpression, Unaskable> {
        let mut record = vec![
            ("id".to_owned(), string(&self.id)),
            ("grantedBy".to_owned(), string(&self.granted_by)),
            ("until".to_owned(), datetime(self.until)),
            ("reason".to_owned(), string(&self.reason)),
        ];
        record.extend(self.ticket.as_ref().map(|ticket| ("ticket".to_owned(), string(ticket))));
        Ok(RestrictedExpression::new_record(record)?)
    }
}

/// All that tells a time, for questions that are asked once.
pub(super) fn times(at: Timestamp, zone: &TimeZone) -> Result<Pairs, Unaskable> {
    Ok(vec![
        ("at".to_owned(), datetime(at)),
        ("utc".to_owned(), moment(at, &TimeZone::UTC)?),
        ("local".to_owned(), moment(at, zone)?),
    ])
}
