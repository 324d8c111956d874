//! Real connections for sinks, as the guard makes them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aks_stop_guard::incident::{HttpSend, SendError};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

/// Sends over a real connection.
pub(crate) struct OverHttp(reqwest::Client);

impl OverHttp {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(client()))
    }
}

/// Without redirects and proxies.
pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        // Another test of this process may have been first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

#[async_trait]
impl HttpSend for OverHttp {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, SendError> {
        let request = reqwest::Request::try_from(request).unwrap();
        let failed = |error: reqwest::Error| match (error.is_connect(), error.is_timeout()) {
            (true, _) => SendError::NotConnected,
            (false, true) => SendError::TimedOut,
            (false, false) => SendError::Broken,
        };
        let answer = tokio::time::timeout(timeout, self.0.execute(request)).await;
        let answer = answer.map_err(|_| SendError::TimedOut)?.map_err(failed)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        *response.body_mut() = answer.bytes().await.map_err(failed)?;
        Ok(response)
    }
}
