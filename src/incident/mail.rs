//! A sink's e-mail: the message that its templates make of an incident.

use serde_json::json;

use super::request::{HIDDEN, Material, Part, RenderError, context, fit, render};
use super::sink::{Receiver, Shown};
use super::smtp::{Letter, MailServer};
use super::view::{View, message_id};
use super::{Delivered, DeliveryError};
use crate::domain::Incident;

/// Compiled templates, and the server that takes what they make.
pub(super) struct Mail {
    pub(super) server: MailServer,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) urgent: Option<Part>,
    pub(super) subject: Part,
    pub(super) text: Part,
    pub(super) html: Part,
}

/// A message, written.
pub(super) struct Written {
    subject: String,
    text: String,
    html: String,
    is_urgent: bool,
}

impl Mail {
    /// Writes the message, as short as it must be.
    pub(super) fn write(&self, material: &Material<'_>, view: &View) -> Result<Written, RenderError> {
        let bytes = |written: &Written| written.text.len() + written.html.len();
        fit(bytes, material.body_bytes_max, self.html.line, view, |view| self.whole(material, view))
    }

    fn whole(&self, material: &Material<'_>, view: &View) -> Result<Written, RenderError> {
        let context = context(material, view, &().into());
        let urgent = self.urgent.as_ref().map(|part| render(material, part, &context)).transpose()?;
        let subject = render(material, &self.subject, &context)?;
        Ok(Written {
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            text: render(material, &self.text, &context)?.trim_start().to_owned(),
            html: render(material, &self.html, &context)?.trim_start().to_owned(),
            is_urgent: urgent.is_some_and(|urgent| !urgent.is_empty()),
        })
    }

    /// Hands it to the server. `hide` takes secrets out of what the server says.
    pub(super) async fn send(
        &self,
        written: &Written,
        incident: &Incident,
        hide: impl Fn(&str) -> String,
        name: &str,
    ) -> Result<Delivered, DeliveryError> {
        let first = message_id(&Incident { sequence: 0, ..incident.clone() });
        let letter = Letter {
            subject: &written.subject,
            text: &written.text,
            html: &written.html,
            id: &message_id(incident),
            first: (incident.sequence > 0).then_some(first.as_str()),
            is_urgent: written.is_urgent,
            at: incident.at,
        };
        self.server.send(&letter).await.map_err(|error| match error {
            DeliveryError::Retry { after, why } => {
                DeliveryError::Retry { after, why: format!("{name}: {}", hide(&why)) }
            }
            DeliveryError::GiveUp { why } => DeliveryError::GiveUp { why: format!("{name}: {}", hide(&why)) },
        })
    }

    /// The message for people to look at.
    pub(super) fn shown(
        &self,
        written: &Written,
        incident: &Incident,
        hide: impl Fn(&str) -> String,
    ) -> Shown {
        let header = |name: &str, value: &str| (name.to_owned(), hide(value));
        Shown {
            step: "mail".to_owned(),
            method: "SMTP".to_owned(),
            url: HIDDEN.to_owned(),
            receiver: Receiver::Secret,
            headers: vec![
                header("from", &self.from),
                header("to", &self.to),
                header("subject", &written.subject),
                header("message-id", &message_id(incident)),
            ],
            body: Some(json!({ "text": hide(&written.text), "html": hide(&written.html) })),
        }
    }
}
