//! Who is let in, and what every answer tells the browser.

use crate::stored_state::State;
use crate::{Board, client};

#[tokio::test]
async fn only_who_has_the_address_is_let_in() {
    let state = State::new("board-token").await;
    let board = Board::start(&state);
    assert_eq!(board.get("").await.status, 200);
    let token = board.url.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let another = "0".repeat(32);
    for path in [
        "/",
        "",
        "/favicon.ico",
        &format!("/{another}/"),
        &format!("/{another}/closed"),
        &format!("/{}/", &token[..31]),
    ] {
        let answer = board.ask(client().get(format!("{}{path}", board.origin()))).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains(&token), "{}", answer.body);
    }
    let other = Board::start(&state);
    assert_ne!(
        other.url.rsplit('/').nth(1),
        board.url.rsplit('/').nth(1),
        "each start has a token of its own"
    );
}

#[tokio::test]
async fn a_name_that_somebody_points_at_this_machine_is_not_answered() {
    let state = State::new("board-host").await;
    let board = Board::start(&state);
    let port = board.origin().rsplit(':').next().unwrap();
    let status = async |host: String| board.ask(client().get(&board.url).header("host", host)).await.status;
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("evil.example:{port}"), 421),
        (format!("127.0.0.1.evil.example:{port}"), 421),
        ("127.0.0.1:1".to_owned(), 421),
        ("127.0.0.1".to_owned(), 421),
        ("localhost".to_owned(), 421),
    ] {
        assert_eq!(status(host.clone()).await, expected, "{host}");
    }
}

#[tokio::test]
async fn every_answer_forbids_the_browser_all_but_the_page() {
    let state = State::new("board-headers").await;
    let board = Board::start(&state);
    let missing = format!("case/{}-17", "0".repeat(32));
    let wrong = client().get(format!("{}/", board.origin()));
    for answer in [
        board.get("").await,
        board.get("?part=live").await,
        board.get("closed?cluster=x").await,
        board.get(&missing).await,
        board.get("nothing").await,
        board.ask(client().post(&board.url)).await,
        board.ask(wrong).await,
    ] {
        let header =
            |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "connect-src 'self'",
            "form-action 'self'",
        ] {
            assert!(policy.split("; ").any(|found| found == part), "{part}: {policy}");
        }
        assert!(policy.contains("script-src 'sha256-") && policy.contains("style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert!(answer.headers.get("set-cookie").is_none());
    }
}

#[tokio::test]
async fn pages_can_be_read_and_nothing_else() {
    let state = State::new("board-methods").await;
    let board = Board::start(&state);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = board.ask(client().request(method.clone(), &board.url)).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET");
    }
    let long = format!("closed?cluster={}", "x".repeat(3_000));
    assert_eq!(board.get(&long).await.status, 414);
}

#[tokio::test]
async fn it_listens_on_this_machine_only_and_ends_cleanly() {
    let state = State::new("board-end").await;
    let board = Board::start(&state);
    let port: u16 = board.origin().rsplit(':').next().unwrap().parse().unwrap();
    // Another address of this machine: all of 127.0.0.0/8 is.
    assert!(std::net::TcpStream::connect(("127.0.0.2", port)).is_err());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert_eq!(board.get("").await.status, 200);
    let (code, said) = board.interrupt();
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "open this address in a browser on this machine; Ctrl-C ends it\n")
    );
}
