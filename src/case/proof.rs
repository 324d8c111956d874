//! Proof of who stopped the cluster last (rule 11): without it, a restart could undo an authorised stop.

use jiff::Timestamp;

use super::model::Case;
use super::record::History;
use super::times::Times;
use super::verdict::is_this_stop;
use crate::domain::{LogReading, PowerOperation, PowerVerb};
use crate::mutant::Mutant;

/// When the activity log is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confirm {
    /// For late events, and before an authorisation is final.
    #[default]
    Prefer,
    /// Always, and the cluster must have been watched down for as long as the log may lag.
    Require,
    /// Never: a late event may undo an authorised stop (counterexample 2).
    Off,
}

/// Whether the newest stop that we know of is the last power operation on the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is.
    Proven,
    /// The log has to be asked.
    AskLog,
    /// Not known yet: look again, for this reason.
    NotYet(&'static str),
    /// The log has no record after LOG_LAG: nobody can be named (rule 12).
    NoRecord,
}

/// What the proof rests on.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The case.
    pub case: &'a Case,
    /// The cluster's history.
    pub history: &'a History,
    /// What the log said, if it was asked in this step.
    pub log: Option<&'a LogReading>,
    /// When it is asked.
    pub confirm: Confirm,
    /// Now, on Azure's clock.
    pub now: Timestamp,
    /// The times.
    pub times: &'a Times,
}

impl Evidence<'_> {
    /// Looks for the proof.
    pub fn proof(&self) -> Proof {
        if Mutant::NoProof.is_on() {
            return Proof::Proven;
        }
        if self.is_watched_fresh() && self.confirm != Confirm::Require {
            return Proof::Proven;
        }
        if self.confirm == Confirm::Off {
            return Proof::Proven;
        }
        let Some(log) = self.log else { return Proof::AskLog };
        if self.confirm == Confirm::Require && !self.is_watched_for(self.times.log_lag) {
            return Proof::NotYet("watching it until the activity log must have caught up");
        }
        match log.operations.first() {
            Some(newest) if self.is_newest_stop(newest) => self.nothing_since_our_start(),
            Some(newest) if newest.verb == PowerVerb::Start => self.after_a_start(newest),
            Some(_) | None => self.log_behind(),
        }
    }

    /// The newest stop was fresh at the first look of an unbroken watch, this is the first attempt, and no authorised stop
    /// is on record.
    fn is_watched_fresh(&self) -> bool {
        let Some(stop) = self.case.newest_stop() else { return false };
        let Some(since) = self.case.watched_since else { return false };
        let age = since.duration_since(stop.time);
        let is_fresh = stop.time_known && age < self.times.fresh && age >= -self.times.skew_max;
        let no_authorised =
            self.history.authorised.is_none() && self.case.stops.iter().all(|stop| stop.allowed_by.is_none());
        is_fresh && no_authorised && self.case.episode_attempts == 0 && self.is_only_stop_since(since)
    }

    /// No other stop is known to have come after the watch began.
    fn is_only_stop_since(&self, since: Timestamp) -> bool {
        self.case.stops.iter().all(|stop| stop.time <= since + self.times.skew_max)
    }

    fn is_watched_for(&self, time: jiff::SignedDuration) -> bool {
        self.case.watched_since.is_some_and(|since| self.now.duration_since(since) >= time)
    }

    fn is_newest_stop(&self, operation: &PowerOperation) -> bool {
        self.case.newest_stop().is_some_and(|stop| is_this_stop(stop, operation, self.times))
    }

    /// The log names the stop last. Where a start of ours may have landed, the log could be behind it: then either an
    /// unbroken watch since before that start (it would have been seen) or LOG_LAG since must exclude it.
    fn nothing_since_our_start(&self) -> Proof {
        let Some(intent) = &self.case.intent else { return Proof::Proven };
        let watched = self.case.watched_since.is_some_and(|since| since <= intent.look_at);
        let log_is_past = self.now.duration_since(intent.expires_at) >= self.times.log_lag;
        if !intent.state.may_have_landed() || watched || log_is_past {
            Proof::Proven
        } else {
            Proof::NotYet("the activity log may not show the last start yet")
        }
    }

    /// The log names a start last. Somebody else's is not ours to undo. Our own, with the cluster down and watched for as long
    /// as the log may lag, has failed.
    fn after_a_start(&self, start: &PowerOperation) -> Proof {
        let is_ours = self.may_be_ours(start.began_at);
        let failed = self.now.duration_since(start.began_at) >= self.times.retry_after;
        if is_ours && failed && self.is_watched_for(self.times.log_lag) {
            Proof::Proven
        } else if start.began_at < self.case.newest_stop_time() {
            self.log_behind()
        } else {
            Proof::NotYet("the activity log names a start last")
        }
    }

    /// Whether a start of ours can have landed then: any that was meant, not only the last, until QUIET after its intent expired
    /// (T1).
    fn may_be_ours(&self, began_at: Timestamp) -> bool {
        let times = self.times;
        let last = self.case.intent.iter().map(|intent| (intent.look_at, intent.expires_at));
        // A start is remembered at the time of its intent, which is at most VALID after its look.
        let earlier = self.history.starts.iter().map(|meant| (*meant - times.valid, *meant + times.valid));
        last.chain(earlier).any(|(look_at, expires_at)| {
            look_at - times.skew_max <= began_at && began_at <= expires_at + times.quiet + times.skew_max
        })
    }

    fn log_behind(&self) -> Proof {
        if self.now.duration_since(self.case.newest_stop_time()) > self.times.log_lag {
            Proof::NoRecord
        } else {
            Proof::NotYet("waiting for the activity log to show the stop")
        }
    }
}
