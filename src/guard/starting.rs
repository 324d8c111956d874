//! Sends a start: the last checks, one POST, and a note of what came of it (rules 14 and 15).

use std::time::Duration;

use jiff::SignedDuration;

use crate::azure::{ArmError, PreparedStart, StartReply};
use crate::case::evidence::note_request;
use crate::case::{Intent, IntentState, Mode, Record, note_start};
use crate::domain::{ClusterId, RequestIds, text};
use crate::mutant::Mutant;
use crate::store::StatePath;

use super::Guard;
use super::records::{GuardError, Loaded, Saved};

/// Longest error code that is kept, in characters.
const CODE_CHARS_MAX: usize = 100;

impl Guard {
    /// Sends the start that `intent` stands for on the record, if it still may. Never more than one POST.
    pub(super) async fn start(
        &self,
        current: Loaded<Record>,
        intent: &Intent,
        looked_since_boot: Duration,
    ) -> Result<Loaded<Record>, GuardError> {
        let (came_of_it, ids) = self.send(&current.document, intent, looked_since_boot).await;
        let cluster = &current.document.cluster;
        if may_go_out_again(&came_of_it) {
            self.0.pace.not_sent(cluster);
        } else {
            self.0.pace.sent(cluster);
        }
        tracing::info!(%cluster, attempt = intent.n, result = ?came_of_it, "start");
        self.note(current, intent, came_of_it, &ids).await
    }

    /// What came of it, and what ARM called the request if it answered.
    pub(super) async fn send(
        &self,
        record: &Record,
        intent: &Intent,
        looked_since_boot: Duration,
    ) -> (IntentState, RequestIds) {
        let prepared = match self.prepare(record, intent, looked_since_boot).await {
            Ok(prepared) => prepared,
            Err(state) => return (state, RequestIds::default()),
        };
        let cluster = &record.cluster;
        let case_mode = record.case().map_or(Mode::DryRun, |case| case.mode);
        let timeout = Duration::try_from(self.times().post_timeout).unwrap_or_default();
        match self.0.gate.start(case_mode, prepared, timeout).await {
            Err(withheld) => (IntentState::NotSent { why: withheld.to_string() }, RequestIds::default()),
            Ok(StartReply::Accepted { ids }) => {
                (IntentState::Sent { request_id: ids.request_id.clone() }, ids)
            }
            Ok(StartReply::Refused { error, ids }) => (self.refused(cluster, &error), ids),
            Ok(StartReply::Unknown { ids, .. }) => (IntentState::Unanswered, ids),
            Ok(StartReply::NotSent { error }) => {
                (IntentState::NotSent { why: error.to_string() }, RequestIds::default())
            }
        }
    }

    /// The last checks: the start, ready to be sent, or why it is not.
    async fn prepare(
        &self,
        record: &Record,
        intent: &Intent,
        looked_since_boot: Duration,
    ) -> Result<PreparedStart, IntentState> {
        let cluster = &record.cluster;
        let prepared = match self.0.arm.prepare_start(cluster, &intent.nonce).await {
            Ok(prepared) => prepared,
            Err(error) if error.needs_people() => return Err(self.refused(cluster, &error)),
            Err(error) => return Err(not_sent(error.to_string())),
        };
        match self.hold_on(cluster).await {
            Ok(None) => {}
            Ok(Some(hold)) => return Err(not_sent(format!("a hold forbids it: {hold}"))),
            Err(error) => return Err(not_sent(format!("holds can't be read: {error}"))),
        }
        if !self.is_still_valid(intent, looked_since_boot) {
            return Err(not_sent("the look it relies on is too old by now".to_owned()));
        }
        Ok(prepared)
    }

    /// Wall *and* boot clock: neither a clock that was set back nor a machine that slept may send an old decision.
    fn is_still_valid(&self, intent: &Intent, looked_since_boot: Duration) -> bool {
        if Mutant::NoDeadline.is_on() {
            return !self.is_skewed();
        }
        let valid = Duration::try_from(self.times().valid).unwrap_or_default();
        let by_boot = self.0.clock.since_boot().saturating_sub(looked_since_boot) < valid;
        by_boot && self.now() < intent.expires_at && !self.is_skewed()
    }

    /// Writes down what came of it, if the record still has this intent. If that can't be written, nothing is lost: the
    /// intent stays `planned`, and blocks others until it can't land any more.
    async fn note(
        &self,
        mut current: Loaded<Record>,
        intent: &Intent,
        state: IntentState,
        ids: &RequestIds,
    ) -> Result<Loaded<Record>, GuardError> {
        let path = StatePath::cluster(&current.document.cluster.key());
        for _ in 0..super::work::CONFLICTS_MAX {
            let mut record = current.document.clone();
            note_start(&mut record, &intent.nonce, state.clone(), self.now(), self.times());
            note_request(&mut record, &intent.nonce, ids);
            match self.save(&path, &mut record, current.etag.as_ref()).await {
                Ok(Saved::Done(etag)) => return Ok(Loaded { document: record, etag: Some(etag) }),
                Ok(Saved::Lost) => current = self.read(&record.cluster.key()).await?,
                Err(error) => {
                    tracing::warn!(cluster = %record.cluster, %error, "what came of a start could not be written down");
                    return Err(error);
                }
            }
        }
        Ok(current)
    }

    /// Refused until people act (the advice says how), or only for now.
    fn refused(&self, cluster: &ClusterId, error: &ArmError) -> IntentState {
        let code = error.code().map_or_else(|| error.to_string(), str::to_owned);
        let code = text::clean(&code, CODE_CHARS_MAX);
        if error.needs_people() {
            let lock = error.failure().and_then(|failure| failure.locked_scope(cluster));
            return IntentState::Refused { code, advice: error.advice().to_owned(), lock };
        }
        let asked = error.retry_after().filter(|_| !Mutant::IgnoreRetryAfter.is_on());
        let until = asked.and_then(|after| SignedDuration::try_from(after).ok());
        IntentState::PutOff { code, until: until.map(|after| self.now() + after) }
    }
}

/// Whether the start was only put off, so that its cluster has its turn still.
fn may_go_out_again(came_of_it: &IntentState) -> bool {
    match came_of_it {
        IntentState::NotSent { .. } | IntentState::PutOff { .. } => true,
        IntentState::Planned
        | IntentState::Sent { .. }
        | IntentState::Unanswered
        | IntentState::Refused { .. } => false,
    }
}

fn not_sent(why: String) -> IntentState {
    IntentState::NotSent { why }
}
