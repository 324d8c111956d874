//! What the pages show.

use aks_stop_guard::domain::Scope;
use aks_stop_guard::domain::grant::{Author, Way};
use aks_stop_guard::guard::Holds;
use aks_stop_guard::store::StatePath;
use jiff::SignedDuration;

use crate::stored::{Kind, made, put_heartbeat};
use crate::stored_state::State;
use crate::{Board, now};

#[tokio::test]
async fn the_overview_shows_open_cases_clusters_sinks_holds_and_the_guard() {
    let state = State::new("board-overview").await;
    let (store, at) = (&state.store, now());
    let begun = at - SignedDuration::from_mins(15);
    let (held, restarting) = (made(Kind::Held, 1, begun, None), made(Kind::Restarting, 2, begun, None));
    for case in [&held, &restarting, &made(Kind::Restored, 3, begun, None)] {
        case.put(store).await;
    }
    put_heartbeat(store, at).await;
    let by = Author { id: None, name: None, via: Way::Cli };
    let until = at + SignedDuration::from_hours(2);
    Holds::new(store.clone())
        .add(None, Scope::Everywhere, until, "network <maintenance>", (by, at))
        .await
        .unwrap();
    let board = Board::start(&state);
    // Each part is there when it was read.
    for text in [
        "2 open cases",
        &format!(
            "href=\"{}case/{}\"",
            board.url.strip_prefix(board.origin()).unwrap().replace('/', "&#x2f;"),
            held.id()
        ),
        "<span class=\"badge bad\">held</span>",
        "<span class=\"badge busy\">restarting</span>",
        "a hold forbids starts: audit by Ada",
        "mallory@contoso.com",
        ">14m</td>",
        "wait for people",
        "running when last seen",
        "the sink answered 503",
        "network &lt;maintenance&gt;",
        "<strong>mode</strong> act",
        "2 open, 1 held",
    ] {
        board.get_until("", text).await;
    }
    let part = board.get("?part=live").await.body;
    assert!(part.starts_with("<h1>2 open cases</h1>"), "{part}");
    assert!(!part.contains("<script"), "{part}");
}

#[tokio::test]
async fn a_case_is_told_as_cases_show_tells_it_with_a_picture() {
    let state = State::new("board-case").await;
    let begun = now() - SignedDuration::from_mins(15);
    let open = made(Kind::Held, 1, begun, None);
    let closed = made(Kind::Restored, 2, begun, None);
    open.put(&state.store).await;
    closed.put(&state.store).await;
    let board = Board::start(&state);
    let page = board.get(&format!("case/{}", open.id())).await;
    assert_eq!(page.status, 200);
    for text in [
        "What to do",
        "<code>aks-stop-guard hold list</code>",
        "<svg class=\"timeline\" role=\"img\"",
        "class=\"down\"",
        "stopped by night-pipeline (service-principal)",
        "unauthorised: no policy allows it",
        "data-every=\"5\"",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    let page = board.get(&format!("case/{}", closed.id())).await.body;
    for text in ["restored", "class=\"running\"", "Azure accepted the start", "data-every=\"30\""] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[tokio::test]
async fn a_case_that_there_is_not_is_named() {
    let state = State::new("board-none").await;
    let board = Board::start(&state);
    let id = format!("{}-1789408810", "0".repeat(32));
    let answer = board.get(&format!("case/{id}")).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("the state has no record of its cluster"), "{}", answer.body);
    for wrong in ["case/x", "case/", "case/../..", "nothing", "closed/x"] {
        assert_eq!(board.get(wrong).await.status, 404, "{wrong}");
    }
}

#[tokio::test]
async fn closed_cases_are_found_by_cluster_end_and_day() {
    let state = State::new("board-closed").await;
    let days = |days: i64| now() - SignedDuration::from_hours(24 * days);
    let (newer, older) = (made(Kind::Restored, 1, days(1), None), made(Kind::Restored, 2, days(3), None));
    let too_old = made(Kind::Restored, 3, days(40), None);
    for case in [&newer, &older, &too_old] {
        case.put(&state.store).await;
    }
    let board = Board::start(&state);
    let page = board.get_until("closed", "2 of 2 cases").await;
    let place = |page: &str, id: String| page.find(&id);
    assert!(place(&page, newer.id()).unwrap() < place(&page, older.id()).unwrap(), "the newest day first");
    assert_eq!(place(&page, too_old.id()), None);
    let day = |days_ago: i64| (days(days_ago) + SignedDuration::from_secs(400)).strftime("%F").to_string();
    for (query, expected) in [
        ("cluster=PROD-0002".to_owned(), (false, true)),
        ("cluster=nothing".to_owned(), (false, false)),
        ("state=restored".to_owned(), (true, true)),
        ("state=gone".to_owned(), (false, false)),
        (format!("day={}", day(3)), (false, true)),
        (format!("day={}&cluster=0001&state=", day(1)), (true, false)),
    ] {
        let page = board.get(&format!("closed?{query}")).await.body;
        let found = (page.contains(&newer.id()), page.contains(&older.id()));
        assert_eq!(found, expected, "{query}");
    }
    let page = board.get("closed?cluster=%22%3E%3Cscript%3E").await.body;
    assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\""), "{page}");
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_shown() {
    let state = State::new("board-damaged").await;
    let begun = now() - SignedDuration::from_mins(5);
    let (good, damaged) = (made(Kind::Held, 1, begun, None), made(Kind::Held, 2, begun, None));
    let newer = made(Kind::Held, 3, begun, None);
    for case in [&good, &damaged, &newer] {
        case.put(&state.store).await;
    }
    state.store.put(&StatePath::cluster(&damaged.marker.key), "{\"<b>").await.unwrap();
    state.store.put(&StatePath::cluster(&newer.marker.key), r#"{"v":9,"min_writer":9}"#).await.unwrap();
    state.store.put(&StatePath::heartbeat(), r#"{"v":9}"#).await.unwrap();
    let board = Board::start(&state);
    let page = board.get_until("", "1 open case<").await;
    for text in [
        format!("clusters&#x2f;{}.json: the record is damaged", damaged.marker.key),
        format!("clusters&#x2f;{}.json: the record needs version 9", newer.marker.key),
        good.id(),
    ] {
        assert!(page.contains(&text), "{text}: {page}");
    }
    assert!(page.contains("heartbeat.json"), "{page}");
}
