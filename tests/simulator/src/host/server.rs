//! The host's own listener: it can refuse new connections, wait for those in flight and cut them off.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// After a failed `accept` (too many open files) the listener rests this long instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener and its connections.
pub(crate) struct Server {
    /// Ends with the connections that were open when the listener was closed.
    accepting: JoinHandle<JoinSet<()>>,
}

impl Server {
    /// Serves until `stopping` is true; from then on connections are refused and open ones end with their call.
    pub(crate) fn start(listener: TcpListener, router: Router, stopping: &watch::Sender<bool>) -> Server {
        let stopping = stopping.subscribe();
        Server { accepting: tokio::spawn(accept(listener, router, stopping)) }
    }

    /// Waits for the calls in flight once the host stops; to be called once. False when some were cut off after `limit`.
    pub(crate) async fn drain(&mut self, limit: Duration) -> bool {
        let Ok(mut connections) = (&mut self.accepting).await else { return false };
        let all = async { while connections.join_next().await.is_some() {} };
        let drained = tokio::time::timeout(limit, all).await.is_ok();
        connections.shutdown().await;
        drained
    }
}

async fn accept(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return connections,
            Some(_) = connections.join_next() => continue,
        };
        match stream {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, router.clone(), stopping.clone()))),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // A broken connection is the caller's business.
        _ = &mut connection => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
