//! The simulated Azure of a measurement, and the stops in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use axum::body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::SignedDuration;
use simulator::host::envelope;
use simulator::host::json::Value;
use simulator::http::{Azure, now};
use simulator::sink::Receiver;
use simulator::world::{
    AssignedIdentity, Caller, ClusterId, Deed, Durations, NewCluster, RequestKind, Settings,
};

use crate::store::ACCOUNT;
use crate::wire::{LOOK_TAKES, Wire};

/// Stops in one subscription: fewer than make a storm of the default policies, whose bulletin would be work of its own.
const STOPS_PER_SUBSCRIPTION: usize = 5;

/// Azure's quotas fill this much faster. No operation is waited for.
const SPEED_UP: u32 = 60;

/// Longest answer that is read: a token.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

const BINDING: &str = "event";
const FUNCTION: &str = "StopActionHandler";

/// Azure over HTTP, with a proxy before it.
pub(crate) struct Stage {
    azure: Azure,
    /// All that goes over the wire.
    pub(crate) wire: Wire,
    /// The proxy's URL.
    url: String,
    /// The URL of the proxy before the store; none = the state is in memory.
    blobs: Option<String>,
    access: Access,
    stops: usize,
    durations: Durations,
}

/// How the guard is let into the store.
#[derive(Debug, Clone, Copy)]
enum Access {
    /// By the emulator's key, with which it signs each request. Azurite asks for that.
    Key,
    /// By what is sent as it is, as its identity's token is in Azure. A token goes to no account without TLS, so this is a shared access
    /// signature.
    Ready,
}

/// No secret: the store looks at none.
const READY_SIGNATURE: &str = "sv=2025-11-05&ss=b&srt=sco&sp=rwdlac&se=2030-01-01T00%3A00%3A00Z&spr=https&sig=bm90aGluZy1sb29rcy1hdC10aGlz";

/// A stop that has happened.
pub(crate) struct Stop {
    /// Of which cluster.
    pub(crate) cluster: ClusterId,
    /// The body of its invocation, as the Functions host posts it.
    pub(crate) body: String,
    /// The event as Event Grid writes it, and its id.
    pub(crate) event: String,
    pub(crate) event_id: String,
}

impl Stage {
    /// Serves a new Azure behind proxies, on which looks take as long as to show what goes out beside them. `blobs` is the URL of the blob
    /// service.
    pub(crate) async fn serve(blobs: Option<&str>) -> Result<Self> {
        Self::behind(Wire::with_looks_of(LOOK_TAKES), blobs).await
    }

    /// Serves a new Azure behind proxies that record what is sent and delay nothing. As in Azure, the guard signs nothing for its store.
    pub(crate) async fn recorded(blobs: &str) -> Result<Self> {
        Ok(Self { access: Access::Ready, ..Self::behind(Wire::recording(), Some(blobs)).await? })
    }

    /// Serves a new Azure without proxies: nothing is noted of single requests.
    pub(crate) async fn serve_directly(blobs: Option<&str>) -> Result<Self> {
        let azure = serve_azure().await?;
        let url = azure.url().to_owned();
        Ok(Self::of(azure, Wire::default(), url, blobs.map(str::to_owned)))
    }

    async fn behind(wire: Wire, blobs: Option<&str>) -> Result<Self> {
        let azure = serve_azure().await?;
        let url = wire.before_azure(azure.url()).await?;
        let blobs = match blobs {
            Some(blobs) => Some(wire.before_blobs(blobs).await?),
            None => None,
        };
        Ok(Self::of(azure, wire, url, blobs))
    }

    fn of(azure: Azure, wire: Wire, url: String, blobs: Option<String>) -> Self {
        Self { azure, wire, url, blobs, access: Access::Key, stops: 0, durations: Durations::default() }
    }

    /// From now on the clusters that are made take so long to start that their cases stay open.
    pub(crate) fn keep_cases_open(&mut self) {
        self.durations.start = SignedDuration::from_hours(1_000);
    }

    /// The URLs of Azure and of the blob service, as the guard has them.
    pub(crate) fn urls(&self) -> (&str, &str) {
        (&self.url, self.blobs.as_deref().unwrap_or_default())
    }

    /// The guard with all settings of a real one: armed, a managed identity, a sink, the default policies.
    pub(crate) fn guard(&self, program: &Path, policies: &Path, stops: usize) -> Command {
        let subscriptions: Vec<String> =
            (0..=stops.saturating_sub(1) / STOPS_PER_SUBSCRIPTION).map(subscription).collect();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("STOP_GUARD_MODE", "act")
            .env("STOP_GUARD_SUBSCRIPTIONS", subscriptions.join(","))
            .env("STOP_GUARD_POLICIES", policies)
            .env("STOP_GUARD_ARM_ENDPOINT", &self.url)
            .env("STOP_GUARD_CREDENTIAL", "managed-identity")
            .env("IDENTITY_ENDPOINT", format!("{}/msi/token", self.url))
            .env("IDENTITY_HEADER", Settings::default().identity_secret)
            .env("STOP_GUARD_SINKS", "webhook")
            .env("STOP_GUARD_SINK_FILES", policies.with_file_name("sinks"))
            .env("STOP_GUARD_WEBHOOK_URL", format!("{}/webhook", self.url));
        match (&self.blobs, self.access) {
            (None, Access::Key | Access::Ready) => command.env("STOP_GUARD_STATE", "memory"),
            (Some(blobs), Access::Key) => command
                .env("STOP_GUARD_STATE", "UseDevelopmentStorage=true")
                .env("AZURITE_BLOB_STORAGE_URL", blobs),
            (Some(blobs), Access::Ready) => command.env(
                "STOP_GUARD_STATE",
                format!("BlobEndpoint={blobs}/{ACCOUNT};AccountName={ACCOUNT};SharedAccessSignature={READY_SIGNATURE}"),
            ),
        };
        command
    }

    /// A cluster is made, and stopped by somebody who may not. Each time another cluster and another caller.
    pub(crate) fn stop(&mut self) -> Result<Stop> {
        let number = self.stops;
        self.stops += 1;
        let cluster = ClusterId::new(
            &subscription(number / STOPS_PER_SUBSCRIPTION),
            "rg-bench",
            &format!("aks-{number}"),
        );
        let (event, event_id) = {
            let mut world = self.azure.world();
            let new = NewCluster { durations: self.durations, ..NewCluster::new(cluster.clone()) };
            world.create_cluster(new, now())?;
            world.stop(&cluster, &Caller::user(&format!("user{number}")), now())?;
            world.finish_operations(now());
            let events = world.take_events(now());
            let of_stop = events.iter().find(|event| event.cluster == cluster && event.deed == Deed::Stop);
            let event = of_stop.context("the stop gave no event")?;
            (event.event_grid().to_string(), event.id.clone())
        };
        let body = self.envelope(std::slice::from_ref(&event))?;
        Ok(Stop { cluster, body, event, event_id })
    }

    /// The body of the invocation for these events, as the Functions host posts it.
    pub(crate) fn envelope(&self, events: &[String]) -> Result<String> {
        let sys = envelope::sys(FUNCTION, now());
        let body = match events {
            [event] => envelope::event(BINDING, &Value::parse(event)?, sys),
            events => {
                let events = events.iter().map(|event| Value::parse(event)).collect::<Result<Vec<_>, _>>()?;
                envelope::events(BINDING, &events, sys)
            }
        };
        Ok(body.compact())
    }

    /// How many requests of this kind came to Azure.
    pub(crate) fn requests(&self, kind: RequestKind) -> usize {
        self.azure.world().journal().requests(kind, None)
    }

    /// That Azure accepted exactly one start of it and that nothing was done that must not be done.
    pub(crate) fn check(&self, cluster: &ClusterId) -> Result<()> {
        let world = self.azure.world();
        let starts = world.journal().accepted(Deed::Start, cluster);
        ensure!(starts == 1, "Azure accepted {starts} starts of {cluster}: these figures would mean nothing");
        let violation = world.violations().first();
        ensure!(violation.is_none(), "the guard must not do this: {violation:?}");
        Ok(())
    }

    /// The body of an answer of Azure to a GET with these headers.
    pub(crate) async fn get(&self, path: &str, headers: &[(String, String)]) -> Result<String> {
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = http::Request::get(format!("{}{path}", self.url));
        for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        let answer = client.request(request.body(Body::empty())?).await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        let bytes = axum::body::to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
        Ok(String::from_utf8(bytes.to_vec())?)
    }

    /// How many incidents came.
    pub(crate) fn incidents(&self) -> usize {
        self.azure.receiver().deliveries().len()
    }
}

/// Azure on a port, with the guard's identity.
async fn serve_azure() -> Result<Azure> {
    let settings = Settings { speed_up: SPEED_UP, ..Settings::default() };
    let azure = Azure::serve(settings, Receiver::new(None), 0).await?;
    let site = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg-guard/providers/\
                Microsoft.Web/sites/func-aks-guard";
    let caller = Caller::system_identity("guard", site);
    azure.world().assign_identity(AssignedIdentity { caller, user_assigned: false });
    Ok(azure)
}

/// The policies that the guard is published with.
pub(crate) fn default_policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn subscription(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}
