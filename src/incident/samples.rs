//! Incidents that never happened: every sink is tried out on them, and people see by them what a sink would say.

use jiff::{SignedDuration, Timestamp};

use crate::domain::incident::{AFFECTED_MAX, Affected, Link, TimelineEntry};
use crate::domain::{Caller, CallerKind, ClusterId, Incident, IncidentState, Severity};

/// What all samples' titles begin with.
const MARK: &str = "[sample] ";
/// What the titles of incidents begin with that are really sent.
const TEST: &str = "[test] ";
/// When the samples' clusters were stopped.
const STOPPED_AT: Timestamp = Timestamp::constant(1_789_409_069, 173_205_700);
/// Azure's documentation uses this subscription in examples.
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
/// Clusters of the storm.
const STORM_CLUSTERS: usize = 12;
/// Clusters of the largest sample: as many as an incident lists.
const LARGE: usize = AFFECTED_MAX;
/// Entries of its other lists: enough for every receiver's limit.
const LONG: usize = 60;
/// Characters of its texts: more than any text of a message has.
const WIDE: usize = 400;

/// What a sample is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// One cluster that somebody stopped.
    Stop,
    /// Many clusters at once.
    Storm,
    /// The guard itself needs people.
    Guard,
}

/// Where samples' states lead, in order.
pub const STATES: [IncidentState; 3] =
    [IncidentState::Opened, IncidentState::Updated, IncidentState::Resolved];

/// A sample. All states of one sample are of one incident.
pub fn sample(sample: Sample, state: IncidentState) -> Incident {
    let mut incident = match sample {
        Sample::Stop => stop(),
        Sample::Storm => storm(),
        Sample::Guard => guard(),
    };
    incident.state = state;
    match state {
        IncidentState::Opened => {}
        IncidentState::Updated => {
            incident.sequence = 1;
            incident.at = incident.opened_at + SignedDuration::from_mins(15);
            incident
                .timeline
                .push(line(incident.at, "Azure has no capacity for the nodes; the guard tries again."));
        }
        IncidentState::Resolved => {
            incident.sequence = 2;
            incident.at = incident.opened_at + SignedDuration::from_mins(22);
            incident.next.clear();
            incident.done.push("Verified that it runs.".to_owned());
            incident.timeline.push(line(incident.at, "It runs again."));
            for one in &mut incident.clusters {
                one.status = "restored".to_owned();
            }
        }
    }
    incident
}

/// An incident for trying a sink out for real: marked as a test, under an id of its own, begun at `started` and told at `now`.
pub fn rehearsal(state: IncidentState, started: Timestamp, now: Timestamp) -> Incident {
    let over = state == IncidentState::Resolved;
    let mut incident = sample(Sample::Stop, state);
    incident.id = format!("test-{}", started.as_millisecond());
    incident.sequence = u32::from(over);
    incident.title = match over {
        false => format!(
            "{TEST}aks-stop-guard tries this sink out: nothing was stopped, nobody has to do anything"
        ),
        true => format!("{TEST}aks-stop-guard has tried this sink out: it works"),
    };
    (incident.opened_at, incident.at, incident.stopped_at) = (started, now, Some(started));
    incident.next =
        if over { Vec::new() } else { vec!["Nothing: this is a test, and it resolves itself.".to_owned()] };
    incident.timeline = vec![line(started, "A test began.")];
    incident.timeline.extend(over.then(|| line(now, "The test ended.")));
    incident
}

/// Every sample, the smallest and the largest incident that there can be, with the states to try each in. One after another: all together
/// are megabytes.
pub(super) fn all() -> impl Iterator<Item = (Incident, Vec<IncidentState>)> {
    let common = STATES.into_iter().flat_map(|state| {
        let samples = [Sample::Stop, Sample::Storm, Sample::Guard].map(|one| sample(one, state));
        let severe = Severity::ALL.map(|severity| Incident { severity, ..sample(Sample::Stop, state) });
        samples.into_iter().chain(severe).map(move |incident| (incident, vec![state]))
    });
    common.chain([smallest, largest].into_iter().map(|edge| (edge(), STATES.to_vec())))
}

fn stop() -> Incident {
    let opened_at = STOPPED_AT + SignedDuration::from_secs(31);
    Incident {
        id: "sample-stop".to_owned(),
        state: IncidentState::Opened,
        sequence: 0,
        severity: Severity::High,
        title: format!(
            "{MARK}aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it"
        ),
        opened_at,
        at: opened_at,
        clusters: cluster("aks-prod-01", "restarting").into_iter().collect(),
        cluster_count: 1,
        caller: Some(dana()),
        stopped_at: Some(STOPPED_AT),
        correlation_id: Some("dd2135d9-9a79-4a78-ad1a-ae540fdf44e7".to_owned()),
        verdict: Some("unauthorised".to_owned()),
        policies: vec!["restart".to_owned()],
        mode: "act".to_owned(),
        done: vec!["Asked ARM to start the cluster (attempt 1).".to_owned()],
        next: vec!["Ask dana@contoso.com whether the stop was meant.".to_owned()],
        warnings: vec!["Pods that no controller owns are lost.".to_owned()],
        links: vec![Link {
            label: "The cluster in the portal".to_owned(),
            url: format!("https://portal.azure.com/#resource{}", path("aks-prod-01")),
        }],
        timeline: vec![line(STOPPED_AT, "Stopped."), line(opened_at, "Start requested (attempt 1).")],
    }
}

fn storm() -> Incident {
    Incident {
        id: "sample-storm".to_owned(),
        severity: Severity::Critical,
        title: format!("{MARK}{STORM_CLUSTERS} clusters were stopped without permission within an hour"),
        clusters: (1..=STORM_CLUSTERS)
            .filter_map(|i| cluster(&format!("aks-{i:02}"), "restarting"))
            .collect(),
        cluster_count: STORM_CLUSTERS,
        policies: vec!["restart".to_owned(), "storm".to_owned()],
        next: vec!["Find out whether dana@contoso.com still controls the account.".to_owned()],
        ..stop()
    }
}

fn guard() -> Incident {
    Incident {
        id: "sample-guard".to_owned(),
        severity: Severity::Critical,
        title: format!("{MARK}the guard starts nothing: its policies are broken"),
        clusters: Vec::new(),
        cluster_count: 0,
        caller: None,
        stopped_at: None,
        correlation_id: None,
        verdict: None,
        policies: Vec::new(),
        done: Vec::new(),
        next: vec!["Mend policies/default.cedar, line 12: no such action.".to_owned()],
        warnings: Vec::new(),
        links: Vec::new(),
        ..stop()
    }
}

/// An incident of which nothing is known.
fn smallest() -> Incident {
    Incident {
        id: "sample-smallest".to_owned(),
        timeline: Vec::new(),
        next: Vec::new(),
        mode: String::new(),
        ..guard()
    }
}

/// An incident with everything at its limit, in characters of four bytes.
fn largest() -> Incident {
    let wide = "\u{1F525}".repeat(WIDE);
    let list = || vec![wide.clone(); LONG];
    let caller = Caller {
        kind: CallerKind::ManagedIdentity,
        object_id: Some(wide.clone()),
        app_id: Some(wide.clone()),
        upn: Some(wide.clone()),
        name: Some(wide.clone()),
        tenant: Some(wide.clone()),
        identity_resource: Some(wide.clone()),
        ..dana()
    };
    Incident {
        id: wide.clone(),
        sequence: u32::MAX,
        title: wide.clone(),
        clusters: (0..LARGE)
            .filter_map(|i| cluster(&format!("aks-{i:03}-{}", "x".repeat(55)), &wide))
            .collect(),
        cluster_count: usize::MAX,
        caller: Some(caller),
        correlation_id: Some(wide.clone()),
        verdict: Some(wide.clone()),
        policies: list(),
        mode: wide.clone(),
        done: list(),
        next: list(),
        warnings: list(),
        timeline: (0..LONG).map(|_| line(STOPPED_AT, &wide)).collect(),
        ..stop()
    }
}

fn dana() -> Caller {
    Caller {
        kind: CallerKind::User,
        object_id: Some("11112222-bbbb-3333-cccc-4444dddd5555".to_owned()),
        app_id: Some("04b07795-8ddb-461a-bbee-02f9e1bf7b46".to_owned()),
        upn: Some("dana@contoso.com".to_owned()),
        name: Some("Dana Example".to_owned()),
        mfa: Some(true),
        ip: Some(std::net::IpAddr::from([203, 0, 113, 24])),
        ..Caller::unknown()
    }
}

fn path(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/{name}"
    )
}

fn cluster(name: &str, status: &str) -> Option<Affected> {
    Some(Affected { id: ClusterId::parse(&path(name)).ok()?, status: status.to_owned() })
}

fn line(at: Timestamp, text: &str) -> TimelineEntry {
    TimelineEntry { at, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_the_clusters_that_they_speak_of() {
        assert_eq!(stop().clusters.len(), 1);
        assert_eq!(storm().clusters.len(), STORM_CLUSTERS);
        assert_eq!(largest().clusters.len(), LARGE);
    }

    #[test]
    fn all_states_of_a_sample_are_of_one_incident() {
        for kind in [Sample::Stop, Sample::Storm, Sample::Guard] {
            let [opened, updated, resolved] = STATES.map(|state| sample(kind, state));
            assert!(opened.id == updated.id && updated.id == resolved.id);
            assert!(opened.sequence < updated.sequence && updated.sequence < resolved.sequence);
            assert!(opened.title.starts_with(MARK));
        }
    }
}
