use super::*;

#[test]
fn a_stop_reads_stopping_and_stopped_and_then_succeeded() {
    let mut scene = Scene::new();
    assert_eq!(scene.shown(), state("Succeeded", "Running"));
    scene.stop_by(&Caller::user("dana"));
    assert_eq!(scene.shown(), state("Stopping", "Stopped"));
    scene.pass(seconds(94));
    assert_eq!(scene.shown(), state("Stopping", "Stopped"));
    scene.pass(seconds(1));
    assert_eq!(scene.shown(), state("Succeeded", "Stopped"));
    assert_eq!(scene.get()["properties"]["agentPoolProfiles"][0]["count"], 0);
}

#[test]
fn the_opposite_guess_shows_running_while_stopping() {
    let mut scene = Scene::new();
    let id = scene.cluster.clone();
    scene.world.cluster_mut(&id).unwrap().stopping_shows = StoppingShows::Running;
    scene.stop_by(&Caller::user("dana"));
    assert_eq!(scene.shown(), state("Stopping", "Running"));
    scene.pass(seconds(95));
    assert_eq!(scene.shown(), state("Succeeded", "Stopped"));
}

#[test]
fn a_start_reads_starting_and_running_with_no_nodes_until_it_has_succeeded() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(95));
    assert_eq!(scene.post_start().status(), 202);
    assert_eq!(scene.shown(), state("Starting", "Running"));
    assert_eq!(scene.get()["properties"]["agentPoolProfiles"][0]["count"], 0);
    scene.pass(seconds(192));
    assert_eq!(scene.shown(), state("Succeeded", "Running"));
    assert_eq!(scene.get()["properties"]["agentPoolProfiles"][0]["count"], 3);
    assert_eq!(scene.world.violations(), []);
}

#[test]
fn a_start_is_refused_unless_the_cluster_is_stopped_and_nothing_goes_on() {
    let mut scene = Scene::new();
    let refused = scene.post_start();
    assert_eq!(refused.status(), 409);
    assert_eq!(json(&refused)["code"], "OperationNotAllowed");
    assert_eq!(
        json(&refused)["message"],
        "managed cluster is in Provisioning State(Succeeded) and Power State(Running), starting cannot be performed"
    );
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(31));
    let refused = json(&scene.post_start());
    assert_eq!(
        refused["message"],
        "managed cluster is in Provisioning State(Stopping) and Power State(Stopped), starting cannot be performed The \
         previous operation started at '2026-09-14T19:00:00Z' and elapsed time is: '00:00:31' (RFC3339 format)"
    );
    scene.pass(seconds(64));
    assert_eq!(scene.post_start().status(), 202);
    assert_eq!(scene.post_start().status(), 409);
}

#[test]
fn a_stop_is_refused_on_a_stopped_cluster_and_while_it_starts() {
    let mut scene = Scene::new();
    let (id, dana) = (scene.cluster.clone(), Caller::user("dana"));
    scene.stop_by(&dana);
    scene.pass(seconds(41));
    let Err(Refusal::NotAllowed(message)) = scene.world.stop(&id, &dana, scene.now) else {
        panic!("accepted")
    };
    assert!(
        message
            .starts_with("managed cluster is not currently running, stopping cannot be performed; The stop")
    );
    assert!(message.ends_with("elapsed time is: '00:00:41'"));
    scene.pass(seconds(60));
    scene.world.start(&id, &dana, scene.now).unwrap();
    let Err(Refusal::NotAllowed(message)) = scene.world.stop(&id, &dana, scene.now) else {
        panic!("accepted")
    };
    assert!(message.contains("Another operation (Starting) is in progress"));
}

#[test]
fn a_failed_start_leaves_failed_and_running_and_a_second_start_is_refused() {
    let mut scene = Scene::new();
    scene.fault(Fault::StartFails { leaves: PowerState::Running }, 1);
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(95));
    assert_eq!(scene.post_start().status(), 202);
    scene.pass(seconds(192));
    assert_eq!(scene.shown(), state("Failed", "Running"));
    assert_eq!(scene.get()["properties"]["status"]["provisioningError"]["code"], "AllocationFailed");
    assert_eq!(scene.post_start().status(), 409);
}

#[test]
fn a_start_that_failed_and_left_the_cluster_stopped_can_be_tried_again() {
    let mut scene = Scene::new();
    scene.fault(Fault::StartFails { leaves: PowerState::Stopped }, 1);
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(95));
    scene.post_start();
    scene.pass(seconds(192));
    assert_eq!(scene.shown(), state("Failed", "Stopped"));
    assert_eq!(scene.post_start().status(), 202);
    scene.pass(seconds(192));
    assert_eq!(scene.shown(), state("Succeeded", "Running"));
}

#[test]
fn an_operation_ends_at_its_time_however_late_somebody_looks() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(86_400));
    scene.get();
    let ended =
        scene.world.journal().entries.iter().find(|entry| entry.what == Happening::Succeeded(Deed::Stop));
    assert_eq!(ended.unwrap().at.to_string(), "2026-09-14T19:01:35Z");
}

#[test]
fn operations_can_be_ended_before_their_time() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(1));
    scene.world.finish_operations(scene.now);
    assert_eq!(scene.shown(), state("Succeeded", "Stopped"));
    assert_eq!(scene.world.take_events(scene.now).len(), 1);
}

#[test]
fn a_deleted_cluster_is_gone_and_one_made_again_has_another_uid() {
    let mut scene = Scene::new();
    let id = scene.cluster.clone();
    let uid = scene.get()["properties"]["resourceUID"].clone();
    scene.stop_by(&Caller::user("dana"));
    scene.world.delete(&id, &Caller::user("dana"), scene.now).unwrap();
    assert_eq!(scene.shown().0, "Deleting");
    scene.pass(seconds(240));
    let uri = scene.uri("");
    let gone = scene.answer("GET", &uri);
    assert_eq!((gone.status().as_u16(), header(&gone, "x-ms-failure-cause")), (404, "gateway"));
    assert_eq!(json(&gone)["error"]["code"], "ResourceNotFound");
    scene.world.create_cluster(NewCluster::new(id), scene.now).unwrap();
    assert_ne!(scene.get()["properties"]["resourceUID"], uid);
    let failed = Happening::Failed(Deed::Stop, "AKSOperationPreemptedByDelete".to_owned());
    assert!(scene.world.journal().entries.iter().any(|entry| entry.what == failed));
}

#[test]
fn a_start_after_an_authorised_stop_is_an_undone_stop() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("olga").authorised());
    scene.pass(seconds(30));
    scene.post_start();
    scene.pass(seconds(65));
    scene.post_start();
    let undone: Vec<bool> = scene
        .world
        .violations()
        .iter()
        .map(|violation| match violation {
            Violation::Undone { accepted, stopped_by, started_by, .. } => {
                assert_eq!((stopped_by.as_str(), started_by.as_str()), ("olga", "guard"));
                *accepted
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(undone, [false, true]);
}

#[test]
fn a_start_after_an_unauthorised_stop_undoes_nothing_whoever_stopped_before() {
    let mut scene = Scene::new();
    let id = scene.cluster.clone();
    scene.stop_by(&Caller::user("olga").authorised());
    scene.pass(seconds(95));
    scene.world.start(&id, &Caller::user("olga").authorised(), scene.now).unwrap();
    scene.pass(seconds(192));
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(95));
    assert_eq!(scene.post_start().status(), 202);
    assert_eq!(scene.world.violations(), []);
    assert_eq!(scene.world.journal().accepted(Deed::Start, &id), 2);
    assert_eq!(scene.world.journal().requests(RequestKind::Start, Some(&id)), 1);
}

#[test]
fn a_speed_up_divides_azures_durations() {
    let mut scene = Scene::with(Settings { speed_up: 60, ..Settings::default() });
    scene.stop_by(&Caller::user("dana"));
    scene.pass(SignedDuration::from_millis(1584));
    assert_eq!(scene.shown(), state("Succeeded", "Stopped"));
}

#[test]
fn the_same_calls_make_the_same_world() {
    let run = || {
        let mut scene = Scene::new();
        scene.stop_by(&Caller::user("dana"));
        scene.pass(seconds(300));
        let events = scene.world.take_events(scene.now);
        (events, scene.get(), header(&scene.post_start(), "location").to_owned())
    };
    assert_eq!(run(), run());
}
