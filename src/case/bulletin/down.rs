//! Clusters that discovery found down and that get no case: for people to find out about, or to know of (rule 24).

use super::super::report;
use super::{Bulletin, CALLERS_MAX, ROWS_MAX, Row, Teller, note};
use crate::domain::{Caller, ClusterId, IncidentState};

/// Status of a cluster in a baseline.
const IN_BASELINE: &str = "stopped already when the guard first looked";

/// What discovery says of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownReport {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Where it stands.
    pub status: String,
    /// It is not for this incident any more.
    pub ended: bool,
    /// Who stopped it, if that is known.
    pub caller: Option<Caller>,
}

impl Bulletin {
    /// The clusters in it that are still down, as far as it knows.
    pub fn still_down(&self) -> Vec<ClusterId> {
        let rows = self.open.iter().flat_map(|open| open.rows.values());
        rows.filter(|row| !row.ended).map(|row| row.id.clone()).collect()
    }

    /// What discovery found in one run: told at once, as one message; over when none of the clusters is down any more. Returns
    /// false if all of it was known.
    pub fn take_down(&mut self, reports: &[DownReport], teller: Teller<'_>) -> bool {
        let mut is_news = false;
        for report in reports {
            is_news |= self.take_one_down(report, teller);
        }
        let Some(open) = self.open.as_ref().filter(|_| is_news) else { return false };
        if open.rows.values().all(|row| row.ended) {
            self.tell(IncidentState::Resolved, teller);
            self.open = None;
        } else if open.is_untold() {
            self.tell(IncidentState::Opened, teller);
        } else {
            self.tell(IncidentState::Updated, teller);
        }
        true
    }

    fn take_one_down(&mut self, report: &DownReport, teller: Teller<'_>) -> bool {
        let key = report.cluster.key();
        let known = self.open.as_ref().and_then(|open| open.rows.get(key.as_str()));
        let is_news = match known {
            Some(row) => row.status != report.status || row.ended != report.ended,
            None => !report.ended,
        };
        if !is_news {
            return false;
        }
        self.ensure_open(teller.now);
        let Some(open) = &mut self.open else { return false };
        if !open.rows.contains_key(key.as_str()) && open.rows.len() >= ROWS_MAX {
            return false;
        }
        note(&mut open.timeline, teller.now, format!("{}: {}", report.cluster.name(), report.status));
        let row = Row { id: report.cluster.clone(), status: report.status.clone(), ended: report.ended };
        open.rows.insert(key.as_str().to_owned(), row);
        if let Some(caller) = &report.caller {
            let is_known = open.callers.iter().any(|known| known.identity() == caller.identity());
            if !is_known && open.callers.len() < CALLERS_MAX {
                open.callers.push(report::shown(caller));
            }
        }
        true
    }

    /// What was down in subscriptions that are seen for the first time. Nothing has to be done about it, so it is over as soon as
    /// it is told.
    pub fn tell_baseline(&mut self, clusters: &[ClusterId], teller: Teller<'_>) {
        self.ensure_open(teller.now);
        let Some(open) = &mut self.open else { return };
        for cluster in clusters.iter().take(ROWS_MAX) {
            let row = Row { id: cluster.clone(), status: IN_BASELINE.to_owned(), ended: true };
            open.rows.insert(cluster.key().as_str().to_owned(), row);
        }
        self.tell(IncidentState::Opened, teller);
        self.tell(IncidentState::Resolved, teller);
        self.open = None;
    }
}
