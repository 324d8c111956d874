//! The real HTTP client, on loopback.

use std::time::Duration;

use aks_stop_guard::azure::transport::BODY_BYTES_MAX;
use aks_stop_guard::azure::{HttpTransport, Transport, TransportError};
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::double::fixture;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Serves the given raw answers, a connection each; gives its address and, at the end, the heads of the requests.
pub(crate) async fn serve(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            heads.push(String::from_utf8(head).unwrap());
            // The client may hang up on an answer that is too long.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        heads
    });
    (origin, served)
}

pub(crate) fn raw(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn request(method: &str, url: &str) -> Request<Bytes> {
    Request::builder().method(method).uri(url).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (origin, served) = serve(vec![raw("307 Temporary Redirect", "location: /elsewhere\r\n", "")]).await;
    let response = HttpTransport::new().send(request("GET", &origin), TIMEOUT).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_post_says_that_it_is_empty_and_who_sends_it() {
    let (origin, served) = serve(vec![raw("202 Accepted", "", "")]).await;
    let mut post = request("POST", &origin);
    post.headers_mut().insert("content-length", http::HeaderValue::from_static("0"));
    HttpTransport::new().send(post, TIMEOUT).await.unwrap();
    let head = served.await.unwrap().remove(0).to_lowercase();
    assert!(head.starts_with("post / http/1.1\r\n"), "{head}");
    assert_eq!(head.matches("content-length: 0\r\n").count(), 1, "{head}");
    assert!(head.contains("user-agent: aks-stop-guard/"), "{head}");
}

#[tokio::test]
async fn signed_polling_urls_of_several_kilobytes_come_through() {
    let long = fixture("start/202_headers_signed_long_urls.json");
    let url = long["headers"]["azure-asyncoperation"].as_str().unwrap();
    assert!(url.len() > 2_500);
    let headers = format!("azure-asyncoperation: {url}\r\nlocation: {url}\r\n");
    let (origin, _served) = serve(vec![raw("202 Accepted", &headers, "")]).await;
    let response = HttpTransport::new().send(request("POST", &origin), TIMEOUT).await.unwrap();
    assert_eq!(response.headers()["azure-asyncoperation"], url);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_kept() {
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(BODY_BYTES_MAX + 1));
    for answer in [announced, endless] {
        let (origin, _served) = serve(vec![answer]).await;
        let read = HttpTransport::new().send(request("GET", &origin), TIMEOUT).await;
        assert_eq!(read.unwrap_err(), TransportError::TooLarge);
    }
    let (origin, _served) = serve(vec![raw("200 OK", "", &"x".repeat(BODY_BYTES_MAX))]).await;
    let read = HttpTransport::new().send(request("GET", &origin), TIMEOUT).await.unwrap();
    assert_eq!(read.body().len(), BODY_BYTES_MAX);
}

#[tokio::test]
async fn a_closed_port_proves_that_nothing_was_sent_and_a_cut_answer_does_not() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let closed = format!("http://{}/?sig=canary", listener.local_addr().unwrap());
    drop(listener);
    let error = HttpTransport::new().send(request("POST", &closed), TIMEOUT).await.unwrap_err();
    assert!(error.nothing_was_sent(), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");

    for cut in ["", "HTTP/1.1 202 Acc", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let (origin, _served) = serve(vec![cut.to_owned()]).await;
        let error = HttpTransport::new().send(request("POST", &origin), TIMEOUT).await.unwrap_err();
        assert!(matches!(error, TransportError::Broken(_)), "{cut}: {error:?}");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_the_time_out() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_millis(50);
    let error = HttpTransport::new().send(request("POST", &origin), timeout).await.unwrap_err();
    assert_eq!(error, TransportError::TimedOut);
}
