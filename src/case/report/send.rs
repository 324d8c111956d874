//! Puts what people are told into the outbox, for the sinks that it is for.

use super::super::model::{Case, Told};
use super::super::outbox::{self, Message};
use super::super::routes::News;
use super::super::step::Context;
use crate::domain::{Incident, IncidentState};

/// Puts a message into the outbox for those who know of the incident, and one for those who hear of it for the first time.
pub(super) fn send(
    outbox: &mut Vec<Message>,
    incident: Incident,
    state: IncidentState,
    told: &mut Told,
    named: &[String],
    context: &Context<'_>,
) {
    let news = News { state, severity: told.severity, named, crowded: context.crowded };
    let hearers = told.audience.hears(news, context.routes);
    for (state, sinks) in [(IncidentState::Opened, hearers.new), (state, hearers.known)] {
        if !sinks.is_empty() {
            let incident = Incident { state, sequence: told.next_sequence, ..incident.clone() };
            told.next_sequence = told.next_sequence.saturating_add(1);
            let message = Message::new(incident, &sinks, context.now);
            outbox::push(outbox, message.for_audience(&told.audience, context.routes));
        }
    }
}

impl Case {
    /// Id of the incident about claims that the log contradicts.
    pub(in crate::case) fn forgery_id(&self) -> String {
        format!("{}-claims", self.id)
    }

    /// The sinks that the determining policies name, of both answers.
    pub fn named_sinks(&self) -> Vec<String> {
        let verdict = self.verdict.iter().flat_map(|verdict| &verdict.notify);
        verdict.chain(self.restart.iter().flat_map(|restart| &restart.notify)).cloned().collect()
    }
}
