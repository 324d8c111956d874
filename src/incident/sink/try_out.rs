//! Writes every request of a sink for sample incidents, so that what can fail fails before anything happens.

use crate::domain::{Incident, IncidentState};

use super::super::request::{Proof, RenderError, Request};
use super::super::template::value;
use super::super::view::View;
use super::PreparedSink;

impl PreparedSink {
    /// What goes wrong with these incidents: the first fault of each line. Where tokens may go is only judged if the settings are whole.
    pub(in crate::incident) fn try_out(
        &self,
        incidents: impl Iterator<Item = (Incident, Vec<IncidentState>)>,
        are_settings_whole: bool,
    ) -> Vec<RenderError> {
        let mut faults: Vec<RenderError> = Vec::new();
        let mut note = |fault: RenderError| {
            if !faults.iter().any(|known| known.line == fault.line) {
                faults.push(fault);
            }
        };
        for (incident, states) in incidents {
            let mut view = View::new(&incident, &self.zone);
            for state in states {
                view.enter(state);
                if let Some(mail) = &self.mail
                    && let Err(fault) = mail.write(&self.material(), &view)
                {
                    note(fault);
                }
                // Once with the answers of the examples, once as if every receiver knew nothing.
                let ways: &[bool] = if self.requests.len() > 1 { &[true, false] } else { &[true] };
                for with_examples in ways.iter().copied() {
                    if let Err(fault) = self.walk(state, &view, with_examples, are_settings_whole) {
                        note(fault);
                    }
                }
            }
        }
        faults
    }

    fn walk(
        &self,
        state: IncidentState,
        view: &View,
        with_examples: bool,
        are_settings_whole: bool,
    ) -> Result<(), RenderError> {
        let material = self.material();
        let mut answers = self.no_answers();
        for request in &self.requests {
            let known = value(&answers);
            if !request.is_due(&material, state, view, &known)? {
                continue;
            }
            let rendered = request.render(&material, view, &known)?;
            if are_settings_whole {
                stays_home(request, &rendered.address.uri().to_string())?;
            }
            if with_examples {
                answers.insert(&request.name, request.example.clone());
            }
        }
        Ok(())
    }
}

fn stays_home(request: &Request, url: &str) -> Result<(), RenderError> {
    match &request.auth {
        Proof::Token(scope) if !scope.is_home(url) => Err(RenderError {
            line: request.url.line,
            message: format!("tokens for `{}` may not be sent to this URL's host", scope.word),
        }),
        Proof::Token(_) | Proof::None | Proof::Basic(_) | Proof::Signature(_) => Ok(()),
    }
}
