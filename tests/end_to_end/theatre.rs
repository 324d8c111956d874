//! A stage for each test, and the questions that tests ask of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aks_stop_guard::case::Record;
use aks_stop_guard::domain;
use aks_stop_guard::store::{
    BLOB_SUFFIX_PUBLIC, CasePath, Location, LocationSettings, OpenMarker, Prefix, StatePath, Store, Transport,
};
use jiff::SignedDuration;
use simulator::delivery::{Duplicates, Schema};
use simulator::demo::facts::{self, Incident};
use simulator::demo::stage::{Encoding, GUARD, Guarded, Plan, Stage, Way, tail};
use simulator::http::now;
use simulator::world::{Caller, ClusterId, Deed, Durations, Happening, NewCluster, RequestKind};

use crate::azurite::Azurite;
use crate::blob_proxy::{Meddling, Proxy, Seen};

/// Its events come in the Event Grid schema.
pub(crate) const RETAIL: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
/// Its events come as CloudEvents, each twice.
pub(crate) const EDGE: &str = "bbbb1b1b-cc2c-dd3d-ee4e-ffffff5f5f5f";
/// Azure's 192 s of a start pass in 3 s.
pub(crate) const SPEED_UP: u32 = 60;
/// What takes longer than this has failed. Ten times what it takes on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// Lines of the log that a failed test shows.
const LOG_LINES: usize = 80;

/// The stage of one test.
pub(crate) struct Theatre {
    pub(crate) stage: Stage,
    store: Store,
    azurite: Arc<Azurite>,
}

impl Theatre {
    /// With the project's policies, and one that allows [`pipeline`] to stop clusters. The container's name tells tests apart.
    pub(crate) async fn set(container: &str) -> Self {
        Self::with_policy(container, &pipeline_policy()).await
    }

    /// With another policy file beside the project's.
    pub(crate) async fn with_policy(container: &str, policy: &str) -> Self {
        Self::build(container, policy, Way::Webhook, &[], None).await
    }

    /// With events that come by a queue.
    pub(crate) async fn with_queue(container: &str, encoding: Encoding) -> Self {
        Self::build(container, &pipeline_policy(), Way::Queue(encoding), &[], None).await
    }

    /// With more subscriptions than [`RETAIL`] and [`EDGE`].
    pub(crate) async fn with_subscriptions(container: &str, more: &[String]) -> Self {
        Self::build(container, &pipeline_policy(), Way::Webhook, more, None).await
    }

    /// With something between the guard and its store that does what the script says.
    pub(crate) async fn with_proxy(
        container: &str,
        script: impl Fn(&Seen<'_>) -> Meddling + Send + Sync + 'static,
    ) -> Self {
        Self::with_proxy_and(container, Way::Webhook, script).await
    }

    /// The same, with events that come this way.
    pub(crate) async fn with_proxy_and(
        container: &str,
        way: Way,
        script: impl Fn(&Seen<'_>) -> Meddling + Send + Sync + 'static,
    ) -> Self {
        install_provider();
        // Held until the theatre holds it as well: the proxy belongs to this one.
        let azurite = Azurite::shared();
        let proxy = Proxy::start(&azurite.url, script).await;
        Self::build(container, &pipeline_policy(), way, &[], Some(proxy.url)).await
    }

    async fn build(
        container: &str,
        policy: &str,
        way: Way,
        more: &[String],
        store_url: Option<String>,
    ) -> Self {
        install_provider();
        let azurite = Azurite::shared();
        let guarded = |id: &str, schema, duplicates| Guarded { id: id.to_owned(), schema, duplicates };
        let plan = Plan {
            project: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
            guard: PathBuf::from(env!("CARGO_BIN_EXE_aks-stop-guard")),
            azurite_url: store_url.unwrap_or_else(|| azurite.url.clone()),
            container: container.to_owned(),
            speed_up: SPEED_UP,
            subscriptions: [
                guarded(RETAIL, Schema::EventGrid, Duplicates::None),
                guarded(EDGE, Schema::CloudEvents, Duplicates::Extra(1)),
            ]
            .into_iter()
            .chain(more.iter().map(|id| guarded(id, Schema::EventGrid, Duplicates::None)))
            .collect(),
            way,
            policies: vec![("test.cedar".to_owned(), policy.to_owned())],
        };
        let store = store(&azurite.url, container);
        Self { stage: Stage::set(plan).await.unwrap(), store, azurite }
    }

    /// Makes a running cluster that stops in a moment and takes as long to start as a real one.
    pub(crate) fn cluster(&self, subscription: &str, name: &str) -> ClusterId {
        let id = ClusterId::new(subscription, "rg", name);
        let durations = Durations { stop: SignedDuration::from_secs(20), ..Durations::default() };
        let new = NewCluster { durations, ..NewCluster::new(id.clone()) };
        self.stage.azure.world().create_cluster(new, now()).unwrap();
        id
    }

    pub(crate) fn azurite_url(&self) -> &str {
        &self.azurite.url
    }

    pub(crate) fn stop(&self, cluster: &ClusterId, caller: &Caller) {
        self.stage.azure.world().stop(cluster, caller, now()).unwrap();
    }

    pub(crate) fn is_running(&self, cluster: &ClusterId) -> bool {
        self.stage.azure.world().cluster(cluster).unwrap().is_running()
    }

    /// Starts that Azure accepted from the guard.
    pub(crate) fn starts(&self, cluster: &ClusterId) -> usize {
        let world = self.stage.azure.world();
        let of_guard = world.journal().entries.iter().filter(|entry| entry.who == GUARD);
        of_guard
            .filter(|entry| {
                entry.cluster.as_ref() == Some(cluster) && entry.what == Happening::Accepted(Deed::Start)
            })
            .count()
    }

    pub(crate) fn incidents(&self) -> Vec<Incident> {
        facts::incidents(self.stage.azure.receiver().deliveries())
    }

    /// The incidents that list this cluster.
    pub(crate) fn incidents_of(&self, cluster: &ClusterId) -> Vec<Incident> {
        let mut incidents = self.incidents();
        incidents.retain(|incident| incident.clusters.contains(&cluster.name));
        incidents
    }

    /// Waits for a condition, and fails with the log if it does not come.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !condition(self) {
            self.give_up_after(began, what);
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// Waits until the store holds this many open cases.
    pub(crate) async fn until_open_cases_are(&self, count: usize) {
        let began = Instant::now();
        while self.open_cases().await != count {
            self.give_up_after(began, &format!("{count} open cases"));
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// Waits until these clusters were restarted, once each, and people know that it is over.
    pub(crate) async fn until_restored(&self, clusters: &[ClusterId]) {
        self.until("all run, and their incidents are resolved", |theatre| {
            clusters.iter().all(|cluster| {
                let incidents = theatre.incidents_of(cluster);
                theatre.is_running(cluster)
                    && !incidents.is_empty()
                    && incidents.iter().all(|incident| incident.state == "resolved")
            })
        })
        .await;
        self.until_open_cases_are(0).await;
        for cluster in clusters {
            assert_eq!(self.starts(cluster), 1, "{cluster}\n{}", self.log());
        }
    }

    /// The newest case of a cluster, as it lies in the archive since today, or since yesterday if it is just after midnight.
    pub(crate) async fn archived_case(&self, cluster: &ClusterId) -> String {
        let key = domain::ClusterId::parse(&cluster.to_string()).unwrap().key();
        let stored = self.store.read(&StatePath::cluster(&key)).await.unwrap().unwrap();
        let marker = OpenMarker { key, generation: Record::decode(&stored.bytes).unwrap().generation };
        for closed_at in [now(), now() - SignedDuration::from_hours(24)] {
            if let Some(case) = self.store.read_case(&CasePath::new(&marker, closed_at)).await.unwrap() {
                return String::from_utf8(case.bytes.to_vec()).unwrap();
            }
        }
        panic!("there is no archived case of {cluster}");
    }

    async fn open_cases(&self) -> usize {
        let listed = self.store.list(&Prefix::open_markers(), 1_000).await.unwrap().entries;
        listed.iter().filter(|entry| entry.path.as_open_marker().is_some()).count()
    }

    fn give_up_after(&self, began: Instant, what: &str) {
        assert!(
            began.elapsed() < DEADLINE,
            "not in time: {what}\nincidents: {:#?}\n{}",
            self.incidents(),
            self.log()
        );
    }

    /// The newest lines of the host's and the guard's log.
    pub(crate) fn log(&self) -> String {
        self.stage.host().map(|host| tail(host, LOG_LINES)).unwrap_or_default()
    }

    /// The kinds of request that reached Azure, tokens apart.
    pub(crate) fn requests(&self) -> BTreeSet<String> {
        let world = self.stage.azure.world();
        let kinds = world.journal().entries.iter().filter_map(|entry| match &entry.what {
            Happening::Request { kind: RequestKind::Token, .. } => None,
            Happening::Request { kind, .. } => Some(format!("{kind:?}")),
            Happening::Accepted(_)
            | Happening::Refused(..)
            | Happening::Succeeded(_)
            | Happening::Failed(..) => None,
        });
        kinds.collect()
    }

    /// What must hold at the end of every test.
    pub(crate) fn curtain(&self) {
        assert_eq!(self.stage.azure.world().violations(), []);
        assert_eq!(facts::badly_signed(self.stage.azure.receiver().deliveries()), 0);
        assert_eq!(self.stage.dead_letters(), []);
        let allowed = least_privilege();
        assert!(self.requests().is_subset(&allowed), "{:?}", self.requests());
    }
}

/// Another test may have been first: it is the same provider.
fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// All that the guard's role may do in Azure.
pub(crate) fn least_privilege() -> BTreeSet<String> {
    ["GetCluster", "Start", "ListActivityLog", "QueryResourceGraph"].map(str::to_owned).into()
}

/// The one caller who may stop clusters.
pub(crate) fn pipeline() -> Caller {
    Caller::service_principal("pipeline").authorised()
}

/// The policy that says so.
pub(crate) fn pipeline_policy() -> String {
    format!(
        "@id(\"pipeline\")\npermit (principal == Caller::\"{}\", action == Action::\"stop\", resource);\n",
        pipeline().object_id
    )
}

/// The guard's own store.
fn store(azurite_url: &str, container: &str) -> Store {
    let location = Location::parse(LocationSettings {
        state: "UseDevelopmentStorage=true",
        container: Some(container),
        emulator_url: Some(azurite_url),
        blob_suffix: BLOB_SUFFIX_PUBLIC,
    });
    let transport = Transport { http: Arc::new(|| Ok(client())), tokens: None };
    Store::open(&location.unwrap(), transport).unwrap()
}

/// An HTTP client for loopback.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}
