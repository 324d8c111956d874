//! The host goes away: in good order, or without a word.

use std::process::Command;

use simulator::host::Shutdown;
use simulator::world::Caller;

use crate::theatre::{RETAIL, Theatre, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_shuts_down_in_the_middle_leaves_a_case_that_the_next_one_finishes() {
    let mut theatre = Theatre::set("e2e-shutdown").await;
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    theatre.stop(&cluster, &Caller::user("bob"));
    theatre.until("the start was accepted", |it| it.starts(&cluster) == 1).await;
    let end = theatre.stage.take_host().unwrap().shutdown().await;
    assert_eq!(end, Shutdown::Drained, "calls in flight end soon: nothing waits for a start");
    theatre.stage.start_host().await.unwrap();
    theatre.until_restored(std::slice::from_ref(&cluster)).await;
    theatre.curtain();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_whose_host_died_works_on_without_its_pipe_and_does_no_harm_beside_its_successor() {
    let mut theatre = Theatre::set("e2e-orphan").await;
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    theatre.stop(&cluster, &Caller::user("bob"));
    theatre.until("the start was accepted", |it| it.starts(&cluster) == 1).await;
    let host = theatre.stage.take_host().unwrap();
    let port = host.handler_port();
    let orphan = Orphan(host.orphan().await.unwrap());
    theatre.stage.start_host().await.unwrap();
    theatre.until("the orphan sweeps while its successor works", |it| it.is_running(&cluster)).await;
    sweep(port).await;
    theatre.until_restored(std::slice::from_ref(&cluster)).await;
    sweep(port).await;
    drop(orphan);
    assert_eq!(theatre.starts(&cluster), 1);
    theatre.curtain();
}

/// A timer invocation, sent past the host. The orphan logs into a closed pipe while it works on it.
async fn sweep(port: u16) {
    let response = client()
        .post(format!("http://127.0.0.1:{port}/Sweep"))
        .header("content-type", "application/json")
        .body(r#"{"Data":{"timer":{"Schedule":{"AdjustForDST":true}}},"Metadata":{}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let answer: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert!(answer.is_object(), "{answer}");
}

/// A process that outlived its host.
struct Orphan(u32);

impl Drop for Orphan {
    fn drop(&mut self) {
        // A failed test is told by its assertion, not by this.
        let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
    }
}
