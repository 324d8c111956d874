//! Nothing that somebody wrote becomes a link, a mention, markup, an element, a header, a line or a member of a message, whichever field of
//! an incident it is in and whichever tool shows it. Judged by what readers would be shown, in comparison with somebody harmless.

use std::sync::Arc;

use aks_stop_guard::domain::{Caller, Incident};
use aks_stop_guard::incident::samples::Sample;
use aks_stop_guard::incident::{HttpSink, Sink as _};
use serde_json::Value;
use simulator::corpus::{Hostile, corpus};
use simulator::receivers::{Opsgenie, PagerDuty, Sentinel, Service, ServiceNow, Slack, Teams};
use simulator::rendered::{self, Shown};

use crate::mailbox::Mailbox;
use crate::over_http::OverHttp;
use crate::sinks::{ARM_TOKEN, InProcess, Taker, WORKSPACE, logs_ingestion, messages, now, sink};

/// The field's name, and how a text gets there.
type Field = (&'static str, fn(&mut Incident, &str));

/// Every text of an incident. Its id and its links' addresses are the guard's own work: digests, and parsed ids.
const FIELDS: [Field; 17] = [
    ("title", |incident, text| incident.title = text.to_owned()),
    ("status", |incident, text| incident.clusters.iter_mut().for_each(|one| one.status = text.to_owned())),
    ("caller's name", |incident, text| caller(incident).name = Some(text.to_owned())),
    ("caller's upn", |incident, text| caller(incident).upn = Some(text.to_owned())),
    ("caller's object id", |incident, text| caller(incident).object_id = Some(text.to_owned())),
    ("caller's app id", |incident, text| caller(incident).app_id = Some(text.to_owned())),
    ("caller's tenant", |incident, text| caller(incident).tenant = Some(text.to_owned())),
    ("caller's identity", |incident, text| caller(incident).identity_resource = Some(text.to_owned())),
    ("correlation id", |incident, text| incident.correlation_id = Some(text.to_owned())),
    ("verdict", |incident, text| incident.verdict = Some(text.to_owned())),
    ("policies", |incident, text| incident.policies = vec![text.to_owned(), text.to_owned()]),
    ("mode", |incident, text| incident.mode = text.to_owned()),
    ("done", |incident, text| incident.done = vec![text.to_owned(), text.to_owned()]),
    ("next", |incident, text| incident.next = vec![text.to_owned(), text.to_owned()]),
    ("warnings", |incident, text| incident.warnings = vec![text.to_owned(), text.to_owned()]),
    ("links' labels", |incident, text| {
        incident.links.iter_mut().for_each(|link| link.label = text.to_owned())
    }),
    ("timeline", |incident, text| incident.timeline.iter_mut().for_each(|line| line.text = text.to_owned())),
];

/// Those that are tried in each field alone.
const ALONE: [&str; 10] = [
    "slack here",
    "slack link",
    "markdown link",
    "markdown image",
    "https with a path",
    "remote image",
    "servicenow code",
    "header and body",
    "right to left override",
    "json",
];

fn caller(incident: &mut Incident) -> &mut Caller {
    incident.caller.get_or_insert_with(Caller::unknown)
}

/// All messages of an incident whose fields hold this text.
fn filled(fields: &[Field], of: Sample, text: &str) -> [Incident; 3] {
    messages(of).map(|mut incident| {
        fields.iter().for_each(|(_, put)| put(&mut incident, text));
        incident
    })
}

/// A text of letters alone that is as long in characters and in bytes, so that the same is cut.
fn harmless_twin(text: &str) -> String {
    let letter = |c: char| match c.len_utf8() {
        1 => 'x',
        2 => 'é',
        3 => '한',
        _ => '𠀀',
    };
    text.chars().map(letter).collect()
}

/// A sink, its receiver, and how the receiver shows what it got.
struct Judge<S> {
    sink: HttpSink,
    receiver: Arc<InProcess<S>>,
    make: fn() -> S,
    reading: fn(&Value) -> Shown,
}

impl<S: Service> Judge<S> {
    fn new(name: &str, settings: &[(&str, &str)], make: fn() -> S, reading: fn(&Value) -> Shown) -> Self {
        let receiver = InProcess::new(make());
        let sink = sink(name, settings, "http://127.0.0.1", receiver.clone());
        Self { sink, receiver, make, reading }
    }

    /// What people would be shown of these messages, and the rules that they broke.
    async fn shown(&self, messages: &[Incident]) -> (Vec<Shown>, Vec<String>) {
        self.receiver.renew((self.make)());
        let mut broken = Vec::new();
        for message in messages {
            if let Err(error) = self.sink.deliver(message, now()).await {
                broken.push(error.to_string());
            }
        }
        let desk = self.receiver.desk();
        let told = desk.exchanges().iter().filter(|exchange| !exchange.body.is_null());
        let shown = told.map(|exchange| (self.reading)(&exchange.body)).collect();
        broken.extend(desk.violations());
        (shown, broken)
    }

    /// Finds for one text in these fields.
    async fn findings(&self, fields: &[Field], of: Sample, hostile: &Hostile) -> Vec<String> {
        let (harmless, _) = self.shown(&filled(fields, of, &harmless_twin(&hostile.text))).await;
        let (shown, mut found) = self.shown(&filled(fields, of, &hostile.text)).await;
        if shown.len() != harmless.len() {
            found.push(format!("{} requests instead of {}", shown.len(), harmless.len()));
        }
        for (one, other) in shown.iter().zip(&harmless) {
            found.extend(one.beyond(other));
        }
        found.into_iter().map(|finding| format!("{}: {finding}", hostile.name)).collect()
    }

    /// Every text in all fields at once, and some in each alone.
    async fn judge(&self) {
        let mut found = Vec::new();
        for hostile in corpus() {
            for of in [Sample::Stop, Sample::Storm] {
                found.extend(self.findings(&FIELDS, of, &hostile).await);
            }
            if ALONE.contains(&hostile.name) {
                for field in FIELDS {
                    let alone = self.findings(&[field], Sample::Stop, &hostile).await;
                    found.extend(alone.into_iter().map(|finding| format!("{}: {finding}", field.0)));
                }
            }
        }
        found.dedup();
        assert!(found.is_empty(), "{}: {} findings\n{}", self.sink.name(), found.len(), found.join("\n"));
    }
}

#[tokio::test]
async fn alertmanager_shows_texts_as_texts() {
    let settings = [("STOP_GUARD_ALERTMANAGER_URL", "http://127.0.0.1")];
    Judge::new("alertmanager", &settings, || Taker, rendered::alertmanager).judge().await;
}

#[tokio::test]
async fn pagerduty_shows_texts_as_texts() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let settings = [("STOP_GUARD_PAGERDUTY_KEY", KEY)];
    Judge::new("pagerduty", &settings, || PagerDuty::new(KEY), rendered::pagerduty).judge().await;
}

#[tokio::test]
async fn opsgenie_shows_texts_as_texts() {
    let settings = [("STOP_GUARD_OPSGENIE_KEY", "k3y")];
    Judge::new("opsgenie", &settings, || Opsgenie::new("k3y"), rendered::opsgenie).judge().await;
}

#[tokio::test]
async fn servicenow_shows_texts_as_texts() {
    let settings = [
        ("STOP_GUARD_SERVICENOW_URL", "https://x.service-now.com"),
        ("STOP_GUARD_SERVICENOW_USER", "guard"),
        ("STOP_GUARD_SERVICENOW_PASSWORD", "pass"),
    ];
    Judge::new("servicenow", &settings, || ServiceNow::new("guard:pass"), rendered::servicenow).judge().await;
}

#[tokio::test]
async fn rows_of_sentinel_show_texts_as_texts() {
    let settings =
        [("STOP_GUARD_SENTINEL_ENDPOINT", "http://127.0.0.1"), ("STOP_GUARD_SENTINEL_RULE", "dcr-0")];
    Judge::new("sentinel", &settings, logs_ingestion, rendered::sentinel_row).judge().await;
}

#[tokio::test]
async fn incidents_of_sentinel_show_texts_as_texts() {
    let settings = [("STOP_GUARD_SENTINEL_WORKSPACE", WORKSPACE)];
    let make = || Sentinel::new(WORKSPACE, ARM_TOKEN);
    Judge::new("sentinel-incident", &settings, make, rendered::sentinel_incident).judge().await;
}

#[tokio::test]
async fn slack_shows_texts_as_texts() {
    let settings = [("STOP_GUARD_SLACK_URL", "https://hooks.example/services/T0/B0/T0K3N")];
    Judge::new("slack", &settings, || Slack::new("/services/T0/B0/T0K3N"), rendered::slack).judge().await;
}

#[tokio::test]
async fn teams_shows_texts_as_texts() {
    let settings = [("STOP_GUARD_TEAMS_URL", "https://flow.example/invoke?sig=T0K3N")];
    Judge::new("teams", &settings, || Teams::new("/invoke?sig=T0K3N"), rendered::teams).judge().await;
}

#[tokio::test]
async fn a_program_behind_the_webhook_reads_texts_as_texts() {
    let settings = [("STOP_GUARD_WEBHOOK_URL", "https://hooks.example/T0K3N")];
    Judge::new("webhook", &settings, || Taker, rendered::program).judge().await;
}

#[tokio::test]
async fn a_mail_shows_texts_as_texts() {
    let mut mailbox = Mailbox::open().await;
    let url = mailbox.url();
    let settings = [
        ("STOP_GUARD_SMTP_URL", url.as_str()),
        ("STOP_GUARD_EMAIL_FROM", "guard@contoso.com"),
        ("STOP_GUARD_EMAIL_TO", "soc@contoso.com"),
    ];
    let email = sink("email", &settings, "", OverHttp::new());
    let mut found = Vec::new();
    for hostile in corpus() {
        let mut read = Vec::new();
        for text in [&harmless_twin(&hostile.text), &hostile.text] {
            let [_, updated, _] = filled(&FIELDS, Sample::Stop, text);
            let told = email.deliver(&updated, now()).await;
            told.unwrap_or_else(|error| panic!("{}: {error}", hostile.name));
            read.push(mailbox.letter().await);
        }
        let [harmless, letter] = read.try_into().unwrap();
        let (harmless, shown) = (rendered::mail(&harmless.mail), rendered::mail(&letter.mail));
        found.extend(
            shown.beyond(&harmless).into_iter().map(|finding| format!("{}: {finding}", hostile.name)),
        );
        found.extend(letter.defects);
        assert_eq!(letter.to, ["soc@contoso.com"], "{}", hostile.name);
    }
    assert!(found.is_empty(), "{} findings\n{}", found.len(), found.join("\n"));
}
