//! Container groups are guarded as clusters are.

use aks_stop_guard::case::{Outcome, StopSource};
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::{IncidentState, Situation};
use jiff::SignedDuration;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use simulator::world::{EventRule, Fault, FaultRule, PowerShown, PowerState, RequestKind};

use crate::sim::{Setup, Sim, mallory, minutes, ops};

#[tokio::test(start_paused = true)]
async fn a_group_that_nobody_was_allowed_to_stop_is_started_verified_and_reported_once() {
    let sim = Sim::new(Setup::default());
    let (guard, worker) = (sim.process(), sim.container_group("cg-worker"));
    sim.stop(&worker, &mallory());
    sim.pass(&[&guard], minutes(5)).await;

    assert!(sim.is_running(&worker));
    assert_eq!(sim.starts(&worker), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(
        sim.told(),
        [
            "opened cg-worker was stopped by Mallory@contoso.com without permission: the guard is restarting it",
            "resolved cg-worker runs again: the guard restarted it after Mallory@contoso.com stopped it without permission",
        ]
    );
    assert!(sim.paths("open").await.is_empty(), "no marker is left");
    sim.assert_no_violation();
}

/// A group whose start is answered with 204 runs at once.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_over_when_it_is_answered_is_verified_all_the_same() {
    let sim = Sim::new(Setup::default());
    let (guard, worker) = (sim.process(), sim.container_group("cg-worker"));
    sim.world.lock().unwrap().cluster_mut(&worker).unwrap().durations.start = SignedDuration::ZERO;
    sim.stop(&worker, &mallory());
    sim.pass(&[&guard], minutes(5)).await;

    assert!(sim.is_running(&worker));
    assert_eq!(sim.starts(&worker), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn an_authorised_stop_of_a_group_is_left_alone() {
    let extra = format!(
        "@id(\"allow-groups\")\npermit (principal == Caller::\"{}\", action == Action::\"stop\", resource is ContainerGroup);\n",
        ops().object_id
    );
    let sim = Sim::new(Setup { extra, ..Setup::default() });
    let (guard, worker, aks) = (sim.process(), sim.container_group("one"), sim.cluster("one"));
    sim.stop(&worker, &ops());
    sim.pass(&[&guard], minutes(30)).await;
    assert!(!sim.is_running(&worker));
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    assert_eq!(sim.told(), [""; 0]);

    // The same caller, and a cluster of the same name.
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;
    assert!(sim.is_running(&aks));
    assert!(!sim.is_running(&worker), "each has a case of its own");
    sim.assert_no_violation();
}

/// Azure says that the group's containers ended by themselves, or nothing: no start.
#[tokio::test(start_paused = true)]
async fn a_group_whose_state_is_not_stopped_is_not_started() {
    for shown in [PowerShown::Missing, PowerShown::Null, PowerShown::Code("Succeeded".to_owned())] {
        let sim = Sim::new(Setup::default());
        let (guard, worker) = (sim.process(), sim.container_group("cg-worker"));
        sim.world.lock().unwrap().cluster_mut(&worker).unwrap().power_shown = shown;
        sim.stop(&worker, &mallory());
        sim.pass(&[&guard], minutes(90)).await;

        assert_eq!(sim.starts(&worker), 0);
        assert!(sim.is_held(&worker).await, "people look");
        let case = sim.case(&worker).await.unwrap();
        assert_eq!(case.last_situation, Some(Situation::Unknown));
        sim.assert_no_violation();
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_does_not_come_up_is_left_to_people_with_commands_for_groups() {
    let sim = Sim::new(Setup::default());
    let (guard, worker) = (sim.process(), sim.container_group("cg-worker"));
    let fault = Fault::StartFails { leaves: PowerState::Stopped };
    let rule = FaultRule { fault, on: None, cluster: Some(worker.clone()), times: None };
    sim.world.lock().unwrap().add_fault(rule);
    sim.stop(&worker, &mallory());
    sim.pass(&[&guard], minutes(120)).await;

    assert!(sim.is_held(&worker).await);
    let messages = sim.inbox.messages.lock().unwrap().clone();
    let next = messages.last().unwrap().next.join("\n");
    assert!(next.contains("az container start "), "{next}");
    assert!(!next.contains("az aks "), "{next}");
}

/// What makes clusters exposed is not asked of a group.
#[tokio::test(start_paused = true)]
async fn an_incident_about_a_group_says_nothing_of_how_exposed_a_cluster_is() {
    let sim = Sim::new(Setup { posture: true, ..Setup::default() });
    let (guard, worker) = (sim.process(), sim.container_group("cg-worker"));
    sim.stop(&worker, &mallory());
    sim.pass(&[&guard], minutes(5)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    let messages = sim.inbox.messages.lock().unwrap().clone();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().flat_map(|told| &told.warnings).all(|line| !line.contains("xposed")));
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_ends_its_case_and_its_incident() {
    let sim = Sim::new(Setup::default());
    let (guard, worker) = (sim.process(), sim.container_group("cg-worker"));
    let rule = FaultRule { fault: Fault::Locked, on: Some(RequestKind::Start), cluster: None, times: None };
    sim.world.lock().unwrap().add_fault(rule);
    sim.stop(&worker, &mallory());
    sim.pass(&[&guard], minutes(5)).await;
    sim.world.lock().unwrap().delete(&worker, &ops(), sim.clock.now()).unwrap();
    sim.pass(&[&guard], minutes(20)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Gone]);
    assert_eq!(sim.told_times(IncidentState::Resolved), 1);
    assert!(sim.case(&worker).await.is_none());
    sim.assert_no_violation();
}

/// Resource Graph does not tell the state of groups: a stop that was not delivered is found where Event Grid left it.
#[tokio::test(start_paused = true)]
async fn a_stop_that_event_grid_gave_up_on_is_found_among_the_dead_letters() {
    let sim = Sim::new(Setup::default());
    let (guard, worker) = (sim.process(), sim.container_group("cg-worker"));
    sim.pass(&[&guard], minutes(3)).await;
    sim.world.lock().unwrap().next_event(EventRule { delay: minutes(10_000), ..EventRule::default() });
    sim.stop(&worker, &mallory());
    sim.pass(&[&guard], minutes(20)).await;
    assert!(!sim.is_running(&worker), "nothing told of it");

    let id = worker.to_string();
    let letter = serde_json::json!([{
        "id": "dead-1", "subject": id, "eventType": "Microsoft.Resources.ResourceActionSuccess",
        "eventTime": sim.clock.now().to_string(),
        "data": { "operationName": "Microsoft.ContainerInstance/containerGroups/stop/action", "resourceUri": id },
        "deadLetterReason": "MaxDeliveryAttemptsExceeded",
    }]);
    let bytes = serde_json::to_vec(&letter).unwrap();
    sim.dead_letters.put(&Path::from("2026/a.json"), bytes.into()).await.unwrap();
    sim.pass(&[&guard], minutes(20)).await;

    assert!(sim.is_running(&worker));
    let closed = sim.closed().await;
    assert_eq!(closed[0].stops[0].source, StopSource::Discovery);
    assert!(closed[0].stops[0].confirmed, "the activity log names who did it");
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    sim.assert_no_violation();
}
