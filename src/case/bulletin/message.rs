//! What a bulletin says.

use super::super::mode::Mode;
use super::super::report::{self, commands};
use super::{OWN_INCIDENT, OpenBulletin, Row, Teller};
use crate::domain::incident::{AFFECTED_MAX, Affected};
use crate::domain::text::clean;
use crate::domain::{Caller, Hold, Incident, IncidentState, Link, Scope, Severity, SubscriptionId};

/// Of the callers that a storm knows, how many its title names.
const CALLERS_NAMED: usize = 3;
/// Of the clusters that are down, how many have their own link and command.
const CLUSTERS_NAMED: usize = 3;
/// Faults that one message tells. The first ones are enough to begin with.
const FAULTS_TOLD: usize = 10;
/// Longest fault in a message, in characters.
const FAULT_CHARS_MAX: usize = 300;

/// About a storm: which clusters, by whom, and where they stand.
pub(super) fn storm(
    open: &OpenBulletin,
    subscription: &SubscriptionId,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let who = callers(&open.callers);
    let count = open.rows.len();
    let held: Vec<&Row> = open.rows.values().filter(|row| row.status.starts_with("held")).collect();
    let clusters = if count == 1 { "1 cluster".to_owned() } else { format!("{count} clusters") };
    let stopped = format!("{clusters} of subscription {subscription} stopped by {who} without permission");
    let title = match (state, teller.mode) {
        (IncidentState::Resolved, _) => format!("storm over: {stopped}, none is left to settle"),
        (IncidentState::Opened | IncidentState::Updated, Mode::Act) => {
            format!("storm: {stopped}; the guard restarts what it may")
        }
        (IncidentState::Opened | IncidentState::Updated, mode @ (Mode::DryRun | Mode::Notify)) => {
            format!("storm: {stopped}; the guard is in mode {mode} and starts nothing")
        }
    };
    let next = match state {
        IncidentState::Resolved => {
            vec![
                "Check what ran there: pods that no controller owns don't come back after a stop.".to_owned(),
            ]
        }
        IncidentState::Opened | IncidentState::Updated => during_a_storm(open, subscription, held.len()),
    };
    Incident {
        id: open.id.clone(),
        state,
        sequence,
        severity: Severity::Critical,
        title,
        opened_at: open.opened_at,
        at: teller.now,
        clusters: open
            .rows
            .values()
            .take(AFFECTED_MAX)
            .map(|row| Affected { id: row.id.clone(), status: row.status.clone() })
            .collect(),
        cluster_count: count,
        caller: open.callers.first().cloned(),
        stopped_at: None,
        correlation_id: None,
        verdict: Some("unauthorised".to_owned()),
        policies: open.policies.clone(),
        mode: teller.mode.to_string(),
        done: vec![done(open)],
        next,
        warnings: Vec::new(),
        links: teller.portal.map(|portal| portal.subscription_log(subscription)).into_iter().collect(),
        timeline: open.timeline.clone(),
    }
}

fn during_a_storm(open: &OpenBulletin, subscription: &SubscriptionId, held: usize) -> Vec<String> {
    let mut next = vec!["Take the callers' rights or sessions away if this is an attack.".to_owned()];
    if held > 0 {
        next.push(format!("Decide about those that wait for people ({held}): see their status."));
    }
    next.extend(open.callers.iter().take(CALLERS_NAMED).filter_map(|caller| {
        let command = commands::roles_of(caller.identity()?, subscription)?;
        Some(format!("What {} may do there: {command}.", report::who(caller)))
    }));
    next.push(format!(
        "If the stops are meant, keep the guard from starting anything there: `aks-stop-guard hold add --subscription {subscription} \
         --until <time> --reason <why>`."
    ));
    next
}

/// How far it is. Of the clusters that have incidents of their own those tell it.
fn done(open: &OpenBulletin) -> String {
    let (own, told): (Vec<&Row>, Vec<&Row>) = open.rows.values().partition(|row| row.status == OWN_INCIDENT);
    let ended = told.iter().filter(|row| row.ended).count();
    let done = format!("{ended} of {} clusters are settled", told.len());
    match own.len() {
        0 => format!("{done}."),
        own => format!("{done}; {own} more have incidents of their own."),
    }
}

/// The first callers by name, and how many more there are.
fn callers(callers: &[Caller]) -> String {
    let named: Vec<String> = callers.iter().take(CALLERS_NAMED).map(report::who).collect();
    match (named.is_empty(), callers.len().saturating_sub(CALLERS_NAMED)) {
        (true, _) => "unknown callers".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// About the guard itself.
pub(super) fn degraded(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let title = match state {
        IncidentState::Resolved => "the guard works again".to_owned(),
        IncidentState::Opened | IncidentState::Updated => {
            "the guard is broken: it records stops, but decides nothing and starts nothing".to_owned()
        }
    };
    let next = match state {
        IncidentState::Resolved => Vec::new(),
        IncidentState::Opened | IncidentState::Updated => {
            let mut next = faults(open, "Mend");
            next.push("Check with `aks-stop-guard check`, then deploy again.".to_owned());
            next
        }
    };
    about_the_guard(open, state, sequence, teller, title, next)
}

/// A line for each of the first faults.
fn faults(open: &OpenBulletin, what: &str) -> Vec<String> {
    let told = open.faults.iter().take(FAULTS_TOLD);
    let mut lines: Vec<String> =
        told.map(|fault| format!("{what}: {}", clean(fault, FAULT_CHARS_MAX))).collect();
    let more = open.faults.len().saturating_sub(FAULTS_TOLD);
    if more > 0 {
        lines.push(format!("{more} more are not listed here: the guard's log has them all."));
    }
    lines
}

/// About records that end the guard's sweeps.
pub(super) fn quarantine(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let (title, next) = match state {
        IncidentState::Resolved => ("no record ends the guard's sweeps any more".to_owned(), Vec::new()),
        IncidentState::Opened | IncidentState::Updated => {
            let count = open.faults.len();
            let title = if count == 1 {
                "1 cluster is not guarded: work on its record ends the guard's sweeps".to_owned()
            } else {
                format!("{count} clusters are not guarded: work on their records ends the guard's sweeps")
            };
            (title, faults(open, "Look into it"))
        }
    };
    about_the_guard(open, state, sequence, teller, title, next)
}

/// About discovery, when it fails for long.
pub(super) fn discovery(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let (title, next) = match state {
        IncidentState::Resolved => ("discovery works again".to_owned(), Vec::new()),
        IncidentState::Opened | IncidentState::Updated => {
            ("discovery fails: a stop whose event gets lost is not noticed".to_owned(), faults(open, "Mend"))
        }
    };
    let incident = about_the_guard(open, state, sequence, teller, title, next);
    Incident {
        severity: Severity::High,
        done: vec!["Stops whose events come are decided as always.".to_owned()],
        ..incident
    }
}

/// About clusters that are down, and nobody can say that they may be.
pub(super) fn unexplained(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let rows: Vec<&Row> = open.rows.values().filter(|row| !row.ended).collect();
    let down = rows.len();
    let (title, next) = match state {
        IncidentState::Resolved => ("no cluster is down unexplained any more".to_owned(), Vec::new()),
        IncidentState::Opened | IncidentState::Updated => (
            match down {
                1 => "1 cluster is down, and nobody can say that it may be; the guard doesn't start it"
                    .to_owned(),
                count => format!(
                    "{count} clusters are down, and nobody can say that they may be; the guard starts none of them"
                ),
            },
            [
                "Find out who stopped them and why: their status says what is known.".to_owned(),
                "Start those that must run, by hand. What runs or is gone leaves this incident.".to_owned(),
            ]
            .into_iter()
            .chain(start_them(&rows))
            .collect(),
        ),
    };
    let links = pages(&rows, teller);
    Incident { links, ..about_clusters(open, state, sequence, teller, Severity::High, title, next) }
}

/// About incidents that came too many at once: those that are not settled first.
pub(super) fn group(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let (ended, unsettled): (Vec<&Row>, Vec<&Row>) = open.rows.values().partition(|row| row.ended);
    let held = unsettled.iter().filter(|row| row.status.starts_with("held")).count();
    let all = open.rows.len() + open.dropped;
    let who = callers(&open.callers);
    let incidents = if all == 1 { "1 incident".to_owned() } else { format!("{all} incidents") };
    let title = match state {
        IncidentState::Resolved => format!("{incidents} in one, after stops by {who}: all are over"),
        IncidentState::Opened | IncidentState::Updated => {
            format!("{incidents} in one, after stops by {who}: too many at once to tell each by itself")
        }
    };
    let next = match (state, held) {
        (IncidentState::Resolved, _) => {
            vec![
                "Check what ran there: pods that no controller owns don't come back after a stop.".to_owned(),
            ]
        }
        (IncidentState::Opened | IncidentState::Updated, 0) => Vec::new(),
        (IncidentState::Opened | IncidentState::Updated, held) => {
            vec![format!("Decide about those that wait for people ({held}): see their status.")]
        }
    };
    let affected = unsettled.iter().chain(&ended);
    let affected = affected.map(|row| Affected { id: row.id.clone(), status: row.status.clone() });
    let clusters: Vec<Affected> = affected.take(AFFECTED_MAX).collect();
    let severity = open.severity.unwrap_or(Severity::High);
    let links = pages(&unsettled, teller);
    let incident = about_clusters(open, state, sequence, teller, severity, title, next);
    let over = ended.len() + open.dropped;
    Incident {
        clusters,
        cluster_count: all,
        links,
        done: vec![format!("{over} of {all} are over.")],
        ..incident
    }
}

/// About clusters that were down before the guard first looked.
pub(super) fn baseline(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let rows: Vec<&Row> = open.rows.values().collect();
    let title = match rows.len() {
        1 => "1 cluster was down when the guard first looked; it is left alone".to_owned(),
        count => format!("{count} clusters were down when the guard first looked; they are left alone"),
    };
    let mut next = vec!["Start those that must run, by hand: from then on they are guarded.".to_owned()];
    next.extend(start_them(&rows));
    let links = pages(&rows, teller);
    Incident { links, ..about_clusters(open, state, sequence, teller, Severity::Info, title, next) }
}

/// A line with a command for each of the first ones.
fn start_them<'a>(rows: &'a [&'a Row]) -> impl Iterator<Item = String> + 'a {
    rows.iter()
        .take(CLUSTERS_NAMED)
        .map(|row| format!("Start {}: {}.", row.id.name(), commands::start(&row.id)))
}

/// The pages of the first clusters, then the activity log of the subscription that the first one is in.
fn pages(rows: &[&Row], teller: Teller<'_>) -> Vec<Link> {
    let (Some(portal), Some(first)) = (teller.portal, rows.first()) else { return Vec::new() };
    let mut links: Vec<Link> = rows.iter().take(CLUSTERS_NAMED).map(|row| portal.cluster(&row.id)).collect();
    links.push(portal.subscription_log(first.id.subscription()));
    links
}

fn about_clusters(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
    severity: Severity,
    title: String,
    next: Vec<String>,
) -> Incident {
    let rows = open.rows.values();
    let affected = rows.map(|row| Affected { id: row.id.clone(), status: row.status.clone() });
    let clusters: Vec<Affected> = affected.take(AFFECTED_MAX).collect();
    let incident = about_the_guard(open, state, sequence, teller, title, next);
    Incident {
        severity,
        clusters,
        cluster_count: open.rows.len(),
        caller: open.callers.first().cloned(),
        done: vec!["Nothing was started.".to_owned()],
        timeline: open.timeline.clone(),
        ..incident
    }
}

/// About a hold: nothing is started there, or again.
pub(super) fn hold(
    open: &OpenBulletin,
    hold: &Hold,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
) -> Incident {
    let place = match &hold.scope {
        Scope::Everywhere => "anywhere".to_owned(),
        Scope::Subscription(_) | Scope::ResourceGroup(_) | Scope::Cluster(_) => format!("in {}", hold.scope),
    };
    let (title, next) = match state {
        IncidentState::Opened | IncidentState::Updated => (
            format!("hold: the guard starts nothing {place}: {hold}"),
            vec![format!(
                "Lift it with `aks-stop-guard hold lift {}` when it is no longer needed. When it is over, stopped clusters \
                 that nobody was allowed to stop are restarted.",
                hold.id
            )],
        ),
        IncidentState::Resolved => {
            let end = match &hold.lifted {
                Some(lifted) => format!("lifted by {}", lifted.by),
                None => "its time is over".to_owned(),
            };
            (
                format!("hold over: the guard may start clusters {place} again ({end}); it was {hold}"),
                Vec::new(),
            )
        }
    };
    let done = vec!["Stops are recorded and told as always.".to_owned()];
    let incident = about_the_guard(open, state, sequence, teller, title, next);
    let links = teller.portal.and_then(|portal| portal.scope(&hold.scope)).into_iter().collect();
    Incident { severity: Severity::High, done, links, ..incident }
}

fn about_the_guard(
    open: &OpenBulletin,
    state: IncidentState,
    sequence: u32,
    teller: Teller<'_>,
    title: String,
    next: Vec<String>,
) -> Incident {
    Incident {
        id: open.id.clone(),
        state,
        sequence,
        severity: Severity::Critical,
        title,
        opened_at: open.opened_at,
        at: teller.now,
        clusters: Vec::new(),
        cluster_count: 0,
        caller: None,
        stopped_at: None,
        correlation_id: None,
        verdict: None,
        policies: Vec::new(),
        mode: teller.mode.to_string(),
        done: vec!["All stops are recorded; none is lost.".to_owned()],
        next,
        warnings: Vec::new(),
        links: Vec::new(),
        timeline: Vec::new(),
    }
}
