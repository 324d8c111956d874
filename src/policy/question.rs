//! The two questions, and how their facts become a Cedar request.

use cedar_policy::{Context, RestrictedExpression};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::entity::{Facts, Unaskable, Vocabulary, datetime, moment, string};
use super::memo::{Memo, Subjects};
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

impl StopQuestion<'_> {
    /// What the question is about.
    pub(super) fn subjects(&self) -> Subjects<'_> {
        Subjects { caller: self.caller, cluster: self.cluster, facts: self.facts }
    }

    pub(super) fn circumstances(&self) -> Circumstances {
        let Self { caller: _, cluster: _, facts: _, at, zone, counts, confirmed, grant } = *self;
        Circumstances::Stop { at, zone: zone.clone(), counts, confirmed, grant: grant.cloned() }
    }

    pub(super) fn facts_for(&self, words: &Vocabulary, memo: &Memo) -> Result<Facts, Unaskable> {
        let mut context = memo.times(self.at, self.zone)?;
        context.extend(counts(self.counts));
        context.extend([
            ("callerKnown".to_owned(), RestrictedExpression::new_bool(self.caller.is_known())),
            ("groupsKnown".to_owned(), RestrictedExpression::new_bool(self.caller.groups_known)),
            ("confirmed".to_owned(), RestrictedExpression::new_bool(self.confirmed)),
        ]);
        if let Some(ip) = self.caller.ip {
            context.push(("ip".to_owned(), memo.address(ip)));
        }
        if let Some(role) = &self.caller.role {
            context.push(("role".to_owned(), words.role(role)?));
        }
        if let Some(grant) = self.grant {
            context.push(("grant".to_owned(), grant.to_record()?));
        }
        let caller = words.caller(self.caller);
        Ok(Facts {
            principal: caller,
            action: words.stop.clone(),
            resource: words.cluster(self.cluster),
            context: Context::from_pairs(context)?,
        })
    }
}

impl RestartQuestion<'_> {
    /// What the question is about.
    pub(super) fn subjects(&self) -> Subjects<'_> {
        Subjects { caller: self.caller, cluster: self.cluster, facts: self.facts }
    }

    pub(super) fn circumstances(&self) -> Circumstances {
        let Self { caller: _, caller_known, cluster: _, facts: _, at, stopped_at, zone, counts } = *self;
        Circumstances::Restart { at, stopped_at, zone: zone.clone(), counts, caller_known }
    }

    pub(super) fn facts_for(&self, words: &Vocabulary, memo: &Memo) -> Result<Facts, Unaskable> {
        let known = self.caller_known && self.caller.is_known();
        // Clocks of two machines: a stop in the future was just now.
        let minutes = self.at.duration_since(self.stopped_at).as_mins().max(0);
        let mut context = memo.times(self.at, self.zone)?;
        context.extend(counts(self.counts));
        context.extend([
            ("caller".to_owned(), RestrictedExpression::new_entity_uid(words.caller(self.caller))),
            ("callerKnown".to_owned(), RestrictedExpression::new_bool(known)),
            ("callerKind".to_owned(), RestrictedExpression::new_entity_uid(words.kind(self.caller.kind))),
            ("stoppedMinutesAgo".to_owned(), RestrictedExpression::new_long(minutes)),
        ]);
        if let Some(role) = &self.caller.role {
            context.push(("role".to_owned(), words.role(role)?));
        }
        Ok(Facts {
            principal: words.guard.clone(),
            action: words.restart.clone(),
            resource: words.cluster(self.cluster),
            context: Context::from_pairs(context)?,
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

pub(super) fn times(at: Timestamp, zone: &TimeZone) -> Result<Pairs, Unaskable> {
    Ok(vec![
        ("at".to_owned(), datetime(at)),
        ("utc".to_owned(), moment(at, &TimeZone::UTC)?),
        ("local".to_owned(), moment(at, zone)?),
    ])
}

fn counts(counts: Counts) -> Pairs {
    let long = |n: u32| RestrictedExpression::new_long(i64::from(n));
    vec![
        ("unauthorisedStopsByCallerLastHour".to_owned(), long(counts.unauthorised_stops_by_caller_last_hour)),
        (
            "unauthorisedStopsInSubscriptionLastHour".to_owned(),
            long(counts.unauthorised_stops_in_subscription_last_hour),
        ),
        ("restartsLast24h".to_owned(), long(counts.restarts_last_24h)),
    ]
}
