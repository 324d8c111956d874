//! The red button: set, told, obeyed, over.

use aks_stop_guard::case::{IntentState, Mode};
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::grant::Author;
use aks_stop_guard::functions::Announced;
use aks_stop_guard::guard::Holds;
use axum::http::StatusCode;
use futures::FutureExt as _;
use object_store::ObjectStoreExt as _;
use serde_json::json;
use simulator::world;

use crate::sim::{AUDIENCE, SUBSCRIPTION, Setup, Sim, mallory, minutes};

#[tokio::test(start_paused = true)]
async fn a_held_cluster_is_not_started_and_goes_on_by_itself_when_the_hold_is_over() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.hold("/", minutes(120), "forensics").await;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(119)).await;
    assert_eq!(sim.starts(&aks), 0);
    assert!(sim.is_held(&aks).await);
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.is_running(&aks), "{:?}", sim.told());
    assert_eq!(sim.starts(&aks), 1);
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_lifted_frees_its_cases_within_minutes_and_both_ends_are_told_once() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let id = sim
        .hold(&format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-prod"), minutes(600), "forensics")
        .await;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;
    assert_eq!(sim.starts(&aks), 0);
    Holds::new(sim.store()).lift(&id, Author::by_cli(None), sim.clock.now()).await.unwrap();
    sim.pass(&[&guard], minutes(15)).await;
    assert!(sim.is_running(&aks), "{:?}", sim.told());

    let told = sim.told();
    let of_hold: Vec<_> =
        told.iter().filter(|told| told.contains(" hold: ") || told.contains("hold over")).collect();
    assert_eq!(of_hold.len(), 2, "{told:#?}");
    assert!(of_hold[0].starts_with("opened hold: the guard starts nothing in"), "{of_hold:?}");
    assert!(of_hold[1].contains("again (lifted by CLI, unverified)"), "{of_hold:?}");
    assert_eq!(sim.paths("open/0-holds").await, [""; 0], "nobody has to look at it any more");
    assert_eq!(sim.paths("holds-ended").await.len(), 1);
    assert!(
        sim.paths("bulletins").await.iter().all(|path| !path.contains("hold")),
        "{:?}",
        sim.paths("bulletins").await
    );
}

/// A process listed the hold, and was slow: another one got through with it meanwhile (seed 2580 of the simulation).
#[tokio::test(start_paused = true)]
async fn a_hold_that_was_told_to_its_end_is_not_told_again_by_who_still_sees_it() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    sim.hold("/", minutes(5), "audit").await;
    sim.pass(&[&guard], minutes(15)).await;
    let told = sim.told();
    assert_eq!(told.len(), 2, "{told:#?}");
    let [ended] = sim.paths("holds-ended").await.try_into().unwrap();
    let (_, name) = ended.rsplit_once('/').unwrap();
    let bytes = sim.state.get(&ended.as_str().into()).await.unwrap().bytes().await.unwrap();
    let listed = object_store::path::Path::from(format!("open/0-holds/{name}"));
    sim.state.put(&listed, bytes.into()).await.unwrap();
    sim.pass(&[&guard], minutes(5)).await;
    assert_eq!(sim.told(), told);
    assert_eq!(sim.paths("open/0-holds").await, [""; 0], "nobody has to look at it any more");
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_comes_between_decision_and_start_stops_the_start() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let bytes = sim.hold_bytes("h-1", minutes(600));
    let state = sim.state.clone();
    // One token for the look, one for the POST: by then the record with its intent is written.
    guard.probe.once_before("token", || {});
    guard.probe.once_before("token", move || {
        let path = object_store::path::Path::from("open/0-holds/h-1.json");
        state.put(&path, bytes.into()).now_or_never().unwrap().unwrap();
    });
    sim.deliver(&guard, event).await.unwrap();
    let intent = sim.case(&aks).await.unwrap().intent.unwrap();
    assert!(matches!(intent.state, IntentState::NotSent { .. }), "{intent:?}");
    sim.pass(&[&guard], minutes(30)).await;
    assert_eq!(sim.starts(&aks), 0);
}

#[tokio::test(start_paused = true)]
async fn who_may_hold_is_asked_of_the_policies_and_a_hold_elsewhere_holds_nothing_here() {
    let dana = world::Caller::user("Dana");
    let extra = format!(
        "@id(\"red-button\")\npermit (principal == Caller::\"{}\", action == Action::\"hold\", resource);\n",
        dana.object_id
    );
    let sim = Sim::new(Setup { extra, ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let all = json!({ "all": true, "until": "2026-11-02T12:00Z", "reason": "INC-42" });
    let ask = async |sender: &world::Caller, body: &serde_json::Value| {
        let token = sim.token(sender, AUDIENCE);
        sim.announce(&guard, Announced::Hold, Some(&token), body).await
    };
    assert_eq!(ask(&mallory(), &all).await.status, StatusCode::FORBIDDEN);
    let elsewhere = json!({ "cluster": aks.to_string().replace("aks-1", "aks-2"), "until": "2026-11-02T12:00Z", "reason": "x" });
    assert_eq!(ask(&dana, &elsewhere).await.status, StatusCode::CREATED);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.is_running(&aks));

    let made = ask(&dana, &all).await;
    assert_eq!(
        (made.status, &made.body["hold"]["set_by"]["id"]),
        (StatusCode::CREATED, &json!(dana.object_id))
    );
    assert_eq!(ask(&dana, &all).await.status, StatusCode::OK, "once is enough");
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;
    assert!(!sim.is_running(&aks));
}

#[tokio::test(start_paused = true)]
async fn in_dry_run_a_hold_is_told_to_nobody_and_still_tidied_up() {
    let sim = Sim::new(Setup { mode: Mode::DryRun, ..Setup::default() });
    let guard = sim.process();
    sim.hold("/", minutes(5), "audit").await;
    sim.pass(&[&guard], minutes(10)).await;
    assert_eq!(sim.told(), [""; 0]);
    assert_eq!(sim.paths("open/0-holds").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_can_not_be_read_starts_nothing_and_is_told() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.state.put(&"open/0-holds/odd.json".into(), bytes::Bytes::from("{").into()).await.unwrap();
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;
    assert_eq!(sim.starts(&aks), 0);
    assert!(sim.told().iter().any(|told| told.contains("the hold `odd` can't be read")), "{:?}", sim.told());
}
