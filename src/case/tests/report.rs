//! What people are told, as they read it.

mod bulletin;
mod now;
mod remedy;
mod warnings;

use super::*;

#[test]
fn an_incident_names_the_caller_but_not_all_their_groups() {
    let groups = (0..200).map(|n| format!("{n:08}-0000-4000-8000-000000000000")).collect();
    let mut world = World::stopped_by(Caller { groups, ..mallory() });
    let stepped = world.sees(Arm::Stopped, 11);
    assert_eq!(stepped.told[0].caller.as_ref().unwrap().groups, Vec::<String>::new());
    assert_eq!(world.case().stops[0].caller.groups.len(), 200, "policies still see them");
}

#[test]
fn a_very_long_name_is_cut_where_people_read_it() {
    let upn = "\u{1F600}".repeat(256);
    let mut world = World::stopped_by(Caller { upn: Some(upn), ..mallory() });
    let stepped = world.sees(Arm::Stopped, 11);
    assert!(stepped.told[0].title.chars().count() < 200, "{}", stepped.told[0].title);
    assert!(world.case().timeline.iter().all(|line| line.text.chars().count() < 200));
}

/// An incident as YAML-like lines, without what each has alike.
fn shown(incident: &Incident) -> String {
    let mut json = serde_json::to_value(incident).unwrap();
    json.as_object_mut().unwrap().remove("caller");
    json["id"] = incident.id.replace(cluster_id().key().as_str(), "<key>").into();
    let cut = |text: String| text.replace(cluster_id().to_string().as_str(), "<cluster>");
    let mut lines = Vec::new();
    lines_of(&json, 0, &mut lines);
    cut(lines.join("\n"))
}

fn lines_of(value: &serde_json::Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let items: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("{name}:"), value)).collect()
        }
        serde_json::Value::Array(items) => items.iter().map(|value| ("-".to_owned(), value)).collect(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => Vec::new(),
    };
    for (name, value) in items {
        match value {
            serde_json::Value::Object(_) => {
                let mut inner = Vec::new();
                lines_of(value, 0, &mut inner);
                lines.push(format!("{indent}{name} {}", inner.join(", ")));
            }
            serde_json::Value::Array(items) if items.is_empty() => {}
            serde_json::Value::Array(_) => {
                lines.push(format!("{indent}{name}"));
                lines_of(value, depth + 1, lines);
            }
            serde_json::Value::String(text) => lines.push(format!("{indent}{name} {text}")),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
                lines.push(format!("{indent}{name} {value}"));
            }
        }
    }
}

/// What a person reads first.
fn brief(incident: &Incident) -> String {
    let mut lines = vec![format!("[{}] {}", incident.severity, incident.title)];
    lines.extend(incident.next.iter().map(|next| format!("  * {next}")));
    lines.join("\n")
}

fn last(told: &[Incident]) -> &Incident {
    told.last().unwrap_or_else(|| panic!("nobody was told"))
}

#[test]
fn a_restart_is_told_with_who_what_when_and_by_which_policy() {
    let mut world = World::stopped_by(mallory());
    let stepped = world.sees(Arm::Stopped, 11);
    insta::assert_snapshot!(shown(last(&stepped.told)), @r"
    id: <key>-1789408810
    state: opened
    sequence: 0
    severity: medium
    title: aks-prod-01 was stopped by mallory@contoso.com without permission: the guard is restarting it
    opened_at: 2026-09-14T18:00:11Z
    at: 2026-09-14T18:00:11Z
    clusters:
      - id: <cluster>, status: restarting
    cluster_count: 1
    timeline:
      - at: 2026-09-14T18:00:10Z, text: stopped by mallory@contoso.com (user)
      - at: 2026-09-14T18:00:11Z, text: the stop was not authorised: no policy allows it
      - at: 2026-09-14T18:00:11Z, text: starting it (attempt 1)
    stopped_at: 2026-09-14T18:00:00Z
    correlation_id: correlation-0
    verdict: unauthorised
    policies:
      - restart
    mode: act
    done:
      - Start 1 is being sent.
    warnings:
      - Pods that no controller owns are lost with the stop.
    links:
      - label: aks-prod-01 in the portal, url: https://portal.azure.com/#@/resource<cluster>/overview
      - label: activity log of aks-prod-01, url: https://portal.azure.com/#@/resource<cluster>/eventlogs
    ");
}

#[test]
fn a_restored_cluster_is_told_as_the_end_of_the_story() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(sent(), 12);
    world.sees(Arm::Starting, 41);
    let stepped = world.sees(Arm::Running, 400);
    insta::assert_snapshot!(shown(last(&stepped.told)), @r"
    id: <key>-1789408810
    state: resolved
    sequence: 1
    severity: medium
    title: aks-prod-01 runs again: the guard restarted it after mallory@contoso.com stopped it without permission
    opened_at: 2026-09-14T18:00:11Z
    at: 2026-09-14T18:06:40Z
    clusters:
      - id: <cluster>, status: restored
    cluster_count: 1
    timeline:
      - at: 2026-09-14T18:00:10Z, text: stopped by mallory@contoso.com (user)
      - at: 2026-09-14T18:00:11Z, text: the stop was not authorised: no policy allows it
      - at: 2026-09-14T18:00:11Z, text: starting it (attempt 1)
      - at: 2026-09-14T18:00:12Z, text: Azure accepted the start
      - at: 2026-09-14T18:00:41Z, text: it is starting: watching
      - at: 2026-09-14T18:06:40Z, text: closed: it runs again, after the guard's start
    stopped_at: 2026-09-14T18:00:00Z
    correlation_id: correlation-0
    verdict: unauthorised
    policies:
      - restart
    mode: act
    done:
      - Start 1 was accepted by Azure (request request-1).
    next:
      - Check what ran there: pods that no controller owns don't come back after a stop.
      - Ask mallory@contoso.com why it was stopped. Planned stops are announced with `aks-stop-guard grant add`.
    links:
      - label: aks-prod-01 in the portal, url: https://portal.azure.com/#@/resource<cluster>/overview
      - label: activity log of aks-prod-01, url: https://portal.azure.com/#@/resource<cluster>/eventlogs
    ");
}

#[test]
fn a_cluster_that_runs_again_and_one_that_is_gone_are_told_in_a_line() {
    let mut world = World::stopped_by(mallory());
    let mut lines = vec![brief(last(&world.sees(Arm::Running, 400).told))];
    let mut world = World::stopped_by(mallory());
    lines.push(brief(last(&world.sees(Arm::Gone, 400).told)));
    for arm in [Arm::Running, Arm::Gone] {
        let mut world = World::stopped_by(pipeline());
        world.sees(Arm::Stopped, 11);
        world.sees(Arm::Stopped, 1_900);
        lines.push(brief(last(&world.sees(arm, 2_200).told)));
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    [medium] aks-prod-01 runs again without the guard's help, after mallory@contoso.com stopped it without permission
      * Check what ran there: pods that no controller owns don't come back after a stop.
      * Ask mallory@contoso.com why it was stopped. Planned stops are announced with `aks-stop-guard grant add`.
    [medium] aks-prod-01 was deleted after mallory@contoso.com stopped it without permission
      * Find out whether it was meant to be deleted.
    [high] aks-prod-01 runs; the activity log never showed that night-pipeline stopped it
      * Find out who sent an event about a stop that never was.
    [high] aks-prod-01 was deleted; the activity log never showed that night-pipeline stopped it
      * Find out who sent an event about a stop that never was.
    ");
}

#[test]
fn what_is_not_decided_or_not_startable_yet_is_told_as_far_as_it_is_known() {
    let mut lines = Vec::new();
    for arm in [Arm::Running, Arm::Stopping, Arm::Starting, Arm::Busy] {
        let mut world = World::stopped_by(mallory());
        lines.push(brief(last(&world.sees(arm, 11).told)));
    }
    let mut world = World::stopped_by(mallory());
    lines.push(brief(last(&world.sees(Arm::Unreachable, 3_700).told)));
    insta::assert_snapshot!(lines.join("\n"), @r"
    [medium] aks-prod-01 was stopped by mallory@contoso.com without permission: Azure shows it running so far
    [medium] aks-prod-01 was stopped by mallory@contoso.com without permission: the guard restarts it as soon as it can
    [medium] aks-prod-01 was stopped by mallory@contoso.com without permission and is starting again
    [medium] aks-prod-01 was stopped by mallory@contoso.com without permission: the guard restarts it as soon as it can
    [high] aks-prod-01 was stopped by mallory@contoso.com and does not run: the guard can't look at it
      * Look at the cluster yourself, and find out why the guard can't: the timeline has Azure's answer.
      * If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    ");
}

#[test]
fn each_reason_to_wait_for_people_says_why_and_what_to_do() {
    let refused = Held::Refused {
        code: "Odd".to_owned(),
        advice: "Read the error that Azure gives.".to_owned(),
        lock: None,
    };
    let held = [
        Held::Mode { mode: Mode::Notify },
        Held::NotPermitted { policies: vec![] },
        Held::NotPermitted { policies: vec!["restart-budget".to_owned()] },
        Held::NotPermitted { policies: vec!["restart-budget".to_owned(), "unknown-caller".to_owned()] },
        Held::PolicyError,
        Held::Hold { reason: "audit by Ada".to_owned() },
        Held::AttemptsUsed,
        refused,
        Held::FailedState,
        Held::TooLong { situation: Some(crate::domain::Situation::Starting) },
        Held::TooLong { situation: None },
        Held::UnknownCaller,
        Held::Unconfirmed,
        Held::DamagedRecord,
    ];
    let start = format!("{}.", super::super::report::commands::start(&cluster_id()));
    let briefs = held.map(|held| brief(&remedy::told_of(held, |_| {})).replace(&start, "<start>"));
    insta::assert_snapshot!(briefs.join("\n"), @r"
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: the guard is in mode notify and starts nothing
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: no policy lets the guard restart it
      * Decide whether it should run.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: policy restart-budget forbids a restart
      * Decide whether it should run.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: policies restart-budget, unknown-caller forbid a restart
      * Decide whether it should run.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: a policy failed, so the guard may not restart it
      * Mend the policy that the timeline names, test it with `aks-stop-guard check` and deploy it.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: a hold forbids starts: audit by Ada
      * The guard goes on by itself when the hold is over. If it is not needed any more, `aks-stop-guard hold list` shows its id, and `aks-stop-guard hold lift <id>` lifts it.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: 3 attempts to start it failed
      * See why it failed: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: Azure refused the start (Odd)
      * Read the error that Azure gives.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: it is in a failed state that another start does not mend
      * See why it failed: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: it did not come up in time, and it is still starting
      * Its start takes unusually long; another one would be refused. See how far it is: `az aks operation show-latest --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. Ask Azure support if it doesn't move.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: the guard can't look at it
      * Look at the cluster yourself, and find out why the guard can't: the timeline has Azure's answer.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: the activity log names nobody, so people decide
      * Find out who stopped it (`az monitor activity-log list --resource-id '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01' --start-time 2026-09-14T17:00:00Z`).
      * AKS itself stops clusters that had no nodes for 30 days, and those of a suspended subscription: see `az account show --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --query state`.
      * If it should run, start it: <start> The guard closes this once it runs.
    [high] aks-prod-01 was stopped by mallory@contoso.com, who may, says an event; but the activity log has no record of it
      * Ask mallory@contoso.com whether they stopped it: an event without a record in the activity log may be forged (`az monitor activity-log list --resource-id '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01' --start-time 2026-09-14T17:00:00Z`).
    [high] aks-prod-01 needs somebody to look: the guard's record of it was damaged, so it doesn't know what it did before
      * Find out who or what wrote into the guard's storage: a copy of the damaged record is under `aside/`.
      * If it should run, start it: <start> The guard closes this once it runs.
    ");
}

#[test]
fn claims_that_the_log_contradicts_are_an_incident_of_their_own() {
    let mut world = World::stopped_by(pipeline());
    world.sees(Arm::Stopped, 11);
    world.log_says(vec![log_stop(mallory(), 0)]);
    let stepped = world.sees(Arm::Stopped, 71);
    insta::assert_snapshot!(shown(&stepped.told[0]), @r"
    id: <key>-1789408810-claims
    state: opened
    sequence: 0
    severity: critical
    title: aks-prod-01: an event said that night-pipeline stopped it, the activity log says mallory@contoso.com
    opened_at: 2026-09-14T18:01:11Z
    at: 2026-09-14T18:01:11Z
    clusters:
      - id: <cluster>, status: stopped
    cluster_count: 1
    timeline:
      - at: 2026-09-14T18:00:10Z, text: stopped by night-pipeline (service-principal)
      - at: 2026-09-14T18:00:11Z, text: the stop was authorised: by policy pipeline
      - at: 2026-09-14T18:00:11Z, text: waiting for the activity log to confirm who stopped it
      - at: 2026-09-14T18:01:11Z, text: the activity log names another caller than the event did
    stopped_at: 2026-09-14T18:00:00Z
    correlation_id: correlation-0
    mode: act
    done:
      - Nothing was started.
    next:
      - Find out who can post events to the guard: rotate the Function app's system key `eventgrid_extension`.
      - Compare the event with the activity log: `az monitor activity-log list --resource-id '<cluster>' --start-time 2026-09-14T17:00:00Z`.
    warnings:
      - Pods that no controller owns are lost with the stop.
    links:
      - label: aks-prod-01 in the portal, url: https://portal.azure.com/#@/resource<cluster>/overview
      - label: activity log of aks-prod-01, url: https://portal.azure.com/#@/resource<cluster>/eventlogs
    ");
}

#[test]
fn an_incident_that_waits_for_people_is_whole() {
    let lock = crate::domain::Scope::around(&cluster_id())[1].clone();
    let held = Held::Refused { code: "ScopeLocked".to_owned(), advice: "x".to_owned(), lock: Some(lock) };
    let incident = remedy::told_of(held, |case| {
        case.setup.features = [crate::domain::Feature::PrivateApiServer, crate::domain::Feature::Gpu].into();
        case.note(at(12), "Azure refused the start: ScopeLocked");
    });
    insta::assert_snapshot!(shown(&incident), @r#"
    id: <key>-1789408810
    state: updated
    sequence: 1
    severity: high
    title: aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: Azure refused the start (ScopeLocked)
    opened_at: 2026-09-14T18:00:11Z
    at: 2026-09-14T18:00:12Z
    clusters:
      - id: <cluster>, status: held: Azure refused the start (ScopeLocked)
    cluster_count: 1
    timeline:
      - at: 2026-09-14T18:00:10Z, text: stopped by mallory@contoso.com (user)
      - at: 2026-09-14T18:00:11Z, text: the stop was not authorised: no policy allows it
      - at: 2026-09-14T18:00:11Z, text: waiting for the stop to finish
      - at: 2026-09-14T18:00:12Z, text: Azure refused the start: ScopeLocked
    stopped_at: 2026-09-14T18:00:00Z
    correlation_id: correlation-0
    verdict: unauthorised
    policies:
      - restart
    mode: act
    done:
      - Nothing was started.
    next:
      - A read-only lock on resource group rg-prod forbids the start. Ask whoever set it; `az lock list --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --query "[?level=='ReadOnly'].id"` shows it, `az lock delete --ids <its id>` removes it.
      - If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.
    warnings:
      - It has GPU nodes, which are scarce: a stop gives them back, and a start may not get them again.
      - Pods that no controller owns are lost with the stop.
      - It is a private cluster: a start makes its private endpoint anew, its API server's address may change, and private endpoints that you made yourselves have to be made again.
    links:
      - label: aks-prod-01 in the portal, url: https://portal.azure.com/#@/resource<cluster>/overview
      - label: activity log of aks-prod-01, url: https://portal.azure.com/#@/resource<cluster>/eventlogs
      - label: resource group rg-prod in the portal, url: https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/overview
    "#);
}

#[test]
fn other_bytes_in_the_archive_are_told() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 400);
    let Episode::Closing(closing) = world.record.episode.clone() else { panic!("not closed") };
    let (mut record, teller) = (world.record.clone(), world.teller(401));
    super::super::close::conflict(&mut record, &closing, teller);
    insta::assert_snapshot!(brief(&record.outbox.last().unwrap().incident), @r"
    [high] aks-prod-01: the archive holds another version of case 183dfd2ce3e81077fefbe09205c4ed44-1789408810
      * Find out who else writes into the guard's storage, and compare what the container of closed cases holds under 183dfd2ce3e81077fefbe09205c4ed44-1789408810.
    ");
}

#[test]
fn nobody_is_said_to_have_had_no_permission_before_that_was_decided() {
    let mut world = World::stopped_by(mallory());
    let stepped = world.sees(Arm::Unreachable, 3_700);
    assert_eq!(states(&stepped.told), [IncidentState::Opened]);
    assert!(!stepped.told[0].title.contains("without permission"), "{}", stepped.told[0].title);
}
