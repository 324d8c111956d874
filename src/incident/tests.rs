use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ::http::{Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::tz::TimeZone;

use super::*;

mod deliver;
mod faults;
mod formats;
mod limits;
mod lookups;
mod mail;
pub(super) mod samples;
mod tokens;
mod webhook;

/// Sinks that are shipped, each with the settings that it needs.
pub(super) const SHIPPED: [(&str, &[(&str, &str)]); 10] = [
    ("alertmanager", &[("STOP_GUARD_ALERTMANAGER_URL", "https://alertmanager.example/am/")]),
    (
        "email",
        &[
            ("STOP_GUARD_SMTP_URL", "smtps://guard:T0K3N@mail.example"),
            ("STOP_GUARD_EMAIL_FROM", "guard@contoso.example"),
            ("STOP_GUARD_EMAIL_TO", "soc@contoso.example"),
        ],
    ),
    ("opsgenie", &[("STOP_GUARD_OPSGENIE_KEY", "G3N13K3Y")]),
    ("pagerduty", &[("STOP_GUARD_PAGERDUTY_KEY", "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12")]),
    (
        "sentinel",
        &[
            ("STOP_GUARD_SENTINEL_ENDPOINT", "https://guard-a1b2.westeurope-1.ingest.monitor.azure.com"),
            ("STOP_GUARD_SENTINEL_RULE", "dcr-000a00a000a00000a000000aa000a0aa"),
        ],
    ),
    (
        "sentinel-incident",
        &[(
            "STOP_GUARD_SENTINEL_WORKSPACE",
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/soc",
        )],
    ),
    (
        "servicenow",
        &[
            ("STOP_GUARD_SERVICENOW_URL", "https://dev12345.service-now.com"),
            ("STOP_GUARD_SERVICENOW_USER", "guard"),
            ("STOP_GUARD_SERVICENOW_PASSWORD", "P4SSW0RD"),
        ],
    ),
    ("slack", &[("STOP_GUARD_SLACK_URL", "https://hooks.example/services/T0K3N")]),
    ("teams", &[("STOP_GUARD_TEAMS_URL", "https://flow.example/invoke?sig=T0K3N")]),
    (
        "webhook",
        &[
            ("STOP_GUARD_WEBHOOK_URL", "https://hooks.example/T0K3N"),
            ("STOP_GUARD_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ],
    ),
];

/// The public cloud.
pub(super) fn azure() -> Azure {
    let arm = "https://management.azure.com".to_owned();
    let scopes = vec![
        Scope { word: "arm", scope: format!("{arm}/.default"), home: Home::Origin(arm.clone()) },
        Scope {
            word: "monitor",
            scope: "https://monitor.azure.com/.default".to_owned(),
            home: Home::Hosts(".ingest.monitor.azure.com"),
        },
    ];
    Azure { arm, scopes }
}

/// A sink of a text, with these settings.
pub(super) fn prepared(
    name: &str,
    text: &str,
    settings: &[(&str, &str)],
) -> Result<PreparedSink, Vec<String>> {
    let told = |faults: Vec<SinkFault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    let file = SinkFile::parse(&format!("sinks/{name}.toml"), text, &["STOP_GUARD_STATE"]).map_err(told)?;
    prepared_of(name, text, file, settings)
}

fn prepared_of(
    name: &str,
    text: &str,
    file: SinkFile,
    settings: &[(&str, &str)],
) -> Result<PreparedSink, Vec<String>> {
    let path = format!("sinks/{name}.toml");
    let settings: BTreeMap<&str, &str> = settings.iter().copied().collect();
    let env = |name: &str| settings.get(name).map(|value| (*value).to_owned());
    let parts =
        Parts { name, path: &path, text, file: &file, env: &env, zone: TimeZone::UTC, azure: azure() };
    prepare(parts).map_err(|faults| {
        let line = |fault| match fault {
            PrepareFault::File(fault) => fault.to_string(),
            PrepareFault::Missing { env, about } => format!("{env} is missing: {about}"),
            PrepareFault::Invalid { env, problem } => format!("{env} {problem}"),
        };
        faults.into_iter().map(line).collect()
    })
}

pub(super) fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sinks/{name}.toml"))).unwrap()
}

/// A shipped sink with its settings.
pub(super) fn shipped(name: &str) -> PreparedSink {
    let (_, settings) = SHIPPED.into_iter().find(|(shipped, _)| *shipped == name).unwrap();
    prepared(name, &file(name), settings).unwrap()
}

/// A shipped sink without what its file says of answers: nothing that it looks up is there.
pub(super) fn prepared_as_new(name: &str, settings: &[(&str, &str)]) -> PreparedSink {
    let text = file(name);
    let mut read = SinkFile::parse(name, &text, &[]).unwrap();
    read.steps.iter_mut().for_each(|step| step.example = None);
    prepared_of(name, &text, read, settings).unwrap()
}

/// The body of a sink's first request for an incident.
pub(super) fn body(sink: &PreparedSink, incident: &crate::domain::Incident) -> serde_json::Value {
    sink.show(incident).unwrap().remove(0).body.unwrap()
}

/// A receiver's answer: status, headers, body.
pub(super) type Canned = (u16, Vec<(&'static str, String)>, &'static str);

/// Answers the requests in order, the last answer over and over, and keeps them.
pub(super) struct Receiver {
    answers: Mutex<Vec<Result<Canned, SendError>>>,
    pub(super) requests: Mutex<Vec<(Request<Bytes>, Duration)>>,
}

impl Receiver {
    pub(super) fn answering(answers: impl IntoIterator<Item = Result<Canned, SendError>>) -> Arc<Self> {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Arc::new(Self { answers: Mutex::new(answers), requests: Mutex::default() })
    }

    pub(super) fn of(status: u16) -> Arc<Self> {
        Self::answering([Ok((status, Vec::new(), ""))])
    }

    pub(super) fn saying(status: u16, body: &'static str) -> Arc<Self> {
        Self::answering([Ok((status, Vec::new(), body))])
    }
}

#[async_trait]
impl HttpSend for Receiver {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, SendError> {
        self.requests.lock().unwrap().push((request, timeout));
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
        let (status, headers, body) = answer?;
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.body(Bytes::from_static(body.as_bytes())).unwrap())
    }
}

/// Gives out `token-<n>` for any scope, and counts those that were refused.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) asked: Mutex<Vec<String>>,
    pub(super) refused: Mutex<Vec<String>>,
}

#[async_trait]
impl SinkTokens for Tokens {
    async fn token(&self, scope: &str) -> Result<String, String> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(scope.to_owned());
        Ok(format!("token-{}", asked.len()))
    }

    fn reject(&self, _: &str, token: &str) {
        self.refused.lock().unwrap().push(token.to_owned());
    }
}

/// Delivers over a receiver, without tokens.
pub(super) async fn deliver(
    sink: PreparedSink,
    receiver: &Arc<Receiver>,
    incident: &crate::domain::Incident,
) -> Result<Delivered, DeliveryError> {
    sink.connect(receiver.clone(), Arc::new(Tokens::default())).deliver(incident, samples::now()).await
}
