//! `report` over cases in a real store.

use aks_stop_guard::store::StatePath;
use serde_json::{Value, json};

use crate::replay::{cluster, days_ago};
use crate::stored_state::State;
use crate::timeless;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_is_read_from_closed_and_open_cases_and_says_what_it_could_not_read() {
    let state = State::new("report-month").await;
    state.closed("a", days_ago(3), true).await;
    state.closed("b", days_ago(2), false).await;
    state.held("c", days_ago(1)).await;
    state.closed("old", days_ago(40), false).await;
    state.closed("lost", days_ago(4), false).await;
    state.store.delete(&StatePath::cluster(&cluster("lost").key())).await.unwrap();

    let done = state.command(&["report"]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let told = timeless(&done.out);
    let begin: Vec<&str> = told.lines().take(5).collect();
    assert_eq!(
        begin,
        [
            "3 stops of 3 clusters by 1 caller, from <time> to <time>",
            "careful: 1 case could not be read: counted nowhere below",
            "",
            "verdicts          1 authorised, 2 not authorised",
            "ended             1 restarted by the guard, 0 running again without it, 0 deleted, 1 left as authorised; 1 open",
        ]
    );

    let done = state.command(&["report", "--since", "60d", "-o", "json"]).await;
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&told["stops"], &told["unreadable"]), (&json!(4), &json!(1)));
    assert_eq!(told["restore"]["byGuard"]["medianSeconds"], json!(540));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_goes_to_a_file_and_a_file_that_cannot_be_written_is_named() {
    let state = State::new("report-page").await;
    state.closed("a", days_ago(3), false).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("month.html").display().to_string();
    let done = state.command(&["report", "-o", "html", "--file", &file]).await;
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "", ""));
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n") && page.contains("a in rg"));

    let nowhere = folder.path().join("none/month.html").display().to_string();
    let done = state.command(&["report", "--file", &nowhere]).await;
    assert_eq!((done.code, done.out.as_str(), done.err.lines().count()), (1, "", 1), "{}", done.err);
    assert!(done.err.contains(&nowhere), "{}", done.err);
}
