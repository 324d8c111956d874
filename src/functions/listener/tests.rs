use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::*;
use crate::functions::envelope::{HttpRequest, RawEvent};
use crate::functions::{Announced, HttpOutput, Outcome};

const PROBE: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

struct Unused;

#[async_trait]
impl Invocations for Unused {
    async fn stop_events(&self, _: Vec<RawEvent>) -> Outcome {
        Outcome::redeliver("unused")
    }

    async fn sweep(&self) -> Outcome {
        Outcome::redeliver("unused")
    }

    async fn evaluate(&self, _: &HttpRequest) -> HttpOutput {
        HttpOutput::error(axum::http::StatusCode::NOT_FOUND, "unused")
    }

    async fn announce(&self, _: Announced, request: &HttpRequest) -> HttpOutput {
        self.evaluate(request).await
    }
}

fn connection() -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    tokio::spawn(serve_connection(server, router(Arc::new(Unused))));
    client
}

async fn probe(client: &mut DuplexStream) -> String {
    client.write_all(PROBE).await.unwrap();
    let mut answer = vec![0; 4_096];
    let length = client.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_far_longer_than_the_host_keeps_it() {
    let mut client = connection();
    assert!(probe(&mut client).await.starts_with("HTTP/1.1 200 OK"));
    sleep(Duration::from_secs(120)).await;
    assert!(probe(&mut client).await.starts_with("HTTP/1.1 200 OK"));
    sleep(CONNECTION_IDLE_MAX - Duration::from_secs(1)).await;
    assert!(probe(&mut client).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_is_closed_in_the_end() {
    let mut client = connection();
    assert!(probe(&mut client).await.starts_with("HTTP/1.1 200 OK"));
    sleep(CONNECTION_IDLE_MAX + Duration::from_secs(1)).await;
    assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_not_waited_for_for_ever() {
    let mut client = connection();
    client.write_all(b"POST /Sweep HTTP/1.1\r\nX: ").await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
}

/// The host sends each request that finds no idle connection on a new one, and keeps that afterwards.
#[tokio::test]
async fn connections_that_their_owner_keeps_leave_room_for_those_that_wait() {
    let listener = bind(0).await.unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(serve(listener, Arc::new(Unused)));
    let mut kept = Vec::new();
    for _ in 0..CONNECTIONS_MAX + 50 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(PROBE).await.unwrap();
        kept.push(connection);
    }
    for connection in &mut kept {
        let mut answer = [0; 15];
        let read = tokio::time::timeout(Duration::from_secs(60), connection.read_exact(&mut answer)).await;
        read.expect("it waits for a place that idle connections hold").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_one_line_that_says_what_to_mend() {
    let taken = bind(0).await.unwrap();
    let port = taken.address().unwrap().port();
    let fault = bind(port).await.unwrap_err().to_string();
    assert_eq!(
        fault.replace(&port.to_string(), "PORT"),
        "port PORT of 127.0.0.1 can't be bound (Address already in use (os error 98)): set FUNCTIONS_CUSTOMHANDLER_PORT \
         to a free port, or end the process that holds it"
    );
}

#[tokio::test]
async fn only_the_loopback_address_is_bound() {
    assert!(bind(0).await.unwrap().address().unwrap().ip().is_loopback());
}
