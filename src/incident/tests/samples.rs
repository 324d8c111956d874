//! Incidents that the sink's tests deliver.

use jiff::Timestamp;

use crate::domain::incident::{Affected, TimelineEntry};
use crate::domain::{Caller, CallerKind, ClusterId, Incident, IncidentState, Severity};

pub(in crate::incident) const SUB: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

pub(in crate::incident) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub(in crate::incident) fn now() -> Timestamp {
    at("2026-09-14T18:10:00Z")
}

pub(in crate::incident) fn cluster(name: &str) -> ClusterId {
    ClusterId::parse(&format!(
        "/subscriptions/{SUB}/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/{name}"
    ))
    .unwrap()
}

pub(in crate::incident) fn affected(name: &str, status: &str) -> Affected {
    Affected { id: cluster(name), status: status.to_owned() }
}

pub(in crate::incident) fn dana() -> Caller {
    Caller {
        kind: CallerKind::User,
        object_id: Some("11112222-bbbb-3333-cccc-4444dddd5555".to_owned()),
        app_id: Some("04b07795-8ddb-461a-bbee-02f9e1bf7b46".to_owned()),
        upn: Some("dana@contoso.com".to_owned()),
        name: Some("Dana Example".to_owned()),
        mfa: Some(true),
        ip: Some("203.0.113.24".parse().unwrap()),
        ..Caller::unknown()
    }
}

pub(in crate::incident) fn opened() -> Incident {
    Incident {
        id: "0123456789abcdef0123456789abcdef-1789409100".to_owned(),
        state: IncidentState::Opened,
        sequence: 0,
        severity: Severity::High,
        title: "aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it"
            .to_owned(),
        opened_at: at("2026-09-14T18:05:00Z"),
        at: at("2026-09-14T18:05:00Z"),
        clusters: vec![affected("aks-prod-01", "restarting")],
        cluster_count: 1,
        caller: Some(dana()),
        stopped_at: Some(at("2026-09-14T18:04:29.1732057Z")),
        correlation_id: Some("dd2135d9-9a79-4a78-ad1a-ae540fdf44e7".to_owned()),
        verdict: Some("unauthorised".to_owned()),
        policies: vec!["restart".to_owned()],
        mode: "act".to_owned(),
        done: vec!["Asked ARM to start the cluster (attempt 1).".to_owned()],
        next: vec![],
        warnings: Vec::new(),
        links: Vec::new(),
        timeline: vec![TimelineEntry { at: at("2026-09-14T18:04:29Z"), text: "Stopped.".to_owned() }],
    }
}

pub(in crate::incident) fn resolved() -> Incident {
    let mut incident = opened();
    incident.state = IncidentState::Resolved;
    incident.sequence = 2;
    incident.at = at("2026-09-14T18:09:30Z");
    incident.clusters = vec![affected("aks-prod-01", "restored")];
    incident.done.push("Verified that the cluster runs.".to_owned());
    incident
}

pub(in crate::incident) fn storm() -> Incident {
    let mut incident = opened();
    incident.id = format!("storm-{SUB}-2026-09-14T18");
    incident.state = IncidentState::Updated;
    incident.sequence = 1;
    incident.severity = Severity::Critical;
    incident.title = "12 clusters were stopped without permission within an hour".to_owned();
    incident.clusters = vec![affected("aks-a", "restored"), affected("aks-b", "held: a hold covers it")];
    incident.cluster_count = 12;
    incident.policies = vec!["restart".to_owned(), "storm".to_owned()];
    incident.next = vec!["Find out whether dana@contoso.com still controls the account.".to_owned()];
    incident
}

pub(in crate::incident) fn degraded() -> Incident {
    let mut incident = opened();
    incident.id = "degraded-policies".to_owned();
    incident.title = "the guard starts nothing: its policies are broken".to_owned();
    incident.clusters.clear();
    incident.cluster_count = 0;
    incident.caller = None;
    incident.stopped_at = None;
    incident.correlation_id = None;
    incident.verdict = None;
    incident.policies.clear();
    incident
}
