//! Whether a sink's receivers can be reached, without telling them anything.

use std::time::Duration;

use ::http::uri::PathAndQuery;
use ::http::{Method, Request as HttpRequest, Uri};
use bytes::Bytes;

use super::super::http::HttpSend;
use super::super::samples::{STATES, Sample, sample};
use super::super::template::value;
use super::super::view::View;
use super::{PreparedSink, Receiver};

/// Whether a receiver can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Who it is.
    pub receiver: Receiver,
    /// What came of it: why not, without the address.
    pub outcome: Result<(), String>,
}

impl PreparedSink {
    /// Asks the root of each receiver's host with `HEAD`: no path, no token and no incident. Any answer proves the name, the way there, TLS
    /// and that HTTP is spoken; it says nothing about the sink's key or channel. A mail server is logged in to, and sent nothing.
    pub async fn reach(&self, http: &dyn HttpSend, timeout: Duration) -> Vec<Reached> {
        if let Some(mail) = &self.mail {
            let asked = tokio::time::timeout(timeout, mail.server.check()).await;
            let outcome = asked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            let outcome = outcome.map_err(|why| self.hide(&why));
            return vec![Reached { receiver: Receiver::Secret, outcome }];
        }
        let asked = self.roots().into_iter().map(|(root, receiver)| async move {
            let mut request = HttpRequest::new(Bytes::new());
            *request.method_mut() = Method::HEAD;
            *request.uri_mut() = root;
            let outcome = http.send(request, timeout).await.map(|_| ()).map_err(|error| error.to_string());
            Reached { receiver, outcome }
        });
        futures::future::join_all(asked).await
    }

    /// The hosts that messages go to, each once, as URLs without path and query.
    fn roots(&self) -> Vec<(Uri, Receiver)> {
        let material = self.material();
        let mut roots: Vec<(Uri, Receiver)> = Vec::new();
        for incident in STATES.map(|state| sample(Sample::Stop, state)) {
            let view = View::new(&incident, &self.zone);
            let mut answers = self.no_answers();
            for request in &self.requests {
                let known = value(&answers);
                let is_due = request.is_due(&material, incident.state, &view, &known);
                let Ok(rendered) = request.render(&material, &view, &known) else { continue };
                answers.insert(&request.name, request.example.clone());
                let Some(root) = root(rendered.address.uri()).filter(|_| is_due.unwrap_or(false)) else {
                    continue;
                };
                let receiver = match request.is_url_secret {
                    true => Receiver::Secret,
                    false => Receiver::Host(self.hide(rendered.address.host())),
                };
                if !roots.iter().any(|(known, _)| *known == root) {
                    roots.push((root, receiver));
                }
            }
        }
        roots
    }
}

fn root(address: &Uri) -> Option<Uri> {
    let mut parts = address.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).ok()
}
