//! The shipped sinks, each set up for a receiver here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aks_stop_guard::domain::Incident;
use aks_stop_guard::incident::samples::{STATES, Sample, sample};
use aks_stop_guard::incident::{
    Azure, Home, HttpSend, HttpSink, Parts, Scope, SendError, SinkFile, SinkTokens, prepare,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use simulator::receivers::logs_ingestion::Column;
use simulator::receivers::{Answer, Desk, Limit, LogsIngestion, Service};

/// What the guard has for ARM.
pub(crate) const ARM_TOKEN: &str = "token-for-arm";
/// What it has for Azure Monitor.
pub(crate) const MONITOR_TOKEN: &str = "token-for-monitor";

/// Where Sentinel's incidents are.
pub(crate) const WORKSPACE: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-soc/providers/Microsoft.OperationalInsights/workspaces/law-soc";

/// The data collection rule of Sentinel's table: the columns that the infrastructure declares.
pub(crate) fn logs_ingestion() -> LogsIngestion {
    let texts = [
        "IncidentId",
        "State",
        "Severity",
        "Title",
        "ClusterId",
        "ClusterName",
        "CallerKind",
        "CallerLabel",
        "CallerObjectId",
        "CallerAppId",
        "CallerUpn",
        "CallerIp",
        "CorrelationId",
        "Verdict",
        "Mode",
    ];
    let lists = ["Policies", "Done", "Next", "Warnings", "Links", "Clusters", "Timeline"];
    let mut columns = vec![
        ("TimeGenerated", Column::DateTime),
        ("StoppedAt", Column::DateTime),
        ("Sequence", Column::Int),
        ("ClusterCount", Column::Int),
    ];
    columns.extend(texts.map(|name| (name, Column::String)));
    columns.extend(lists.map(|name| (name, Column::Dynamic)));
    LogsIngestion::new("dcr-0", "Custom-AksStopGuard_CL", &columns, MONITOR_TOKEN)
}

/// Names of all that are shipped.
pub(crate) fn names() -> Vec<String> {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("sinks")).unwrap();
    let mut names: Vec<_> =
        folder.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// A shipped sink with these settings, that sends over `http`. Azure is at `arm`.
pub(crate) fn sink(name: &str, settings: &[(&str, &str)], arm: &str, http: Arc<dyn HttpSend>) -> HttpSink {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sinks/{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap();
    let settings: BTreeMap<_, _> = settings.iter().copied().collect();
    let env = |name: &str| settings.get(name).map(|value| (*value).to_owned());
    let file = SinkFile::parse(name, &text, &[]).unwrap();
    let scope = |word, scope: &str| Scope { word, scope: scope.to_owned(), home: Home::Loopback };
    let scopes = vec![
        scope("arm", "https://management.azure.com/.default"),
        scope("monitor", "https://monitor.azure.com/.default"),
    ];
    let azure = Azure { arm: arm.to_owned(), scopes };
    let parts = Parts { name, path: name, text: &text, file: &file, env: &env, zone: TimeZone::UTC, azure };
    prepare(parts).unwrap_or_else(|faults| panic!("{name}: {faults:?}")).connect(http, Arc::new(Tokens))
}

struct Tokens;

#[async_trait]
impl SinkTokens for Tokens {
    async fn token(&self, scope: &str) -> Result<String, String> {
        let token = if scope.contains("monitor") { MONITOR_TOKEN } else { ARM_TOKEN };
        Ok(token.to_owned())
    }

    fn reject(&self, _: &str, _: &str) {}
}

/// The three messages of an incident.
pub(crate) fn messages(of: Sample) -> [Incident; 3] {
    STATES.map(|state| sample(of, state))
}

/// A time that is after all messages.
pub(crate) fn now() -> Timestamp {
    "2026-09-14T19:00:00Z".parse().unwrap()
}

/// A service without a network in between.
pub(crate) struct InProcess<S>(Mutex<Desk<S>>);

impl<S: Service> InProcess<S> {
    pub(crate) fn new(service: S) -> Arc<Self> {
        Arc::new(Self(Mutex::new(unlimited(service))))
    }

    /// Begins anew, with no limit of requests.
    pub(crate) fn renew(&self, service: S) {
        *self.desk() = unlimited(service);
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk<S>> {
        self.0.lock().unwrap()
    }
}

fn unlimited<S: Service>(service: S) -> Desk<S> {
    let mut desk = Desk::new(service);
    desk.limit(None);
    desk
}

#[async_trait]
impl<S: Service> HttpSend for InProcess<S> {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, SendError> {
        self.desk().answer(&request, now()).ok_or(SendError::Broken)
    }
}

/// A receiver that takes everything, for formats whose rules are judged elsewhere.
pub(crate) struct Taker;

impl Service for Taker {
    fn limit(&self) -> Limit {
        Limit { requests: usize::MAX, within: jiff::SignedDuration::from_secs(1) }
    }

    fn throttled(&self) -> Answer {
        Answer::text(429, "")
    }

    fn receive(&mut self, _: &Request<Bytes>, _: Timestamp, _: &mut Vec<String>) -> Answer {
        Answer::text(200, "")
    }
}
