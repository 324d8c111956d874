//! How exposed a cluster is, in the incident about it. Read when the incident is delivered, which is beside the work on the case: no start
//! waits for it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{ClusterId, ClusterKey, Incident, IncidentState, ResourceKind};
use crate::posture::{Answers, Report};

use super::Guard;

/// A message waits for the answers so long: of one cluster they take a second or two.
const WAITED_FOR: Duration = Duration::from_secs(5);
/// All answers about one cluster, throttling included.
const SURVEY_BUDGET: Duration = Duration::from_secs(60);
/// What was read stays true so long, for an incident: what is told again is not read again.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
/// One cluster is read in this time, whichever: some thirty reads. A subscription gives 20 a second, which in a storm are needed
/// for the clusters themselves.
const PAUSE: Duration = Duration::from_secs(30);
/// Clusters that are remembered.
const REMEMBERED_MAX: usize = 200;

/// What is known of clusters.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Since boot.
    last_read: Option<Duration>,
    clusters: HashMap<ClusterKey, Lines>,
}

#[derive(Debug)]
struct Lines {
    /// Since boot.
    at: Duration,
    /// None while they are being read.
    lines: Option<Vec<String>>,
}

/// What to do about a cluster.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Tell(Vec<String>),
    Read,
    /// Another one is being read or was just now, or this one may not be read.
    Leave,
}

impl Board {
    /// What to do now. [`Next::Read`] is told once: whoever gets it has to read.
    fn next(&self, cluster: &ClusterKey, may_read: bool, now: Duration) -> Next {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clusters.retain(|_, lines| now.saturating_sub(lines.at) <= KNOWN_FOR);
        match known.clusters.get(cluster) {
            Some(Lines { lines: Some(lines), .. }) => return Next::Tell(lines.clone()),
            Some(Lines { lines: None, .. }) => return Next::Leave,
            None => {}
        }
        let is_soon = known.last_read.is_some_and(|last| now.saturating_sub(last) < PAUSE);
        if !may_read || is_soon || known.clusters.len() >= REMEMBERED_MAX {
            return Next::Leave;
        }
        known.last_read = Some(now);
        known.clusters.insert(cluster.clone(), Lines { at: now, lines: None });
        Next::Read
    }

    fn note(&self, cluster: ClusterKey, lines: Vec<String>, now: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clusters.insert(cluster, Lines { at: now, lines: Some(lines) });
    }
}

impl Guard {
    /// The incident with what lets its cluster be stopped. As it is where that is off, for incidents about many clusters, and where
    /// the answers don't come in time: then the next message has them.
    pub(super) async fn with_exposure<'i>(&self, incident: &'i Incident) -> Cow<'i, Incident> {
        let ([affected], 1, true) =
            (incident.clusters.as_slice(), incident.cluster_count, self.0.settings.posture)
        else {
            return Cow::Borrowed(incident);
        };
        match affected.id.kind() {
            ResourceKind::ManagedCluster => {}
            // All that is asked is about clusters.
            ResourceKind::ContainerGroup => return Cow::Borrowed(incident),
        }
        // What ends needs no more to be read for it.
        let may_read = incident.state != IncidentState::Resolved;
        let mut shown = incident.clone();
        shown.warnings.extend(self.exposure(&affected.id, may_read).await);
        Cow::Owned(shown)
    }

    async fn exposure(&self, cluster: &ClusterId, may_read: bool) -> Vec<String> {
        let key = cluster.key();
        match self.0.exposure.next(&key, may_read, self.0.clock.since_boot()) {
            Next::Tell(lines) => lines,
            Next::Leave => Vec::new(),
            Next::Read => {
                let (guard, cluster) = (self.clone(), cluster.clone());
                let reading = tokio::spawn(async move {
                    let lines = guard.survey(&cluster).await;
                    guard.0.exposure.note(cluster.key(), lines.clone(), guard.0.clock.since_boot());
                    lines
                });
                let in_time = tokio::time::timeout(WAITED_FOR, reading).await;
                in_time.ok().and_then(Result::ok).unwrap_or_default()
            }
        }
    }

    async fn survey(&self, cluster: &ClusterId) -> Vec<String> {
        let first = Answers::first_questions(&BTreeSet::new(), &BTreeSet::from([cluster.clone()]));
        match self.0.arm.aside().survey(first, SURVEY_BUDGET, &mut |_| {}).await {
            Ok(answers) => Report::of(&answers).brief(cluster),
            Err(error) => vec![format!("How exposed the cluster is could not be read: {error}.")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(n: u128) -> ClusterKey {
        ClusterKey::parse(&format!("{n:032x}")).unwrap()
    }

    #[test]
    fn what_has_ended_is_not_read_and_keeps_no_other_back() {
        let (board, now) = (Board::default(), Duration::from_secs(1));
        assert_eq!(board.next(&cluster(1), false, now), Next::Leave);
        assert_eq!(board.next(&cluster(1), true, now), Next::Read, "stopped again");
        assert_eq!(board.next(&cluster(2), true, now), Next::Leave, "one at a time");
        board.note(cluster(1), vec!["open".to_owned()], now);
        assert_eq!(board.next(&cluster(1), false, now), Next::Tell(vec!["open".to_owned()]));
    }
}
