//! Planned stops: announced over HTTP with a checked token, honoured, bound to their cluster, taken back.

use aks_stop_guard::case::Outcome;
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::grant::{Author, Way};
use aks_stop_guard::domain::{Caller, CallerKind, ClusterId, EventSchema, StopEvent, StopTime, Verbatim};
use aks_stop_guard::functions::Announced;
use aks_stop_guard::guard::Grants;
use axum::http::StatusCode;
use serde_json::{Value, json};
use simulator::world::{self, EventRule};

use crate::sim::{AUDIENCE, Process, SUBSCRIPTION, Setup, Sim, mallory, minutes};

/// May announce the stops of others, not her own.
fn lead() -> world::Caller {
    world::Caller::user("Lead")
}

fn pipeline() -> world::Caller {
    world::Caller::service_principal("night-pipeline").authorised()
}

fn sim() -> Sim {
    let extra = format!(
        "@id(\"leads-grant\")\npermit (principal == Caller::\"{}\", action == Action::\"grant\",
            resource in Subscription::\"/subscriptions/{SUBSCRIPTION}\") when {{ context.minutes <= 600 }};\n",
        lead().object_id
    );
    Sim::new(Setup { extra, ..Setup::default() })
}

fn body(cluster: &world::ClusterId, caller: &world::Caller) -> Value {
    json!({
        "cluster": cluster.to_string(), "caller": caller.object_id,
        "until": "2026-11-02T14:00+01:00", "reason": "nightly", "ticket": "CHG-1",
    })
}

async fn ask(sim: &Sim, process: &Process, sender: &world::Caller, body: &Value) -> (StatusCode, Value) {
    let token = sim.token(sender, AUDIENCE);
    let output = sim.announce(process, Announced::Grant, Some(&token), body).await;
    (output.status, output.body)
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_announced_just_before_is_left_alone_and_one_after_the_grant_is_not() {
    let sim = sim();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let (status, answer) = ask(&sim, &guard, &lead(), &body(&aks, &pipeline())).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["grant"]["granted_by"]["id"], lead().object_id);
    sim.stop(&aks, &pipeline());
    sim.pass(&[&guard], minutes(60)).await;
    assert_eq!((sim.starts(&aks), sim.outcomes().await), (0, vec![Outcome::Authorised]));
    assert_eq!(sim.told(), [""; 0]);
    let story = &sim.closed().await[0].timeline;
    assert!(
        story.iter().any(|line| line.text.starts_with("it was granted by Lead@contoso.com")),
        "{story:#?}"
    );

    sim.start(&aks, &mallory());
    sim.pass(&[&guard], minutes(130)).await;
    sim.stop(&aks, &pipeline());
    sim.pass(&[&guard], minutes(30)).await;
    assert!(sim.is_running(&aks), "the grant was over");
}

#[tokio::test(start_paused = true)]
async fn a_grant_made_while_the_case_is_open_is_seen_by_another_process() {
    let sim = sim();
    let (first, second, aks) = (sim.process(), sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &pipeline());
    sim.pass(&[&first], minutes(1)).await;
    assert_eq!(sim.starts(&aks), 0, "it is still stopping");
    let mut body = body(&aks, &pipeline());
    body["from"] = json!("2026-11-02T09:30Z");
    assert_eq!(ask(&sim, &second, &lead(), &body).await.0, StatusCode::CREATED);
    sim.pass(&[&first], minutes(60)).await;
    assert_eq!((sim.starts(&aks), sim.is_running(&aks)), (0, false));
}

#[tokio::test(start_paused = true)]
async fn nobody_grants_unless_a_policy_says_so_and_never_their_own_stop_by_that() {
    let sim = sim();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    for (sender, granted) in
        [(mallory(), pipeline()), (mallory(), mallory()), (lead(), lead()), (pipeline(), pipeline())]
    {
        let (status, answer) = ask(&sim, &guard, &sender, &body(&aks, &granted)).await;
        assert_eq!((status, &answer["error"]), (StatusCode::FORBIDDEN, &json!("no policy permits it")));
    }
    let mut long = body(&aks, &pipeline());
    long["until"] = json!("2026-11-20T00:00Z");
    assert_eq!(
        ask(&sim, &guard, &lead(), &long).await.0,
        StatusCode::FORBIDDEN,
        "the policy allows ten hours"
    );
    assert_eq!(sim.paths("grants").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn whoever_may_grant_their_own_stop_has_a_policy_that_says_just_that() {
    let mut sim = sim();
    sim.setup.extra += &format!(
        "@id(\"own\")\npermit (principal == Caller::\"{}\", action == Action::\"grantOwn\", resource);\n",
        pipeline().object_id
    );
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    assert_eq!(ask(&sim, &guard, &pipeline(), &body(&aks, &pipeline())).await.0, StatusCode::CREATED);
    let by_app_id = json!({ "subscription": SUBSCRIPTION, "caller": pipeline().app_id,
        "until": "2026-11-02T13:00Z", "reason": "nightly" });
    assert_eq!(ask(&sim, &guard, &pipeline(), &by_app_id).await.0, StatusCode::CREATED);
    assert_eq!(ask(&sim, &guard, &pipeline(), &body(&aks, &mallory())).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn without_a_good_token_nothing_is_granted() {
    let sim = sim();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let body = body(&aks, &pipeline());
    let good = sim.token(&lead(), AUDIENCE);
    let for_arm = sim.token(&lead(), "https://management.azure.com");
    for token in [None, Some(for_arm.as_str()), Some("x"), Some(&good[..good.len() - 4])] {
        let output = sim.announce(&guard, Announced::Grant, token, &body).await;
        assert_eq!(output.status, StatusCode::UNAUTHORIZED, "{token:?}");
        assert!(!output.body.to_string().contains(&good[..20]));
    }
    sim.clock.advance(minutes(80));
    let output = sim.announce(&guard, Announced::Grant, Some(&good), &body).await;
    assert_eq!(output.status, StatusCode::UNAUTHORIZED, "it has expired");
    assert_eq!(sim.paths("grants").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_twice_is_one_grant_and_a_revoked_one_does_not_come_back() {
    let sim = sim();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let mut body = body(&aks, &pipeline());
    let (_, first) = ask(&sim, &guard, &lead(), &body).await;
    sim.clock.advance(minutes(1));
    assert_eq!(ask(&sim, &guard, &lead(), &body).await, (StatusCode::OK, first.clone()));
    assert_eq!(sim.paths("grants").await.len(), 1);

    let by = Author { id: None, name: None, via: Way::Cli };
    let id = first["grant"]["id"].as_str().unwrap();
    Grants::new(sim.store()).revoke(id, by, sim.clock.now()).await.unwrap();
    assert_eq!(ask(&sim, &guard, &lead(), &body).await.0, StatusCode::CONFLICT);
    sim.stop(&aks, &pipeline());
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.is_running(&aks));
    body["id"] = json!("again");
    assert_eq!(ask(&sim, &guard, &lead(), &body).await.0, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_told_and_stored_nowhere() {
    let sim = sim();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let good = body(&aks, &pipeline());
    for (name, value, status) in [
        ("until", json!("2026-11-02T14:00"), StatusCode::BAD_REQUEST),
        ("until", json!("2026-11-02T09:00Z"), StatusCode::BAD_REQUEST),
        ("until", json!("2027-11-02T09:00Z"), StatusCode::BAD_REQUEST),
        ("caller", json!("Caller::\"x\""), StatusCode::BAD_REQUEST),
        ("reason", json!(" "), StatusCode::BAD_REQUEST),
        ("reason", json!("r".repeat(301)), StatusCode::BAD_REQUEST),
        ("subscription", json!(SUBSCRIPTION), StatusCode::BAD_REQUEST),
        ("tags", json!({}), StatusCode::BAD_REQUEST),
        ("id", json!("../x"), StatusCode::BAD_REQUEST),
        ("cluster", json!("https://evil.example"), StatusCode::BAD_REQUEST),
        ("cluster", json!(aks.to_string().replace("aks-1", "gone")), StatusCode::NOT_FOUND),
        (
            "cluster",
            json!(aks.to_string().replace(SUBSCRIPTION, "11111111-1111-4111-8111-111111111111")),
            StatusCode::FORBIDDEN,
        ),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let (got, answer) = ask(&sim, &guard, &lead(), &body).await;
        assert_eq!(got, status, "{name}: {answer}");
    }
    assert_eq!(sim.paths("grants").await, [""; 0]);
}

/// Rule 28: a cluster that is made anew under the same id does not inherit a grant.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_made_anew_does_not_inherit_a_grant() {
    let sim = sim();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    assert_eq!(ask(&sim, &guard, &lead(), &body(&aks, &pipeline())).await.0, StatusCode::CREATED);
    sim.world.lock().unwrap().delete(&aks, &mallory(), sim.clock.now()).unwrap();
    sim.pass(&[&guard], minutes(15)).await;
    sim.cluster("aks-1");
    let mallory_like = world::Caller { authorised: false, ..pipeline() };
    sim.stop(&aks, &mallory_like);
    sim.pass(&[&guard], minutes(30)).await;
    assert!(sim.is_running(&aks), "{:?}", sim.told());
}

/// Rule 29: a grant does not cover a forged event.
#[tokio::test(start_paused = true)]
async fn an_event_that_names_the_granted_caller_falsely_is_found_out() {
    let sim = sim();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    assert_eq!(ask(&sim, &guard, &lead(), &body(&aks, &pipeline())).await.0, StatusCode::CREATED);
    sim.world.lock().unwrap().next_event(EventRule { copies: 0, ..EventRule::default() });
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(3));
    let forged = StopEvent {
        id: "forged".to_owned(),
        cluster: ClusterId::parse(&aks.to_string()).unwrap(),
        time: StopTime::At(sim.clock.now() - minutes(3)),
        caller: Caller {
            kind: CallerKind::ServicePrincipal,
            object_id: Some(pipeline().object_id),
            ..Caller::unknown()
        },
        correlation_id: None,
        schema: EventSchema::EventGrid,
        verbatim: Verbatim::of(b"{}"),
        token_id: None,
    };
    sim.deliver(&guard, forged).await.unwrap();
    sim.pass(&[&guard], minutes(40)).await;
    assert!(sim.is_running(&aks), "{:?}", sim.told());
}
