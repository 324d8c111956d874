//! A desk on a loopback port.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::desk::{Answer, Desk, Reply, Service};
use crate::http::now;

/// A body longer than this is not read: past every service's own limit.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A service on a loopback port. Dropping it ends the server and its connections.
#[derive(Debug)]
pub struct Served<S> {
    url: String,
    desk: Arc<Mutex<Desk<S>>>,
    server: JoinHandle<()>,
}

impl<S: Service> Served<S> {
    /// Serves it on 127.0.0.1, on a port that the system chooses.
    pub async fn start(service: S) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let desk = Arc::new(Mutex::new(Desk::new(service)));
        let server = tokio::spawn(accept(listener, Arc::clone(&desk)));
        Ok(Self { url, desk, server })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The desk. Locked for as long as the guard is held: don't hold it over an `await`.
    pub fn desk(&self) -> MutexGuard<'_, Desk<S>> {
        lock(&self.desk)
    }
}

impl<S> Drop for Served<S> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock<S>(desk: &Mutex<Desk<S>>) -> MutexGuard<'_, Desk<S>> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept<S: Service>(listener: TcpListener, desk: Arc<Mutex<Desk<S>>>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // An accept fails when descriptors run out or the peer has gone: the next one may work.
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve_connection(stream, Arc::clone(&desk)));
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn serve_connection<S: Service>(stream: TcpStream, desk: Arc<Mutex<Desk<S>>>) {
    let service = hyper::service::service_fn(move |request| answer(request, Arc::clone(&desk)));
    // An error here is a client that went away or a connection cut on purpose: nobody is left to tell.
    let _ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Makes hyper close the connection without an answer.
#[derive(Debug, Error)]
#[error("the connection is cut on purpose")]
struct CutOnPurpose;

async fn answer<S: Service>(
    request: Request<Incoming>,
    desk: Arc<Mutex<Desk<S>>>,
) -> Result<Response<axum::body::Body>, CutOnPurpose> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(axum::body::Body::new(body), BODY_BYTES_MAX).await else {
        return Ok(response(&Answer::text(413, "too large")));
    };
    let reply = handle(&desk, &Request::from_parts(parts, body), now());
    match reply {
        Reply::Now(answer) => Ok(response(&answer)),
        Reply::After(time, answer) => {
            tokio::time::sleep(time).await;
            Ok(response(&answer))
        }
        Reply::Cut => Err(CutOnPurpose),
    }
}

fn handle<S: Service>(desk: &Mutex<Desk<S>>, request: &Request<Bytes>, now: Timestamp) -> Reply {
    lock(desk).handle(request, now)
}

fn response(answer: &Answer) -> Response<axum::body::Body> {
    answer.response().map(axum::body::Body::from)
}
