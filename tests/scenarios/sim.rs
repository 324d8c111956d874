//! A simulated subscription, and processes of the guard that share its store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aks_stop_guard::azure::{ACTIONS, AccessTokens, Arm, ArmOptions, Audience, Authority, Cloud, Endpoint};
use aks_stop_guard::case::{Case, Confirm, Episode, Mode, Outcome, Record, Routes, Times};
use aks_stop_guard::clock::Clock;
use aks_stop_guard::domain::event::{Parsed, parse};
use aks_stop_guard::domain::grant::{Author, Way};
use aks_stop_guard::domain::{
    ClusterId, Hold, IncidentState, ManagementGroup, Portal, Scope, StopEvent, SubscriptionId,
};
use aks_stop_guard::functions::envelope::http_request;
use aks_stop_guard::functions::{Announced, App, HttpOutput, Invocations as _};
use aks_stop_guard::guard::{Guard, GuardError, Holds, Made, Ports, Settings, SystemEntropy};
use aks_stop_guard::incident::Sink;
use aks_stop_guard::store::{DeadLetters, StatePath, Store};
use bytes::Bytes;
use futures::StreamExt as _;
use jiff::SignedDuration;
use object_store::memory::InMemory;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};
use simulator::world::{self, Deed, NewCluster, ResourceEvent, World};
use tokio::sync::oneshot;

use crate::clocks::{LocalClock, VirtualClock};
use crate::inbox::{Inbox, InboxSink};
use crate::policies;
use crate::probe::{Probe, Probed};

use self::wire::{Tokens, Wire};

#[path = "wire.rs"]
mod wire;

/// The subscription that is guarded.
pub(crate) const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
/// What tokens for the guard are for.
pub(crate) const AUDIENCE: &str = "api://aks-stop-guard";
/// How far time moves at once.
const TICK: SignedDuration = SignedDuration::from_secs(5);
/// How often the timer sweeps.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// One process of the guard.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) guard: Guard,
    pub(crate) probe: Arc<Probe>,
    pub(crate) clock: Arc<LocalClock>,
}

/// How a process is set.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    pub(crate) confirm: Confirm,
    pub(crate) subscriptions: BTreeSet<SubscriptionId>,
    pub(crate) management_groups: BTreeSet<ManagementGroup>,
    /// Policies beside the default set.
    pub(crate) extra: String,
    /// Which sinks get what; all of them everything if none is named.
    pub(crate) routes: Routes,
    /// Whether incidents say how exposed their cluster is.
    pub(crate) posture: bool,
    pub(crate) faults: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mode: Mode::Act,
            confirm: Confirm::Prefer,
            subscriptions: BTreeSet::from([SubscriptionId::parse(SUBSCRIPTION).unwrap()]),
            management_groups: BTreeSet::new(),
            extra: String::new(),
            routes: Routes::default(),
            posture: false,
            faults: Vec::new(),
        }
    }
}

/// Everything outside the guard.
pub(crate) struct Sim {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) state: Arc<InMemory>,
    pub(crate) cases: Arc<InMemory>,
    /// Where Event Grid puts what it could not deliver.
    pub(crate) dead_letters: Arc<InMemory>,
    /// What the sink `webhook` gets.
    pub(crate) inbox: Arc<Inbox>,
    /// Further sinks, by name.
    pub(crate) more_sinks: Vec<(&'static str, Arc<Inbox>)>,
    pub(crate) setup: Setup,
    pub(crate) events: Mutex<Vec<ResourceEvent>>,
    /// Whether events are delivered as time passes; else the scenario does it.
    pub(crate) delivers: bool,
}

impl Sim {
    pub(crate) fn new(setup: Setup) -> Self {
        let mut world = World::default();
        world.give_role(&guard(), &ACTIONS);
        Self {
            world: Arc::new(Mutex::new(world)),
            clock: VirtualClock::new(),
            state: Arc::new(InMemory::new()),
            cases: Arc::new(InMemory::new()),
            dead_letters: Arc::new(InMemory::new()),
            inbox: Arc::new(Inbox::default()),
            more_sinks: Vec::new(),
            setup,
            events: Mutex::new(Vec::new()),
            delivers: true,
        }
    }

    /// A policy that lets this caller stop clusters.
    pub(crate) fn allow(caller: &world::Caller) -> String {
        format!(
            "@id(\"allow-test\")\npermit (principal == Caller::\"{}\", action == Action::\"stop\", resource);\n",
            caller.object_id
        )
    }

    /// Starts a process.
    pub(crate) fn process(&self) -> Process {
        let probe = Arc::new(Probe::default());
        let container = |name, inner: &Arc<InMemory>| {
            Arc::new(Probed { name, inner: Arc::clone(inner), probe: Arc::clone(&probe) })
        };
        let store = Store::over(container("state", &self.state), container("cases", &self.cases));
        self.process_over(store, probe)
    }

    /// Starts a process with a store of its own.
    pub(crate) fn process_over(&self, store: Store, probe: Arc<Probe>) -> Process {
        let wire = Wire { world: self.world.clone(), clock: self.clock.clone(), probe: probe.clone() };
        let tokens = Tokens { world: self.world.clone(), clock: self.clock.clone(), probe: probe.clone() };
        let local = LocalClock::of(&self.clock);
        let clock: Arc<dyn Clock> = local.clone();
        let arm = Arm::new(
            ArmOptions::new(Endpoint::of(Cloud::Public)),
            Arc::new(wire),
            Arc::new(tokens),
            Arc::clone(&clock),
        );
        let dead_letters = Some(DeadLetters::over(self.dead_letters.clone()));
        let (sinks, entropy) = (self.sinks(&probe), Arc::new(SystemEntropy));
        let ports = Ports { arm, store, dead_letters, sinks, clock, entropy };
        let extra = self.setup.extra.clone();
        let load = move || policies::load(&extra);
        Process { guard: Guard::new(self.settings(), Box::new(load), ports), probe, clock: local }
    }

    /// What the setup asks of a guard.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            mode: self.setup.mode,
            subscriptions: Some(self.setup.subscriptions.clone()),
            management_groups: self.setup.management_groups.clone(),
            zone: jiff::tz::TimeZone::UTC,
            confirm: self.setup.confirm,
            times: Times::default(),
            portal: Some(Portal::new(Cloud::Public, None)),
            routes: self.setup.routes.clone(),
            posture: self.setup.posture,
            faults: self.setup.faults.clone(),
        }
    }

    fn sinks(&self, probe: &Arc<Probe>) -> Vec<Arc<dyn Sink>> {
        let inboxes = [("webhook", &self.inbox)].into_iter();
        let inboxes = inboxes.chain(self.more_sinks.iter().map(|(name, inbox)| (*name, inbox)));
        inboxes.map(|(name, inbox)| Arc::new(InboxSink::new(name, inbox, probe)) as Arc<dyn Sink>).collect()
    }

    /// Makes a running cluster.
    pub(crate) fn cluster(&self, name: &str) -> world::ClusterId {
        let id = world::ClusterId::new(SUBSCRIPTION, "rg-prod", name);
        self.world.lock().unwrap().create_cluster(NewCluster::new(id.clone()), self.clock.now()).unwrap();
        id
    }

    /// Makes a running container group.
    pub(crate) fn container_group(&self, name: &str) -> world::ClusterId {
        let id = world::ClusterId::group(SUBSCRIPTION, "rg-jobs", name);
        self.world.lock().unwrap().create_cluster(NewCluster::new(id.clone()), self.clock.now()).unwrap();
        id
    }

    pub(crate) fn stop(&self, cluster: &world::ClusterId, caller: &world::Caller) {
        self.world.lock().unwrap().stop(cluster, caller, self.clock.now()).unwrap();
    }

    pub(crate) fn start(&self, cluster: &world::ClusterId, caller: &world::Caller) {
        self.world.lock().unwrap().start(cluster, caller, self.clock.now()).unwrap();
    }

    /// A start as the guard sends one.
    pub(crate) fn start_as_guard(&self, cluster: &world::ClusterId) {
        self.start(cluster, &guard());
    }

    /// Takes the events that have come to Event Grid.
    pub(crate) fn collect_events(&self) {
        let events = self.world.lock().unwrap().take_events(self.clock.now());
        self.events.lock().unwrap().extend(events);
    }

    /// The events so far, of stops, as the guard reads them.
    pub(crate) fn stop_events(&self) -> Vec<StopEvent> {
        self.collect_events();
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.deed == Deed::Stop).map(read).collect()
    }

    /// Delivers an event to a process, to the end of its work.
    pub(crate) async fn deliver(&self, process: &Process, event: StopEvent) -> Result<(), GuardError> {
        let (durable, _acknowledged) = oneshot::channel();
        process.guard.take_in(event.cluster.clone(), vec![event], durable).await
    }

    /// Lets time pass with these processes alive: events come, the timer sweeps.
    pub(crate) async fn pass(&self, processes: &[&Process], time: SignedDuration) {
        let until = self.clock.now() + time;
        while self.clock.now() < until {
            self.clock.advance(TICK);
            let events = self.world.lock().unwrap().take_events(self.clock.now());
            for event in events {
                if self.delivers && event.deed == Deed::Stop {
                    for process in processes {
                        let stop = read(&event);
                        let done = process.probe.run(self.deliver(process, stop)).await;
                        assert!(done.is_none_or(|done| done.is_ok()), "an event could not be taken in");
                    }
                }
                self.events.lock().unwrap().push(event);
            }
            let seconds = self.clock.now().as_second();
            if seconds % SWEEP_EVERY.as_secs() < TICK.as_secs() {
                for process in processes {
                    process.probe.run(process.guard.sweep()).await;
                }
            }
        }
        self.world.lock().unwrap().take_events(self.clock.now());
    }

    /// The store as somebody with a command line sees it.
    pub(crate) fn store(&self) -> Store {
        Store::over(self.state.clone(), self.cases.clone())
    }

    /// Dana holds a scope. Returns the hold's id.
    pub(crate) async fn hold(&self, scope: &str, lasts: SignedDuration, reason: &str) -> String {
        let dana = Author { id: Some("d".to_owned()), name: Some("Dana".to_owned()), via: Way::Http };
        let now = self.clock.now();
        let scope = Scope::parse(scope).unwrap();
        match Holds::new(self.store()).add(None, scope, now + lasts, reason, (dana, now)).await.unwrap() {
            Made::New(hold) => hold.id,
            Made::Known(hold) => panic!("it was there: {hold:?}"),
        }
    }

    /// A hold on everything as it is stored.
    pub(crate) fn hold_bytes(&self, id: &str, lasts: SignedDuration) -> Bytes {
        let now = self.clock.now();
        let by = Author { id: None, name: None, via: Way::Cli };
        let hold = Hold::new(id.to_owned(), Scope::Everywhere, now + lasts, "audit", by, now).unwrap();
        serde_json::to_vec(&hold).unwrap().into()
    }

    /// A token of the login service for somebody.
    pub(crate) fn token(&self, caller: &world::Caller, audience: &str) -> String {
        self.world.lock().unwrap().token_for(caller, audience, self.clock.now())
    }

    /// Sends a request to `Grant` or `Hold`, in the host's envelope.
    pub(crate) async fn announce(
        &self,
        process: &Process,
        what: Announced,
        token: Option<&str>,
        body: &Value,
    ) -> HttpOutput {
        let headers =
            token.map(|token| json!({ "Authorization": [format!("Bearer {token}")] })).unwrap_or(json!({}));
        let request = json!({ "Method": "POST", "Query": {}, "Headers": headers, "Body": body.to_string() });
        let envelope = json!({ "Data": { "req": request }, "Metadata": {} }).to_string();
        let request = http_request(envelope.as_bytes()).unwrap();
        let wire = Wire { world: self.world.clone(), clock: self.clock.clone(), probe: Arc::default() };
        let audience = Audience {
            audiences: vec![AUDIENCE.to_owned()],
            tenants: BTreeSet::from([world::TENANT.to_owned()]),
        };
        let authority = Authority::of(Cloud::Public, &Endpoint::of(Cloud::Public));
        let tokens = AccessTokens::new(audience, authority, Arc::new(wire), self.clock.clone());
        App::new(process.guard.clone(), Some(tokens)).announce(what, &request).await
    }

    pub(crate) fn is_running(&self, cluster: &world::ClusterId) -> bool {
        self.world.lock().unwrap().cluster(cluster).is_some_and(world::Cluster::is_running)
    }

    /// Starts of a cluster that Azure accepted.
    pub(crate) fn starts(&self, cluster: &world::ClusterId) -> usize {
        self.world.lock().unwrap().journal().accepted(Deed::Start, cluster)
    }

    /// The record of a cluster.
    pub(crate) async fn record(&self, cluster: &world::ClusterId) -> Option<Record> {
        let id = ClusterId::parse(&cluster.to_string()).unwrap();
        let path = StatePath::cluster(&id.key()).to_string();
        let got = self.state.get(&path.as_str().into()).await.ok()?;
        Some(Record::decode(&got.bytes().await.unwrap()).unwrap())
    }

    /// The open or held case of a cluster.
    pub(crate) async fn case(&self, cluster: &world::ClusterId) -> Option<Case> {
        self.record(cluster).await?.case().cloned()
    }

    pub(crate) async fn is_held(&self, cluster: &world::ClusterId) -> bool {
        self.record(cluster).await.is_some_and(|record| matches!(record.episode, Episode::Held(_)))
    }

    /// The archived cases, oldest first.
    pub(crate) async fn closed(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let mut list = self.cases.list(None);
        while let Some(found) = list.next().await {
            let path = found.unwrap().location;
            if path.as_ref().starts_with("evidence/") {
                continue;
            }
            let bytes = self.cases.get(&path).await.unwrap().bytes().await.unwrap();
            cases.push(serde_json::from_slice::<Case>(&bytes).unwrap());
        }
        cases.sort_by_key(|case| case.opened_at);
        cases
    }

    pub(crate) async fn outcomes(&self) -> Vec<Outcome> {
        self.closed().await.into_iter().filter_map(|case| case.outcome).collect()
    }

    /// Paths in the state container below a folder.
    pub(crate) async fn paths(&self, folder: &str) -> Vec<String> {
        let prefix = object_store::path::Path::from(folder);
        let list = self.state.list(Some(&prefix));
        list.map(|found| found.unwrap().location.to_string()).collect().await
    }

    /// What people were told, as `state title`.
    pub(crate) fn told(&self) -> Vec<String> {
        let messages = self.inbox.messages.lock().unwrap();
        messages.iter().map(|incident| format!("{} {}", incident.state.as_str(), incident.title)).collect()
    }

    /// How often people were told something in this state.
    pub(crate) fn told_times(&self, state: IncidentState) -> usize {
        self.inbox.messages.lock().unwrap().iter().filter(|incident| incident.state == state).count()
    }

    /// How many incidents people know of, however often each was told.
    pub(crate) fn stories(&self) -> usize {
        let messages = self.inbox.messages.lock().unwrap();
        messages.iter().map(|incident| incident.id.as_str()).collect::<BTreeSet<_>>().len()
    }

    /// What must hold at the end of every scenario.
    pub(crate) fn assert_no_violation(&self) {
        let world = self.world.lock().unwrap();
        assert_eq!(world.violations(), [], "the guard did what it must not");
    }
}

fn read(event: &ResourceEvent) -> StopEvent {
    match parse(&event.event_grid().to_string(), &|_| true) {
        Parsed::Stop(stop) => *stop,
        Parsed::Ignored(why) => panic!("the guard does not read the simulator's event: {why}"),
    }
}

/// So many minutes.
pub(crate) fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// Who the guard is in Azure.
pub(crate) fn guard() -> world::Caller {
    world::Caller::user_assigned_identity("aks-stop-guard", "/subscriptions/x/identity")
}

/// Somebody whom no policy allows to stop a cluster.
pub(crate) fn mallory() -> world::Caller {
    world::Caller::user("Mallory")
}

/// Somebody whom [`Sim::allow`] allows to.
pub(crate) fn ops() -> world::Caller {
    world::Caller::user("Ops").authorised()
}
