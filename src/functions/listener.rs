//! The socket: 127.0.0.1 and nothing else, and connections that are kept as long as the host may want them.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::map_response_with_state;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use super::invocation::Invocations;
use super::server::router;

/// Connections at once. The host opens one for each event that it has in flight and limits nothing: a batch may bring 5,000.
/// Each takes about 20 KiB here, so 5,000 of them are 100 MiB; these are 2.5, twice as many as are worked on at once. Further ones wait in the backlog of the socket,
/// where they take nothing of this process; as long as there may be some, connections are closed with their answers.
pub const CONNECTIONS_MAX: usize = 128;

/// Connections that the kernel keeps until they are accepted: as many as Linux lets it by default (`net.core.somaxconn`). One
/// beyond that is not refused either; its sender tries again after a second.
const BACKLOG: u32 = 4_096;

/// When an idle connection is closed. The host closes after about 72 s (measured on host 4.1037); if we closed one first
/// and a POST crossed with it, the host would fail the invocation. So this is only for connections that nobody owns any
/// more. It bounds a request head that does not end as well.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(600);

/// Bytes of a request's head, and of the buffer that a connection reads into.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Pause after a connection that could not be accepted: if file descriptors ran out, trying at once gains nothing.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port can't be had. There is nothing to do without it: the process ends, and not with 0, which the host
/// would take for a handler that lives.
#[derive(Debug, thiserror::Error)]
#[error(
    "port {port} of 127.0.0.1 can't be bound ({reason}): set FUNCTIONS_CUSTOMHANDLER_PORT to a free port, or end the process that holds it"
)]
pub struct Unbindable {
    port: u16,
    reason: io::Error,
}

/// A socket that listens, from the moment that it exists.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// The address, with the port that was chosen if it was bound with port 0.
    ///
    /// # Errors
    /// The socket does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Listens on a port of 127.0.0.1: the host talks to no other address, and the envelope carries no authentication.
///
/// # Errors
/// The port can't be had.
pub async fn bind(port: u16) -> Result<Listener, Unbindable> {
    listen(port).map(Listener).map_err(|reason| Unbindable { port, reason })
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A process that follows another one at once must not wait until the kernel has forgotten the old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

impl Unbindable {
    /// What the system says.
    pub fn reason(&self) -> &io::Error {
        &self.reason
    }
}

/// Serves invocations for as long as the process lives.
pub async fn serve<I: Invocations>(listener: Listener, invocations: Arc<I>) -> Infallible {
    serve_router(listener, router(invocations)).await
}

/// The same for any routes.
pub async fn serve_router(listener: Listener, router: Router) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let router = router.layer(map_response_with_state(Arc::clone(&places), make_room));
    loop {
        // The semaphore is never closed, so there is always a permit in the end.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        match listener.0.accept().await {
            Ok((stream, _)) => {
                // Answers are small: without this the last part of one waits for the acknowledgement of the first.
                let _only_slower_without = stream.set_nodelay(true);
                let router = router.clone();
                tokio::spawn(async move {
                    let _place = place;
                    serve_connection(stream, router).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Closes a connection with its answer if no place is free. The host keeps a connection for a minute after its answer, and has already
/// sent the requests that wait in the backlog on connections of their own: they would wait for that minute, and fail. Whoever reads
/// this header sends nothing more on the connection, so no POST crosses with its end.
async fn make_room(State(places): State<Arc<Semaphore>>, mut response: Response) -> Response {
    if places.available_permits() == 0 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// One connection until it ends. A head that is not HTTP is answered by hyper itself: 400 without a body, which is no
/// 2xx and so fails the invocation at once; the host sends no such thing.
async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_IDLE_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Goes on serving on SIGTERM and SIGINT, from now on. The host waits for the invocations in flight and then kills the
/// handler; Ctrl+C in a terminal sends SIGINT to the host and the handler alike, and a handler that ended then would fail
/// those invocations.
pub fn outlive_signals() {
    for (name, kind) in [("SIGTERM", SignalKind::terminate()), ("SIGINT", SignalKind::interrupt())] {
        match signal(kind) {
            Ok(mut signals) => {
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        tracing::info!(
                            signal = name,
                            "still serving: the host ends this process when it is done"
                        );
                    }
                });
            }
            Err(error) => tracing::warn!(signal = name, %error, "this signal will end the process"),
        }
    }
}

#[cfg(test)]
mod tests;
