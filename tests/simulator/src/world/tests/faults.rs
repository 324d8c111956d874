use super::*;

fn stopped() -> Scene {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(95));
    scene
}

#[test]
fn a_refusing_fault_answers_its_status_and_code_and_starts_nothing() {
    let cases = [
        (Fault::Throttled { retry_after: Some(53) }, 429, "Throttled"),
        (Fault::Denied, 403, "AuthorizationFailed"),
        (Fault::Locked, 409, "ScopeLocked"),
        (Fault::PolicyDenied, 403, "RequestDisallowedByPolicy"),
        (Fault::Conflict, 409, "OperationNotAllowed"),
        (Fault::Unavailable, 503, "ServerTimeout"),
        (Fault::TokenRefused, 401, "ExpiredAuthenticationToken"),
    ];
    for (fault, status, code) in cases {
        let mut scene = stopped();
        scene.fault(fault, 1);
        let refused = scene.post_start();
        assert_eq!(refused.status(), status, "{code}");
        let body = json(&refused);
        let found = if body.get("error").is_some() { &body["error"]["code"] } else { &body["code"] };
        assert_eq!(found, code);
        assert_eq!(scene.world.journal().accepted(Deed::Start, &scene.cluster), 0);
        assert_eq!(scene.post_start().status(), 202, "used up by one: {code}");
    }
}

#[test]
fn a_denial_names_the_right_that_is_missing() {
    let mut scene = stopped();
    scene.fault(Fault::Denied, 1);
    let message = json(&scene.post_start())["error"]["message"].to_string();
    assert!(
        message.contains(
            "'Microsoft.ContainerService/managedClusters/start/action' over scope '/subscriptions/"
        )
    );
}

#[test]
fn a_server_error_is_plain_text() {
    let mut scene = stopped();
    scene.fault(Fault::ServerError, 1);
    let failed = scene.post_start();
    assert_eq!((failed.status().as_u16(), header(&failed, "content-type")), (500, "text/plain"));
}

#[test]
fn retry_after_is_in_the_header_or_absent_as_ordered() {
    let mut scene = stopped();
    scene.fault(Fault::Throttled { retry_after: Some(53) }, 1);
    assert_eq!(header(&scene.post_start(), "retry-after"), "53");
    scene.fault(Fault::Throttled { retry_after: None }, 1);
    assert!(scene.post_start().headers().get("retry-after").is_none());
}

#[test]
fn an_answer_that_is_lost_leaves_the_start_accepted() {
    let mut scene = stopped();
    scene.fault(Fault::AnswerLost, 1);
    let uri = scene.uri("/start");
    assert!(matches!(scene.send("POST", &uri), Reply::AnswerLost));
    assert_eq!(scene.shown(), state("Starting", "Running"));
}

#[test]
fn a_request_that_never_arrived_changes_nothing_and_is_in_the_journal() {
    let mut scene = stopped();
    scene.fault(Fault::NeverArrived, 1);
    let uri = scene.uri("/start");
    assert!(matches!(scene.send("POST", &uri), Reply::NeverArrived));
    assert_eq!(scene.shown(), state("Succeeded", "Stopped"));
    assert_eq!(scene.world.journal().requests(RequestKind::Start, Some(&scene.cluster)), 1);
}

#[test]
fn a_slow_answer_has_its_effect_at_once() {
    let mut scene = stopped();
    scene.fault(Fault::SlowAnswer(seconds(25)), 1);
    let uri = scene.uri("/start");
    let Reply::Late { after, answer } = scene.send("POST", &uri) else { panic!("not late") };
    assert_eq!((after, answer.status().as_u16()), (seconds(25), 202));
    assert_eq!(scene.shown(), state("Starting", "Running"));
}

#[test]
fn a_stale_look_shows_running_for_a_while_after_a_stop() {
    let mut scene = Scene::new();
    scene.world.add_fault(FaultRule {
        fault: Fault::StaleLook(seconds(20)),
        on: None,
        cluster: None,
        times: None,
    });
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(19));
    assert_eq!(scene.shown(), state("Succeeded", "Running"));
    scene.pass(seconds(1));
    assert_eq!(scene.shown(), state("Stopping", "Stopped"));
}

#[test]
fn a_quota_fails_the_accepted_start_at_its_end() {
    let mut scene = stopped();
    scene.fault(Fault::Quota, 1);
    let accepted = scene.post_start();
    assert_eq!(accepted.status(), 202);
    scene.pass(seconds(192));
    let polled = json(&scene.answer("GET", header(&accepted, "azure-asyncoperation")));
    assert_eq!((&polled["status"], &polled["error"]["code"]), (&"Failed".into(), &"QuotaExceeded".into()));
    let failure = scene.world.take_events(scene.now).pop().unwrap();
    assert_eq!(failure.event_type, "Microsoft.Resources.ResourceActionFailure");
}

#[test]
fn a_fault_falls_only_on_what_its_rule_names() {
    let mut scene = stopped();
    let other = ClusterId::new(SUBSCRIPTION, "rg-prod-weu", "other");
    scene.world.add_fault(FaultRule {
        fault: Fault::Denied,
        on: Some(RequestKind::Start),
        cluster: Some(other),
        times: None,
    });
    assert_eq!(scene.shown(), state("Succeeded", "Stopped"));
    assert_eq!(scene.post_start().status(), 202);
}

#[test]
fn the_identity_endpoint_can_be_down() {
    let mut scene = Scene::new();
    scene.fault(Fault::IdentityDown, 1);
    let down = scene.answer("GET", "/msi/token?resource=x&api-version=2019-08-01");
    assert_eq!(down.status(), 500);
}

#[test]
fn a_hot_loop_of_looks_is_throttled_as_documented() {
    let mut scene = Scene::new();
    let uri = scene.uri("");
    for _ in 0..60 {
        assert_eq!(scene.answer("GET", &uri).status(), 200);
    }
    let throttled = scene.answer("GET", &uri);
    assert_eq!((throttled.status().as_u16(), header(&throttled, "retry-after")), (429, "1"));
    scene.pass(seconds(1));
    assert_eq!(scene.answer("GET", &uri).status(), 200);
}
