//! Doubles of the ports: a network that answers by script, a credential, a clock.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_stop_guard::azure::{
    Arm, ArmOptions, Cloud, CredentialError, Endpoint, Secret, TokenSource, Transport, TransportError,
};
use aks_stop_guard::clock::Clock;
use aks_stop_guard::domain::ClusterId;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

/// The cluster that the fixtures are about.
pub(crate) const ID: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-01";
/// What the first token is; the n-th rejection makes it `canary-token-n`.
pub(crate) const TOKEN: &str = "canary-token-0";

pub(crate) fn id() -> ClusterId {
    ClusterId::parse(ID).unwrap()
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure").join(name)
}

pub(crate) fn fixture(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(path)).unwrap()).unwrap()
}

/// The names of the fixtures in a folder, sorted.
pub(crate) fn names(of: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder(of)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// An answer from status, headers and body (text as it is, other JSON serialised).
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &Value) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let body = match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    response.body(Bytes::from(body)).unwrap()
}

/// An answer from a fixture or a recorded exchange: an object with `status`, `headers` and `body`.
pub(crate) fn recorded(exchange: &Value) -> Response<Bytes> {
    let headers: Vec<(&str, &str)> = exchange["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    answer(u16::try_from(exchange["status"].as_u64().unwrap()).unwrap(), &headers, &exchange["body"])
}

/// A network that gives the scripted answers in order and fails the test on a request beyond them.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Result<Response<Bytes>, TransportError>>>,
    pub(crate) sent: Mutex<Vec<Request<Bytes>>>,
    pub(crate) timeouts: Mutex<Vec<Duration>>,
}

impl Script {
    pub(crate) fn of(
        answers: impl IntoIterator<Item = Result<Response<Bytes>, TransportError>>,
    ) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    pub(crate) fn requests(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// Every header and address of every request, in one text; the tokens are in here.
    pub(crate) fn bearers(&self) -> Vec<String> {
        let sent = self.sent.lock().unwrap();
        sent.iter().map(|r| r.headers()["authorization"].to_str().unwrap().to_owned()).collect()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        self.sent.lock().unwrap().push(request);
        self.timeouts.lock().unwrap().push(timeout);
        self.answers.lock().unwrap().pop_front().expect("no request beyond the script")
    }
}

/// Gives one token until it is rejected.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) rejected: Mutex<usize>,
    pub(crate) broken: bool,
}

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self, scope: &str) -> Result<Secret, CredentialError> {
        assert_eq!(scope, "https://management.azure.com/.default");
        if self.broken {
            return Err(CredentialError::Unusable("no identity".to_owned()));
        }
        Ok(Secret::new(format!("canary-token-{}", self.rejected.lock().unwrap())))
    }

    fn reject(&self, _scope: &str, _token: &Secret) {
        *self.rejected.lock().unwrap() += 1;
    }
}

/// A clock whose wall stands. Since boot it counts on, as far as tokio's does.
#[derive(Debug)]
pub(crate) struct Still(pub(crate) Timestamp, Instant);

impl Still {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self("2026-09-14T18:05:00Z".parse().unwrap(), Instant::now()))
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn since_boot(&self) -> Duration {
        self.1.elapsed()
    }
}

/// A client of the public cloud over a scripted network.
pub(crate) fn arm(script: &Arc<Script>) -> Arm {
    arm_with(script, Arc::new(Tokens::default()))
}

pub(crate) fn arm_with(script: &Arc<Script>, tokens: Arc<Tokens>) -> Arm {
    let options = ArmOptions::new(Endpoint::of(Cloud::Public));
    Arm::new(options, script.clone(), tokens, Still::new())
}

/// Collects what is logged, at every level, until it is dropped.
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn start() -> Self {
        let lines = Lines(Arc::default());
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        Self { lines: lines.0, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }
}
