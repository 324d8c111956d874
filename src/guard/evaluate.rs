//! What would be decided about an event now, with looks and questions but without any effect.

use crate::case::{Explanation, Facts, Record, Stop, explain_questions};
use crate::domain::{StopEvent, grant};
use crate::policy::Explained;
use crate::store::StatePath;

use super::Guard;
use super::records::GuardError;

impl Guard {
    /// Decides about an event as if it came now. Reads the record, the cluster, the holds and the grants; writes nothing, tells nobody,
    /// starts nothing. Recent stops are not counted: the stop counts as the only one, so that a storm is not seen here.
    ///
    /// # Errors
    /// If the store or the cluster's record can't be read, or the guard's settings or policies are broken.
    pub async fn evaluate(&self, event: &StopEvent) -> Result<Explanation, GuardError> {
        let (explanation, _) = self.evaluate_questions(event).await?;
        Ok(explanation)
    }

    /// [`Guard::evaluate`], with the questions that the policies were asked, each answered with why.
    ///
    /// # Errors
    /// As [`Guard::evaluate`].
    pub async fn evaluate_questions(
        &self,
        event: &StopEvent,
    ) -> Result<(Explanation, Vec<Explained>), GuardError> {
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(GuardError::Settings(faults.join("; ")));
        }
        let path = StatePath::cluster(&event.cluster.key());
        let record = match self.0.store.read(&path).await? {
            Some(stored) => Record::decode(&stored.bytes)
                .map_err(|error| GuardError::Record { key: event.cluster.key().to_string(), error })?,
            None => Record::new(event.cluster.clone()),
        };
        let looked = self.look(&record).await;
        let hold = self.hold_on(&event.cluster).await?;
        let now = self.now();
        let context = self.context(now, hold.as_deref(), now, "");
        let stop = Stop::of_event(event, now, self.times());
        let callers = grant::ids_of(&event.caller).into_iter().collect();
        let grants = self.grants().for_decision(callers, &event.cluster, stop.time).await?;
        let facts = Facts { grants: Some(grants), ..looked.facts };
        Ok(explain_questions(&record, stop, facts, &context))
    }
}
