//! The requests of a message, for people to look at: nothing secret is in them.

use serde::Serialize;
use serde_json::Value as Json;

use super::super::request::{HIDDEN, Proof, RenderError};
use super::super::samples::{STATES, Sample, sample};
use super::super::template::value;
use super::super::view::View;
use super::PreparedSink;
use crate::domain::Incident;

/// Who gets a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// This host.
    Host(String),
    /// The address is a secret, its host as well.
    Secret,
}

/// One request as it would be sent.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The step.
    pub step: String,
    /// The method.
    pub method: String,
    /// The URL, its secrets hidden.
    pub url: String,
    /// Who gets it.
    #[serde(skip)]
    pub receiver: Receiver,
    /// The headers, their secrets hidden.
    pub headers: Vec<(String, String)>,
    /// The body, its secrets hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
}

impl PreparedSink {
    /// What would be sent, with the answers that the file gives as examples.
    ///
    /// # Errors
    /// Why a request can't be written: the line of the file, and the reason.
    pub fn show(&self, incident: &Incident) -> Result<Vec<Shown>, (usize, String)> {
        self.shown(incident).map_err(|error| (error.line, self.hide(&error.message)))
    }

    /// Who gets its messages, each once.
    pub fn receivers(&self) -> Vec<Receiver> {
        let samples = STATES.map(|state| sample(Sample::Stop, state));
        let mut receivers = Vec::new();
        for shown in samples.iter().filter_map(|incident| self.shown(incident).ok()).flatten() {
            if !receivers.contains(&shown.receiver) {
                receivers.push(shown.receiver);
            }
        }
        receivers
    }

    fn shown(&self, incident: &Incident) -> Result<Vec<Shown>, RenderError> {
        let material = self.material();
        let view = View::new(incident, &self.zone);
        let mut answers = self.no_answers();
        let mut shown = Vec::new();
        if let Some(mail) = &self.mail {
            let letter = mail.write(&material, &view)?;
            shown.push(mail.shown(&letter, incident, |text| self.hide(text)));
        }
        for request in &self.requests {
            let known = value(&answers);
            if !request.is_due(&material, incident.state, &view, &known)? {
                continue;
            }
            let rendered = request.render(&material, &view, &known)?;
            let mut headers: Vec<(String, String)> = rendered
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), self.hide(value.to_str().unwrap_or_default())))
                .collect();
            headers.extend(match &request.auth {
                Proof::None | Proof::Signature(None) => None,
                Proof::Basic(_) => Some(("authorization".to_owned(), format!("Basic {HIDDEN}"))),
                Proof::Token(scope) => {
                    Some(("authorization".to_owned(), format!("Bearer <token for {}>", scope.scope)))
                }
                Proof::Signature(Some(_)) => Some(("webhook-signature".to_owned(), format!("v1,{HIDDEN}"))),
            });
            let body = rendered.body.map(|body| self.hide(&body));
            shown.push(Shown {
                step: request.name.clone(),
                method: request.method.to_string(),
                url: match request.is_url_secret {
                    true => HIDDEN.to_owned(),
                    false => self.hide(&rendered.address.uri().to_string()),
                },
                headers,
                receiver: match request.is_url_secret {
                    true => Receiver::Secret,
                    false => Receiver::Host(self.hide(rendered.address.host())),
                },
                body: body.map(|body| serde_json::from_str(&body).unwrap_or(Json::String(body))),
            });
            answers.insert(&request.name, request.example.clone());
        }
        Ok(shown)
    }
}
