//! A sink that is ready: it writes an incident's requests, sends them in order and reads the answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use ::http::{Request as HttpRequest, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Value;
use serde_json::Value as Json;

use super::answer::Answer;
use super::http::HttpSend;
use super::mail::Mail;
use super::request::{Material, Proof, RenderError, Rendered, Request, hide};
use super::template::{Templates, value};
use super::tokens::SinkTokens;
use super::view::{View, message_id};
use super::{Delivered, DeliveryError, Sink};
use crate::domain::Incident;

mod reach;
mod shown;
mod try_out;

pub use reach::Reached;
pub use shown::{Receiver, Shown};

/// How long a receiver may take, and how long all requests of a message may together. Standard Webhooks advises 15 to 30 s; an
/// invocation has 20 s in all.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// The media type of a body that the file names none for.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A sink whose file and settings are in order, not yet connected to anything.
pub struct PreparedSink {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) requests: Vec<Request>,
    pub(super) mail: Option<Mail>,
    pub(super) templates: Templates,
    pub(super) settings: Value,
    pub(super) azure: Value,
    pub(super) body_bytes_max: usize,
    pub(super) zone: TimeZone,
    pub(super) secrets: Vec<String>,
}

impl PreparedSink {
    /// Its name: that of its file without `.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, in a line.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Gives it what it sends over and where its tokens come from.
    pub fn connect(self, http: Arc<dyn HttpSend>, tokens: Arc<dyn SinkTokens>) -> HttpSink {
        HttpSink { sink: self, http, tokens }
    }

    fn material(&self) -> Material<'_> {
        Material {
            templates: &self.templates,
            settings: &self.settings,
            azure: &self.azure,
            body_bytes_max: self.body_bytes_max,
            secrets: &self.secrets,
        }
    }

    /// What earlier steps were answered; null for those that were not taken.
    fn no_answers(&self) -> BTreeMap<&str, Json> {
        self.requests.iter().map(|request| (request.name.as_str(), Json::Null)).collect()
    }

    /// Takes secrets out of a text that somebody else wrote.
    fn hide(&self, text: &str) -> String {
        hide(&self.secrets, text)
    }
}

impl std::fmt::Debug for PreparedSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedSink").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A sink that delivers: by requests over HTTP, or by e-mail if its file says so.
pub struct HttpSink {
    sink: PreparedSink,
    http: Arc<dyn HttpSend>,
    tokens: Arc<dyn SinkTokens>,
}

impl HttpSink {
    /// The requests of a message, in order, until one fails.
    async fn tell(&self, incident: &Incident, now: Timestamp) -> Result<Delivered, DeliveryError> {
        let sink = &self.sink;
        let material = sink.material();
        let view = View::new(incident, &sink.zone);
        if let Some(mail) = &sink.mail {
            let letter = mail.write(&material, &view).map_err(|error| self.unwritten(&error))?;
            return mail.send(&letter, incident, |text| sink.hide(text), &sink.name).await;
        }
        let mut answers = sink.no_answers();
        let mut delivered = Delivered { status: 0, reference: None };
        for request in &sink.requests {
            let known = value(&answers);
            let is_due = request.is_due(&material, incident.state, &view, &known);
            if !is_due.map_err(|error| self.unwritten(&error))? {
                continue;
            }
            let rendered =
                request.render(&material, &view, &known).map_err(|error| self.unwritten(&error))?;
            let answer = self.send(request, rendered, incident, now).await?;
            delivered.status = answer.status.as_u16();
            delivered.reference = answer.reference(&request.answers).or(delivered.reference);
            answers.insert(&request.name, answer.json);
        }
        Ok(delivered)
    }

    /// Sends one request and judges the answer.
    async fn send(
        &self,
        request: &Request,
        rendered: Rendered,
        incident: &Incident,
        now: Timestamp,
    ) -> Result<Answer, DeliveryError> {
        let who =
            if request.is_url_secret { self.sink.name.clone() } else { rendered.address.host().to_owned() };
        let token = self.token(request, &rendered, &who).await?;
        let http = self.http_request(request, rendered, token.as_deref(), incident, now)?;
        let response = self
            .http
            .send(http, DELIVERY_TIMEOUT)
            .await
            .map_err(|error| DeliveryError::Retry { after: None, why: format!("{who}: {error}") })?;
        let answer = Answer::new(&response);
        if let (Proof::Token(scope), Some(token), StatusCode::UNAUTHORIZED) =
            (&request.auth, &token, answer.status)
        {
            self.tokens.reject(&scope.scope, token);
        }
        answer.judge(&request.answers, &who, &self.sink.name, now, |text| self.sink.hide(text))?;
        Ok(answer)
    }

    /// A token, if the request wants one and goes to where it belongs.
    async fn token(
        &self,
        request: &Request,
        rendered: &Rendered,
        who: &str,
    ) -> Result<Option<String>, DeliveryError> {
        let Proof::Token(scope) = &request.auth else { return Ok(None) };
        if !scope.is_home(&rendered.address.uri().to_string()) {
            let why = format!("tokens for `{}` may not be sent to {who}", scope.word);
            return Err(DeliveryError::GiveUp { why });
        }
        let token = self.tokens.token(&scope.scope).await;
        let token = token
            .map_err(|why| DeliveryError::Retry { after: None, why: format!("no token for {who}: {why}") })?;
        Ok(Some(token))
    }

    fn http_request(
        &self,
        request: &Request,
        rendered: Rendered,
        token: Option<&str>,
        incident: &Incident,
        now: Timestamp,
    ) -> Result<HttpRequest<Bytes>, DeliveryError> {
        let unusable = |what: &str| DeliveryError::GiveUp { why: format!("{what} can't be a header") };
        let body = rendered.body.unwrap_or_default();
        let mut http = HttpRequest::new(Bytes::new());
        *http.method_mut() = request.method.clone();
        *http.uri_mut() = rendered.address.uri().clone();
        let headers = http.headers_mut();
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        for (name, value) in rendered.headers {
            headers.insert(name, value);
        }
        match &request.auth {
            Proof::None => {}
            Proof::Basic(header) => {
                headers.insert(AUTHORIZATION, header.clone());
            }
            Proof::Token(_) => {
                let bearer = format!("Bearer {}", token.unwrap_or_default());
                let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| unusable("the token"))?;
                bearer.set_sensitive(true);
                headers.insert(AUTHORIZATION, bearer);
            }
            Proof::Signature(key) => {
                let (id, seconds) = (message_id(incident), now.as_second());
                let header =
                    |text: &str| HeaderValue::from_str(text).map_err(|_| unusable("the message's id"));
                headers.insert("webhook-id", header(&id)?);
                headers.insert("webhook-timestamp", HeaderValue::from(seconds));
                if let Some(key) = key {
                    headers.insert("webhook-signature", header(&key.sign(&id, seconds, &body))?);
                }
            }
        }
        *http.body_mut() = Bytes::from(body);
        Ok(http)
    }

    /// A template that fails on this message though it did on no sample. Another message may do, this one won't.
    fn unwritten(&self, error: &RenderError) -> DeliveryError {
        let why = format!("sinks/{}.toml:{}: {}", self.sink.name, error.line, self.sink.hide(&error.message));
        DeliveryError::GiveUp { why }
    }
}

#[async_trait]
impl Sink for HttpSink {
    fn name(&self) -> &str {
        &self.sink.name
    }

    async fn deliver(&self, incident: &Incident, now: Timestamp) -> Result<Delivered, DeliveryError> {
        let told = tokio::time::timeout(DELIVERY_TIMEOUT, self.tell(incident, now)).await;
        told.unwrap_or_else(|_| {
            let why = format!("{}: no answer in time", self.sink.name);
            Err(DeliveryError::Retry { after: None, why })
        })
    }
}
