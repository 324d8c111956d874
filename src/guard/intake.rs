//! A stop event becomes a case: opened or joined, made durable, acknowledged, worked on.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::case::evidence::keep_event;
use crate::case::record::Record;
use crate::case::{Episode, Stop, Taken, take_in};
use crate::domain::{ClusterId, StopEvent, StopTime};

use super::Guard;
use super::outbox::wait_a_while;
use super::records::{GuardError, Loaded, load};
use super::work::CONFLICTS_MAX;

/// First wait after somebody else wrote the record; random up to this, times the number of the try (rule 30).
const CONFLICT_PAUSE_MAX: Duration = Duration::from_millis(40);

/// Lines of one cluster's summary: the host logs each with the invocation.
const SUMMARY_LINES_MAX: usize = 8;

/// What became of the stops of one cluster.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Which cluster.
    pub cluster: ClusterId,
    /// In one line, for the log of the invocation.
    pub summary: String,
}

/// What stops are known from.
#[derive(Debug, Clone, Copy)]
enum Heard<'a> {
    Events(&'a [StopEvent]),
    Stop(&'a Stop),
}

impl<'a> Heard<'a> {
    fn events(self) -> &'a [StopEvent] {
        match self {
            Self::Events(events) => events,
            Self::Stop(_) => &[],
        }
    }
}

impl Guard {
    /// Takes in the stops of one cluster, then works on its case. `durable` is told as soon as the stops can't be lost any
    /// more; the work goes on after that.
    ///
    /// # Errors
    /// If the stops are not durable: the events have to come again.
    pub async fn take_in(
        &self,
        cluster: ClusterId,
        events: Vec<StopEvent>,
        durable: oneshot::Sender<Intake>,
    ) -> Result<(), GuardError> {
        self.learn_the_time(&cluster, &events).await;
        self.take_in_heard(cluster, Heard::Events(&events), durable).await.map(drop)
    }

    /// The same with a stop that is known from elsewhere. Says whether it was news.
    pub(super) async fn take_in_stop(
        &self,
        cluster: ClusterId,
        stop: &Stop,
        durable: oneshot::Sender<Intake>,
    ) -> Result<bool, GuardError> {
        self.take_in_heard(cluster, Heard::Stop(stop), durable).await
    }

    async fn take_in_heard(
        &self,
        cluster: ClusterId,
        heard: Heard<'_>,
        durable: oneshot::Sender<Intake>,
    ) -> Result<bool, GuardError> {
        let flight = self.0.flights.take(&cluster.key()).await;
        let worked_on = self.open_or_join(&cluster, heard, durable).await?;
        drop(flight);
        let Some(current) = worked_on else { return Ok(false) };
        let guard = self.clone();
        let delivered = wait_a_while(async move { guard.deliver_outbox(current).await }).await;
        delivered.unwrap_or(Ok(())).map(|()| true)
    }

    /// Makes the stops durable and works on their case. `None` if none of them was news.
    async fn open_or_join(
        &self,
        cluster: &ClusterId,
        heard: Heard<'_>,
        durable: oneshot::Sender<Intake>,
    ) -> Result<Option<Loaded<Record>>, GuardError> {
        let mut durable = Some(durable);
        for conflict in 0..=CONFLICTS_MAX {
            let current = self.load_or_new(cluster).await?;
            if let Episode::Closing(closing) = &current.document.episode {
                let closing = closing.clone();
                self.archive_and_reset(&current, &closing).await?;
                continue;
            }
            let Loaded { document: mut record, etag } = current;
            let (taken, summary) = self.take_all(&mut record, self.stops(heard));
            let intake = Intake { cluster: cluster.clone(), summary };
            if !taken.any_new() {
                tell(&mut durable, intake);
                return Ok(None);
            }
            let mut evidence: Vec<_> =
                heard.events().iter().filter_map(|event| keep_event(&mut record, event)).collect();
            let mut decided = self.decide(&record, taken.opened).await?;
            decided.transition.evidence.append(&mut evidence);
            let written = self.write_then(decided, etag.as_ref(), || tell(&mut durable, intake)).await?;
            if let Some(next) = written {
                return self.reconcile(next).await.map(Some);
            }
            self.pause(conflict).await;
        }
        Err(GuardError::Contended(cluster.key().to_string()))
    }

    /// Lets whoever wrote the record get on.
    pub(super) async fn pause(&self, conflict: u32) {
        let jitter = u32::from(self.jitter()) + 1;
        tokio::time::sleep(CONFLICT_PAUSE_MAX * (conflict + 1) * jitter / 256).await;
    }

    /// An event from the future says that this machine's clock is behind Azure's: one look tells by how much (rule 1).
    async fn learn_the_time(&self, cluster: &ClusterId, events: &[StopEvent]) {
        let latest = self.now() + self.times().skew_max;
        if events.iter().any(|event| matches!(event.time, StopTime::At(time) if time > latest)) {
            self.look(&Record::new(cluster.clone())).await;
        }
    }

    async fn load_or_new(&self, cluster: &ClusterId) -> Result<Loaded<Record>, GuardError> {
        let loaded =
            load(&self.0.store, &cluster.key(), Some(cluster), self.0.gate.mode(), self.now()).await?;
        Ok(loaded.unwrap_or_else(|| Loaded { document: Record::new(cluster.clone()), etag: None }))
    }

    fn stops(&self, heard: Heard<'_>) -> Vec<Stop> {
        match heard {
            Heard::Events(events) => {
                events.iter().map(|event| Stop::of_event(event, self.now(), self.times())).collect()
            }
            Heard::Stop(stop) => vec![stop.clone()],
        }
    }

    fn take_all(&self, record: &mut Record, stops: Vec<Stop>) -> (AllTaken, String) {
        let mut all = AllTaken::default();
        let mut words = Vec::new();
        for stop in stops {
            let event = stop.event_id.clone();
            let who = stop.caller.label().to_owned();
            let taken = take_in(record, stop, self.0.gate.mode(), self.now(), self.times());
            let word = match taken {
                Taken::Opened => "opened a case",
                Taken::Joined => "joined the open case",
                Taken::Known => "known already",
                Taken::History(why) => why,
                Taken::FinishFirst => "waits for an older case",
            };
            all.add(taken);
            let line = format!("{}: stop by {who}: {word}", record.cluster.name());
            tracing::info!(cluster = %record.cluster, event, who, outcome = word, "stop event");
            if !words.contains(&line) {
                words.push(line);
            }
        }
        words.truncate(SUMMARY_LINES_MAX);
        (all, words.join("; "))
    }
}

/// What taking in several stops came to.
#[derive(Debug, Default, Clone, Copy)]
struct AllTaken {
    opened: bool,
    joined: bool,
}

impl AllTaken {
    fn add(&mut self, taken: Taken) {
        match taken {
            Taken::Opened => self.opened = true,
            Taken::Joined => self.joined = true,
            Taken::Known | Taken::History(_) | Taken::FinishFirst => {}
        }
    }

    fn any_new(self) -> bool {
        self.opened || self.joined
    }
}

/// Nobody may be waiting any more: then there is nobody to tell.
fn tell(durable: &mut Option<oneshot::Sender<Intake>>, intake: Intake) {
    if let Some(durable) = durable.take() {
        let _ = durable.send(intake);
    }
}
