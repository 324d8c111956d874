//! Broken policies do not switch the guard off.

use simulator::delivery::Answer;
use simulator::world::Caller;

use crate::theatre::{RETAIL, Theatre, pipeline_policy};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_broken_policies_a_stop_is_kept_and_told_and_decided_once_they_are_mended() {
    let theatre = Theatre::with_policy("e2e-degraded", "permit (principal, action, resource").await;
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    theatre.stop(&cluster, &Caller::user("bob"));
    theatre.until("the event was taken", |it| !it.stage.attempts().is_empty()).await;
    assert_eq!(theatre.stage.attempts()[0].answer, Answer::Status(202));
    theatre.until_open_cases_are(1).await;
    theatre.until("people are told that the guard is broken", |it| !it.incidents().is_empty()).await;
    let incidents = theatre.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!((incidents[0].severity.as_str(), incidents[0].state.as_str()), ("critical", "opened"));
    assert!(incidents[0].next.iter().any(|what| what.contains("test.cedar")), "{incidents:#?}");
    assert_eq!(theatre.starts(&cluster), 0);
    assert!(theatre.log().contains("degraded"), "{}", theatre.log());

    theatre.stage.write_policy("test.cedar", &pipeline_policy()).unwrap();
    theatre.stage.host().unwrap().kill_child().await;
    theatre.until_restored(std::slice::from_ref(&cluster)).await;
    theatre
        .until("it is told as mended", |it| {
            it.incidents().iter().all(|incident| incident.state == "resolved")
        })
        .await;
    theatre.curtain();
}
