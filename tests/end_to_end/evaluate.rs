//! An operator asks what would be decided.

use serde_json::Value;
use simulator::World;
use simulator::http::now;
use simulator::world::{Caller, ClusterId, NewCluster, RequestKind};

use crate::theatre::{RETAIL, Theatre, client, pipeline};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evaluate_explains_a_decision_changes_nothing_and_keeps_the_key_to_itself() {
    let theatre = Theatre::set("e2e-evaluate").await;
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    let (url, key) = {
        let host = theatre.stage.host().unwrap();
        (format!("{}/api/Evaluate", host.url()), host.keys().function.clone())
    };
    let ask = async |event: Value, key: Option<&str>| {
        let mut request = client().post(&url).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("x-functions-key", key);
        }
        let response = request.body(event.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let unauthorised = event(&cluster, &Caller::user("bob"));

    let (status, _) = ask(unauthorised.clone(), None).await;
    assert_eq!(status, 401);

    let (status, body) = ask(unauthorised.clone(), Some(&key)).await;
    assert_eq!(status, 200, "{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["caller"], "bob@contoso.com");
    assert_eq!(told["cluster"], cluster.to_string());
    assert_eq!(told["decision"]["verdict"]["authorised"], false, "{told:#}");

    let (status, body) = ask(event(&cluster, &pipeline()), Some(&key)).await;
    assert_eq!(status, 200, "{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["decision"]["verdict"]["authorised"], true, "{told:#}");
    assert_eq!(told["decision"]["verdict"]["policies"], serde_json::json!(["pipeline"]), "{told:#}");

    // By its query too, where a careless handler would log it with the URL.
    let by_query = client().post(format!("{url}?code={key}")).body(unauthorised.to_string());
    assert_eq!(by_query.send().await.unwrap().status(), 200);

    let log = theatre.stage.host().unwrap().log().entries();
    assert!(
        log.iter().any(|entry| entry.message.contains("serving on 127.0.0.1")),
        "the guard's log is here"
    );
    assert!(!log.iter().any(|entry| entry.message.contains(&key)));
    assert_eq!(theatre.stage.azure.world().journal().requests(RequestKind::Start, None), 0);
    assert_eq!(theatre.incidents(), []);
    theatre.until_open_cases_are(0).await;
    theatre.curtain();
}

/// The event of a stop that happened in another world.
fn event(cluster: &ClusterId, caller: &Caller) -> Value {
    let mut world = World::default();
    let stopped = now();
    world.create_cluster(NewCluster::new(cluster.clone()), stopped).unwrap();
    world.stop(cluster, caller, stopped).unwrap();
    let ended = world.next_due().unwrap();
    world.take_events(ended)[0].event_grid()
}
