use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use simulator::corpus::corpus;

use super::closed_view::Filter;
use super::refresh::WAIT_MAX;
use super::site::Site;
use super::*;
use crate::case::{Episode, Held, Record};
use crate::cli::stored::troubled::{Trouble, Troubled};
use crate::store::{CasePath, OpenMarker, StatePath};

/// All of the store says no.
const AWAY: Option<(&str, Trouble)> = Some(("", Trouble::Denies));

/// A board over a store in memory, at a time that stands still.
struct Desk {
    objects: Arc<Troubled>,
    board: Arc<Board>,
    site: Site,
}

impl Desk {
    fn new() -> Self {
        let objects = Arc::new(Troubled::default());
        let store = Store::over(objects.clone(), objects.clone());
        let now: Timestamp = "2026-09-14T18:15:10Z".parse().unwrap();
        let board = Arc::new(Board::new(store, Box::new(move || now)));
        Self { objects, board, site: Site::new("/token/".to_owned()).unwrap() }
    }

    async fn put(&self, record: &Record) -> OpenMarker {
        let marker = OpenMarker { key: record.cluster.key(), generation: record.generation };
        let store = &self.board.store;
        store.put(&StatePath::cluster(&marker.key), record.encode().unwrap()).await.unwrap();
        let open = StatePath::open_marker(&marker);
        store.put(&open, record.cluster.lower().to_owned()).await.unwrap();
        marker
    }

    async fn overview(&self) -> String {
        self.board.look().await;
        self.site.overview(&self.board, true).unwrap().html
    }

    async fn closed(&self) -> String {
        self.board.look_at_closed().await;
        self.site.closed(&self.board, &Filter::default(), true).unwrap().html
    }

    async fn case(&self, id: &OpenMarker) -> String {
        let case = self.board.case(id).await;
        self.site.case(id, case, self.board.now(), true).unwrap().html
    }
}

fn held() -> Record {
    Record::decode(include_str!("../../../tests/records/v1_held.json").as_bytes()).unwrap()
}

async fn later() {
    tokio::time::advance(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_what_was_known_last_is_shown_with_its_age() {
    let desk = Desk::new();
    let id = desk.put(&held()).await;
    let (overview, case) = (desk.overview().await, desk.case(&id).await);
    assert!(overview.contains("1 open case<") && !overview.contains("Not read"), "{overview}");
    desk.objects.be(AWAY);
    later().await;
    for (page, what) in
        [(desk.overview().await, "the cases"), (desk.case(&id).await, "the store denied access")]
    {
        assert!(
            page.contains("aks-prod-01") && page.contains("waiting for people")
                || page.contains("audit by Ada"),
            "{page}"
        );
        assert!(page.contains(&format!("<strong>Not read:</strong> {what}")), "{page}");
        assert!(page.contains("Shown is what was known at 2026-09-14 18:15:10 UTC"), "{page}");
    }
    desk.objects.be(None);
    later().await;
    assert_eq!((desk.overview().await, desk.case(&id).await), (overview, case));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_never_there_is_named() {
    let desk = Desk::new();
    desk.objects.be(AWAY);
    let page = desk.overview().await;
    assert!(page.contains("<strong>Not read:</strong> the cases") && page.contains("the holds"), "{page}");
    assert!(page.contains("Reading the state"), "nothing is known: not that nothing is open: {page}");
    for part in ["guard", "clusters", "sinks", "holds", "grants"] {
        let (_, shown) = page.split_once(&format!("<section aria-labelledby=\"{part}\">")).unwrap();
        let (shown, _) = shown.split_once("</section>").unwrap();
        assert!(shown.contains("not read yet"), "nor that there is none: {shown}");
    }
    let page = desk.closed().await;
    assert!(page.contains("<strong>Not read:</strong> the closed cases"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn however_many_look_the_state_is_read_once_and_only_what_changed() {
    let desk = Desk::new();
    desk.put(&held()).await;
    desk.objects.asked();
    join_all((0..50).map(|_| desk.overview())).await;
    let (heartbeat, record, lists) = (1, 1, 5);
    assert_eq!(desk.objects.asked(), (heartbeat + record, lists));
    desk.overview().await;
    assert_eq!(desk.objects.asked(), (0, 0), "it is fresh");
    later().await;
    desk.overview().await;
    assert_eq!(desk.objects.asked(), (heartbeat, lists), "the record did not change");
    let mut changed = held();
    changed.writer = "another".to_owned();
    desk.put(&changed).await;
    later().await;
    desk.overview().await;
    assert_eq!(desk.objects.asked(), (heartbeat + record, lists));
}

#[tokio::test(start_paused = true)]
async fn a_case_is_read_once_for_all_who_ask_at_the_same_time() {
    let desk = Desk::new();
    let id = desk.put(&held()).await;
    desk.objects.asked();
    join_all((0..50).map(|_| desk.case(&id))).await;
    assert_eq!(desk.objects.asked(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_cannot_be_read_is_shown_as_one_without_an_end() {
    let desk = Desk::new();
    let name = crate::store::PathName::parse("damaged").unwrap();
    desk.board.store.put(&StatePath::hold(&name), "{").await.unwrap();
    let page = desk.overview().await;
    assert!(
        page.contains("the hold `damaged` can&#x27;t be read") && !page.contains(" more, until"),
        "{page}"
    );
}

#[tokio::test(start_paused = true)]
async fn closed_cases_are_read_once() {
    let desk = Desk::new();
    let record = Record::decode(include_str!("../../../tests/records/v1_closing.json").as_bytes()).unwrap();
    let marker = OpenMarker { key: record.cluster.key(), generation: record.generation };
    let Episode::Closing(closing) = record.episode.clone() else { panic!("it is closing") };
    desk.put(&record).await;
    let store = &desk.board.store;
    store.archive(&CasePath::new(&marker, closing.closed_at), closing.body).await.unwrap();
    let damaged = OpenMarker { generation: 17, ..marker.clone() };
    store.archive(&CasePath::new(&damaged, closing.closed_at), "{").await.unwrap();
    desk.objects.asked();
    let page = desk.closed().await;
    assert!(page.contains("1 of 1 cases") && page.contains("-17.json: it is damaged"), "{page}");
    let (first, _) = desk.objects.asked();
    assert_eq!(first, 3, "two cases, and the record that names the cluster");
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(desk.closed().await, page);
    assert_eq!(desk.objects.asked().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_does_not_wait_long_for_the_store() {
    let turn = Turn::new();
    let began = tokio::time::Instant::now();
    turn.take(FRESH_FOR, |reading| async move {
        let _until_done = reading;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(began.elapsed(), WAIT_MAX);
    later().await;
    let second = turn.take(FRESH_FOR, |_| async { panic!("the first one still reads") });
    tokio::pin!(second);
    assert!(second.as_mut().now_or_never().is_none());
    second.await;
}

#[tokio::test(start_paused = true)]
async fn reading_that_panics_ends_and_is_done_again() {
    let turn = Turn::new();
    turn.take(FRESH_FOR, |reading| async move {
        let _until_done = reading;
        panic!("a bug");
    })
    .await;
    later().await;
    let read = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&read);
    turn.take(FRESH_FOR, |reading| async move {
        done.store(true, Ordering::SeqCst);
        drop(reading);
    })
    .await;
    assert!(read.load(Ordering::SeqCst));
}

/// A record in which somebody chose every text that can be chosen.
fn chosen(text: &str) -> Record {
    let mut record = held();
    let some = || Some(text.to_owned());
    if let Episode::Held(case) = &mut record.episode {
        for stop in &mut case.stops {
            stop.caller.upn = some();
            stop.caller.name = some();
            stop.caller.object_id = some();
            stop.caller.app_id = some();
            stop.caller.tenant = some();
            stop.claimed = Some(Box::new(stop.caller.clone()));
            stop.correlation_id = some();
            stop.event_id = text.to_owned();
            stop.granted = some();
            stop.allowed_by = Some(vec![text.to_owned()]);
        }
        if let Some(verdict) = &mut case.verdict {
            verdict.policies = vec![text.to_owned()];
            verdict.errors = vec![text.to_owned()];
            verdict.policy_hash = text.to_owned();
        }
        case.held = Some(Held::Hold { reason: text.to_owned() });
        case.fault = some();
        case.timeline.iter_mut().for_each(|entry| entry.text = text.to_owned());
    }
    for message in &mut record.outbox {
        message.incident.title = text.to_owned();
        for pending in &mut message.pending {
            pending.sink = text.to_owned();
            pending.failure = some();
        }
    }
    record
}

/// A page's markup: what stands in angle brackets. Code in a line is markup of ours, and backticks are anybody's.
fn markup(page: &str) -> Vec<String> {
    let page = page.replace("<code>", "").replace("</code>", "");
    let tags = page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap());
    // The one attribute that holds a text.
    let bare = |tag: &str| match tag.split_once(" data-title=\"") {
        Some((before, after)) => format!("{before}{}", after.split_once('"').map_or(after, |(_, rest)| rest)),
        None => tag.to_owned(),
    };
    tags.map(bare).collect()
}

async fn pages(text: &str) -> [String; 2] {
    let desk = Desk::new();
    let id = desk.put(&chosen(text)).await;
    [desk.overview().await, desk.case(&id).await]
}

#[tokio::test(start_paused = true)]
async fn no_hostile_text_becomes_markup_of_a_page() {
    let harmless = pages("harmless").await;
    assert!(harmless.iter().all(|page| page.contains("harmless")), "{harmless:?}");
    let mut broken = Vec::new();
    for hostile in corpus() {
        // A record that is longer is none of the guard's.
        let text: String = hostile.text.chars().take(4_000).collect();
        for (page, expected) in pages(&text).await.iter().zip(&harmless) {
            if markup(page) != markup(expected) || page.contains(['\u{1b}', '\u{202e}', '\u{200b}']) {
                broken.push(hostile.name);
            }
        }
    }
    assert_eq!(broken, Vec::<&str>::new());
}

#[tokio::test]
async fn a_text_that_is_put_in_as_it_is_would_be_found() {
    let [page, _] = pages("harmless").await;
    assert_ne!(markup(&page), markup(&page.replace("harmless", "<b>harmless</b>")));
}
