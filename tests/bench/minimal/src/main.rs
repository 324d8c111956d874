//! `minimal-server PORT`: answers `GET /` on 127.0.0.1 with axum, and does nothing else. The guard's start is measured
//! against it, so it has the guard's dependencies for serving, its number of threads and its release profile.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::Router;
use axum::routing::get;

/// As many as `aks-stop-guard serve` has.
const WORKERS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: minimal-server PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        axum::serve(listener, Router::new().route("/", get(|| async { "{}" }))).await?;
        Ok(())
    })
}
