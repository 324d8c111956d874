//! `echo-server PORT`: answers `GET /`, and `POST` anywhere with the JSON that it got, read and written anew. The rate at which the guard
//! answers events that are of no use to it is measured against this, so it has the guard's dependencies for serving and for JSON, its
//! number of threads and its release profile.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;

/// As many as `aks-stop-guard serve` has.
const WORKERS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: echo-server PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        // As the guard does: otherwise the end of an answer waits for the acknowledgement of its beginning.
        let listener = listener.tap_io(|stream| {
            let _only_slower_without = stream.set_nodelay(true);
        });
        axum::serve(listener, Router::new().route("/", get(|| async { "{}" })).fallback(echo)).await?;
        Ok(())
    })
}

async fn echo(body: Bytes) -> Response {
    let echoed =
        serde_json::from_slice::<serde_json::Value>(&body).and_then(|value| serde_json::to_vec(&value));
    match echoed {
        Ok(echoed) => ([(header::CONTENT_TYPE, "application/json")], echoed).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
