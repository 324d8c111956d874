//! Incidents of cases that came too many at once for one sink: told to it as one (rule 33).

use super::super::report;
use super::{Bulletin, BulletinKey, CALLERS_MAX, OpenBulletin, ROWS_MAX, Row, Teller, note};
use crate::case::outbox::{self, Keeper, Message, Receipt};
use crate::case::routes::{Audience, News, Routes};
use crate::case::step::GroupRow;
use crate::domain::{Caller, ClusterId, Incident, IncidentState};

/// Status of an incident whose case is not on record any more: the record was damaged or deleted.
const LOST: &str = "its case is not on record any more";

/// What a case tells the groups that its incident is in.
#[derive(Debug, Clone, Copy)]
pub struct GroupReport<'a> {
    /// Which cluster.
    pub cluster: &'a ClusterId,
    /// Where its incident stands.
    pub row: &'a GroupRow,
    /// Who stopped it.
    pub caller: Option<&'a Caller>,
}

impl Bulletin {
    /// An incident of the group says where it stands. Returns false if that was known, or if there is no room: it says so again
    /// with each step of its case.
    pub fn take_group_row(&mut self, news: GroupReport<'_>, teller: Teller<'_>) -> bool {
        let GroupRow { incident, status, severity, ended, .. } = news.row;
        let known = self.open.as_ref().and_then(|open| open.rows.get(incident));
        // What is over stays over: a process that was paused may still say what was true before.
        if known.is_some_and(|row| row.ended || (row.status == *status && row.ended == *ended)) {
            return false;
        }
        let is_new = known.is_none();
        self.ensure_open(teller.now);
        let Some(open) = &mut self.open else { return false };
        if is_new && !open.make_room() {
            return false;
        }
        if is_new {
            open.joined_at = teller.now;
        }
        note(&mut open.timeline, teller.now, format!("{}: {status}", news.cluster.name()));
        let row = Row { id: news.cluster.clone(), status: status.clone(), ended: *ended };
        open.rows.insert(incident.clone(), row);
        open.severity = open.severity.max(Some(*severity));
        open.changed = true;
        if let Some(caller) = news.caller {
            let is_known = open.callers.iter().any(|known| known.identity() == caller.identity());
            if !is_known && open.callers.len() < CALLERS_MAX {
                open.callers.push(report::shown(caller));
            }
        }
        if open.is_untold() {
            self.tell(IncidentState::Opened, teller);
        }
        true
    }

    /// Incidents of the group that are not over as far as it knows, with their clusters.
    pub fn unsettled(&self) -> Vec<(String, ClusterId)> {
        let rows = self.open.iter().flat_map(|open| &open.rows).filter(|(_, row)| !row.ended);
        rows.map(|(incident, row)| (incident.clone(), row.id.clone())).collect()
    }

    /// Whether it is time to look for cases that say nothing any more, since they are not on their clusters' records.
    pub fn is_check_due(&self, teller: Teller<'_>) -> bool {
        let is_group = matches!(self.key, BulletinKey::Group { .. });
        let last = self.open.as_ref().map(|open| open.checked_at.unwrap_or(open.opened_at));
        is_group && last.is_some_and(|last| teller.now.duration_since(last) >= teller.times.degraded_every)
    }

    /// It was looked, and the cases of these are gone: nobody else will say that they are over.
    pub fn settle_lost(&mut self, lost: &[String], teller: Teller<'_>) {
        let Some(open) = &mut self.open else { return };
        open.checked_at = Some(teller.now);
        let are_lost = |(incident, row): &(&String, &mut Row)| !row.ended && lost.contains(incident);
        for (_, row) in open.rows.iter_mut().filter(are_lost) {
            row.status = LOST.to_owned();
            row.ended = true;
            open.changed = true;
        }
    }
}

impl OpenBulletin {
    /// Room for one more incident, that of one that is over if need be.
    fn make_room(&mut self) -> bool {
        if self.rows.len() < ROWS_MAX {
            return true;
        }
        let over = self.rows.iter().find(|(_, row)| row.ended).map(|(incident, _)| incident.clone());
        over.is_some_and(|incident| {
            self.rows.remove(&incident);
            self.dropped = self.dropped.saturating_add(1);
            true
        })
    }

    /// Puts a message into the outbox for those who know of the incident, and one for those who hear of it for the first time.
    pub(super) fn send(
        &mut self,
        key: &BulletinKey,
        outbox: &mut Vec<Message>,
        incident: &Incident,
        teller: Teller<'_>,
    ) {
        let of_group = match key {
            BulletinKey::Group { sink } => Some(Routes::to_all([sink.clone()])),
            BulletinKey::Storm { .. }
            | BulletinKey::Degraded
            | BulletinKey::Quarantine
            | BulletinKey::Unexplained
            | BulletinKey::Baseline
            | BulletinKey::Discovery
            | BulletinKey::Hold { .. } => None,
        };
        let routes = of_group.as_ref().unwrap_or(teller.routes);
        let news =
            News { state: incident.state, severity: incident.severity, named: &self.notify, crowded: &[] };
        let hearers = self.audience.hears(news, routes);
        for (state, sinks) in [(IncidentState::Opened, hearers.new), (incident.state, hearers.known)] {
            if !sinks.is_empty() || self.is_untold() {
                let incident = Incident { state, sequence: self.next_sequence, ..incident.clone() };
                self.next_sequence = self.next_sequence.saturating_add(1);
                let message = Message::new(incident, &sinks, teller.now);
                outbox::push(outbox, message.for_audience(&self.audience, teller.routes));
            }
        }
    }
}

impl Keeper for Bulletin {
    fn outbox(&self) -> &[Message] {
        &self.outbox
    }

    fn outbox_mut(&mut self) -> &mut Vec<Message> {
        &mut self.outbox
    }

    fn receipts_mut(&mut self) -> &mut Vec<Receipt> {
        &mut self.receipts
    }

    fn audience(&self, incident: &str) -> Option<&Audience> {
        self.open.as_ref().filter(|open| open.id == incident).map(|open| &open.audience)
    }

    fn audience_mut(&mut self, incident: &str) -> Option<&mut Audience> {
        self.open.as_mut().filter(|open| open.id == incident).map(|open| &mut open.audience)
    }
}
