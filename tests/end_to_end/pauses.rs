//! SIGSTOP: the process stands still between its decision and its deed, and time goes on without it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use simulator::world::{Caller, RequestKind};

use crate::blob_proxy::{Gate, Meddling};
use crate::theatre::{RETAIL, SPEED_UP, Theatre};

/// How long the process stands still, in Azure's time: far longer than an intent is valid (20 s) and others wait for it (120 s).
const STANDS_STILL: Duration = Duration::from_secs(4 * 60);
/// What a record holds whose intent is about to be carried out.
const PLANNED: &str = r#""is":"planned""#;

/// Rule 14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stood_still_between_its_intent_and_the_start_does_not_send_it() {
    let (gate, first) = (Arc::new(Gate::default()), AtomicBool::new(true));
    let held = Arc::clone(&gate);
    let theatre = Theatre::with_proxy("e2e-sigstop", move |seen| {
        let is_intent = seen.is_write() && seen.path.contains("/clusters/") && holds(seen.body, PLANNED);
        if is_intent && first.swap(false, Ordering::SeqCst) {
            Meddling::HoldAfter(Arc::clone(&held))
        } else {
            Meddling::Pass
        }
    })
    .await;
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    theatre.stop(&cluster, &Caller::user("bob"));
    tokio::time::timeout(Duration::from_secs(60), gate.reached()).await.expect("an intent is written");
    let process = theatre.stage.host().unwrap().handler_pid().unwrap();
    signal("STOP", process);
    gate.open();
    let requests = || theatre.stage.azure.world().journal().requests(RequestKind::Start, None);
    tokio::time::sleep(STANDS_STILL / SPEED_UP).await;
    assert_eq!(requests(), 0, "it stands still");
    signal("CONT", process);

    theatre.until_restored(std::slice::from_ref(&cluster)).await;
    let record = theatre.archived_case(&cluster).await;
    assert!(record.contains("the look it relies on is too old by now"), "{record}");
    assert_eq!(requests(), 1, "the first intent was void");
    theatre.curtain();
}

fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap();
    assert!(status.success());
}
