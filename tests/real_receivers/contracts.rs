//! Every shipped sink against its service's contract, over real connections: opened, repeated, updated and resolved without a broken rule,
//! and what services say when they won't is understood.

use std::time::Duration;

use aks_stop_guard::incident::samples::Sample;
use aks_stop_guard::incident::{Delivered, DeliveryError, HttpSink, Sink as _};
use simulator::receivers::{
    Answer, Fault, Opsgenie, PagerDuty, Sentinel, Served, Service, ServiceNow, Slack, Teams, teams,
};

use crate::over_http::OverHttp;
use crate::sinks::{ARM_TOKEN, WORKSPACE, logs_ingestion, messages, names, now, sink};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SLACK_PATH: &str = "/services/T0/B0/T0K3N";
const TEAMS_PATH: &str = "/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sig=T0K3N";

/// A sink's name, the setting with its service's address, and its other settings.
type Setup = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const OPSGENIE: Setup = ("opsgenie", "STOP_GUARD_OPSGENIE_URL", &[("STOP_GUARD_OPSGENIE_KEY", "k3y")]);
const SERVICENOW: Setup = (
    "servicenow",
    "STOP_GUARD_SERVICENOW_URL",
    &[("STOP_GUARD_SERVICENOW_USER", "guard"), ("STOP_GUARD_SERVICENOW_PASSWORD", "pass")],
);
const SENTINEL: Setup =
    ("sentinel", "STOP_GUARD_SENTINEL_ENDPOINT", &[("STOP_GUARD_SENTINEL_RULE", "dcr-0")]);
const SENTINEL_INCIDENT: Setup = ("sentinel-incident", "", &[("STOP_GUARD_SENTINEL_WORKSPACE", WORKSPACE)]);

fn at((name, address, others): Setup, url: &str) -> HttpSink {
    let settings: Vec<_> = others.iter().copied().chain([(address, url)]).collect();
    sink(name, &settings, url, OverHttp::new())
}

/// Delivers the opening, the opening again, the update and the end, of one cluster, of a storm and of a fault of the guard.
async fn live(sink: &HttpSink) {
    for of in [Sample::Stop, Sample::Storm, Sample::Guard] {
        let [opened, updated, resolved] = messages(of);
        for message in [&opened, &opened, &updated, &resolved] {
            sink.deliver(message, now()).await.unwrap_or_else(|error| panic!("{}: {error}", sink.name()));
        }
    }
}

async fn served<S: Service>(service: S) -> Served<S> {
    let served = Served::start(service).await.unwrap();
    served.desk().limit(None);
    served
}

fn pagerduty_at(url: &str) -> HttpSink {
    let settings = [("STOP_GUARD_PAGERDUTY_KEY", KEY), ("STOP_GUARD_PAGERDUTY_URL", url)];
    sink("pagerduty", &settings, "", OverHttp::new())
}

fn slack_at(url: &str) -> HttpSink {
    sink("slack", &[("STOP_GUARD_SLACK_URL", &format!("{url}{SLACK_PATH}"))], "", OverHttp::new())
}

fn teams_at(url: &str) -> HttpSink {
    sink("teams", &[("STOP_GUARD_TEAMS_URL", &format!("{url}{TEAMS_PATH}"))], "", OverHttp::new())
}

#[test]
fn every_shipped_sink_has_a_receiver_in_these_tests() {
    let here = [
        "alertmanager",
        "email",
        "opsgenie",
        "pagerduty",
        "sentinel",
        "sentinel-incident",
        "servicenow",
        "slack",
        "teams",
        "webhook",
    ];
    assert_eq!(names(), here);
}

#[tokio::test]
async fn pagerduty_has_one_alert_for_an_incident_and_resolves_it() {
    let service = served(PagerDuty::new(KEY)).await;
    live(&pagerduty_at(service.url())).await;
    let desk = service.desk();
    assert_eq!(desk.violations(), [""; 0]);
    let alerts: Vec<_> = desk.service.alerts().iter().map(|alert| (alert.open, alert.events.len())).collect();
    assert_eq!((alerts, desk.service.dropped()), (vec![(false, 4); 3], 0));
}

#[tokio::test]
async fn a_key_of_the_other_region_is_refused_for_good_with_the_reason() {
    let europe = served(PagerDuty::new("fedcba9876543210fedcba9876543210")).await;
    let [opened, ..] = messages(Sample::Stop);
    let error = pagerduty_at(europe.url()).deliver(&opened, now()).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::GiveUp { why } if why.contains("not known in this region")),
        "{error}"
    );
    assert!(!error.to_string().contains(KEY), "{error}");
}

#[tokio::test]
async fn slack_has_a_message_for_each_change() {
    let service = served(Slack::new(SLACK_PATH)).await;
    live(&slack_at(service.url())).await;
    assert_eq!(service.desk().violations(), [""; 0]);
    assert_eq!(service.desk().service.messages().len(), 12);
}

#[tokio::test]
async fn teams_has_a_card_for_each_change() {
    let service = served(Teams::new(TEAMS_PATH)).await;
    live(&teams_at(service.url())).await;
    assert_eq!(service.desk().violations(), [""; 0]);
    assert_eq!(service.desk().service.cards().len(), 12);
}

#[tokio::test]
async fn opsgenie_has_one_alert_with_a_note_for_each_change_and_closes_it() {
    let service = served(Opsgenie::new("k3y")).await;
    live(&at(OPSGENIE, service.url())).await;
    let desk = service.desk();
    assert_eq!(desk.violations(), [""; 0]);
    let alerts: Vec<_> =
        desk.service.alerts().iter().map(|alert| (alert.open, alert.count, alert.notes.len())).collect();
    assert_eq!(alerts, [(false, 2, 2); 3]);
}

#[tokio::test]
async fn servicenow_has_one_incident_that_is_noted_on_and_resolved() {
    let service = served(ServiceNow::new("guard:pass")).await;
    live(&at(SERVICENOW, service.url())).await;
    let desk = service.desk();
    assert_eq!(desk.violations(), [""; 0]);
    let states: Vec<_> =
        desk.service.records().iter().map(|record| (record.active(), record.text("state"))).collect();
    assert_eq!(states, [(false, "6"); 3]);
    assert!(desk.service.records().iter().all(|record| record.journal.len() >= 2));
}

#[tokio::test]
async fn sentinel_gets_a_row_of_its_table_for_each_change() {
    let service = served(logs_ingestion()).await;
    live(&at(SENTINEL, service.url())).await;
    let desk = service.desk();
    assert_eq!(desk.violations(), [""; 0]);
    assert_eq!(desk.service.rows().len(), 12);
}

#[tokio::test]
async fn an_incident_of_sentinel_is_commented_on_and_closed_and_keeps_what_people_set() {
    let service = served(Sentinel::new(WORKSPACE, ARM_TOKEN)).await;
    live(&at(SENTINEL_INCIDENT, service.url())).await;
    let desk = service.desk();
    assert_eq!(desk.violations(), [""; 0]);
    let incidents: Vec<_> = desk
        .service
        .incidents()
        .values()
        .map(|incident| (incident.open(), incident.comments.len()))
        .collect();
    assert_eq!(incidents, [(false, 2); 3]);
}

/// What a service that is not well says to a message, and then takes it: nothing is lost, and nothing counts as told before.
async fn recovers<S: Service>(service: &Served<S>, sink: &HttpSink) {
    let [opened, ..] = messages(Sample::Stop);
    let down = || Answer::text(503, "down");
    let late = down().with("retry-after", "90".to_owned());
    let faults = [
        (Fault::Throttled(7), Some(Duration::from_secs(7))),
        (Fault::Answer(late), Some(Duration::from_secs(90))),
        (Fault::Answer(down()), None),
        (Fault::Answer(Answer::text(500, "rollup_error")), None),
        (Fault::Cut, None),
    ];
    for (fault, wait) in faults {
        service.desk().meet([fault.clone()]);
        match sink.deliver(&opened, now()).await {
            Err(DeliveryError::Retry { after, .. }) => assert_eq!(after, wait, "{fault:?}"),
            other => panic!("{}: {fault:?}: {other:?}", sink.name()),
        }
    }
    service.desk().meet([Fault::Slow(Duration::from_millis(50))]);
    sink.deliver(&opened, now()).await.unwrap();
    assert_eq!(service.desk().violations(), [""; 0]);
}

#[tokio::test]
async fn a_service_that_is_throttled_down_or_cut_off_is_tried_again_when_it_says() {
    let pagerduty = served(PagerDuty::new(KEY)).await;
    recovers(&pagerduty, &pagerduty_at(pagerduty.url())).await;
    // The one whose answer was cut off had the message, and had it once.
    assert_eq!(pagerduty.desk().service.alerts().len(), 1);
    let slack = served(Slack::new(SLACK_PATH)).await;
    recovers(&slack, &slack_at(slack.url())).await;
    let teams = served(Teams::new(TEAMS_PATH)).await;
    recovers(&teams, &teams_at(teams.url())).await;
    let opsgenie = served(Opsgenie::new("k3y")).await;
    recovers(&opsgenie, &at(OPSGENIE, opsgenie.url())).await;
    let servicenow = served(ServiceNow::new("guard:pass")).await;
    recovers(&servicenow, &at(SERVICENOW, servicenow.url())).await;
    assert_eq!(servicenow.desk().service.records().len(), 1);
    let sentinel = served(logs_ingestion()).await;
    recovers(&sentinel, &at(SENTINEL, sentinel.url())).await;
    let incidents = served(Sentinel::new(WORKSPACE, ARM_TOKEN)).await;
    recovers(&incidents, &at(SENTINEL_INCIDENT, incidents.url())).await;
    assert_eq!(incidents.desk().service.incidents().len(), 1);
}

#[tokio::test]
async fn a_failure_inside_a_success_is_not_taken_for_one() {
    let [opened, ..] = messages(Sample::Stop);
    let teams_service = served(Teams::new(TEAMS_PATH)).await;
    let slack_service = served(Slack::new(SLACK_PATH)).await;
    teams_service.desk().meet([Fault::Answer(teams::failed_inside_a_success(429))]);
    slack_service.desk().meet([Fault::Answer(Answer::text(200, "invalid_payload"))]);
    for sink in [teams_at(teams_service.url()), slack_at(slack_service.url())] {
        let error = sink.deliver(&opened, now()).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { .. }), "{error}");
        let told = sink.deliver(&opened, now()).await;
        assert!(matches!(told, Ok(Delivered { status: 200 | 202, .. })), "{told:?}");
    }
}

#[tokio::test]
async fn a_channel_that_is_archived_or_a_workflow_without_an_owner_is_said_without_its_address() {
    let [opened, ..] = messages(Sample::Stop);
    let slack_service = served(Slack::new(SLACK_PATH)).await;
    slack_service.desk().service.archive();
    let teams_service = served(Teams::new(TEAMS_PATH)).await;
    teams_service.desk().service.disable();
    for sink in [slack_at(slack_service.url()), teams_at(teams_service.url())] {
        let error = sink.deliver(&opened, now()).await.unwrap_err().to_string();
        assert!(!error.contains("T0K3N") && !error.contains("127.0.0.1"), "{error}");
        assert!(error.contains(sink.name()), "{error}");
    }
}
