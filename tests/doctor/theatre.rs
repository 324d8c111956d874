//! A guard that works and the Azure around it, for `doctor` to look at.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use aks_stop_guard::store::{BLOB_SUFFIX_PUBLIC, Location, LocationSettings, StatePath, Store, Transport};
use jiff::Timestamp;
use serde_json::{Value, json};
use simulator::http::{Azure, now};
use simulator::sink::Receiver;
use simulator::world::{AssignedIdentity, Caller, ClusterId, NewCluster, Settings};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::azurite::Azurite;
use crate::done::Done;

pub(crate) const PROD: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
pub(crate) const DEV: &str = "bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What doctor needs beyond the guard's own rights, and the guard's own.
pub(crate) const RIGHTS: [&str; 9] = [
    "Microsoft.ContainerService/managedClusters/read",
    "Microsoft.ContainerService/managedClusters/start/action",
    "Microsoft.ContainerInstance/containerGroups/read",
    "Microsoft.ContainerInstance/containerGroups/start/action",
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Authorization/locks/read",
    "Microsoft.Authorization/denyAssignments/read",
    "Microsoft.EventGrid/systemTopics/read",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions/read",
];

/// A guard that works: two subscriptions with a cluster each, their event subscriptions, a state with a fresh heartbeat, and a sink.
pub(crate) struct Theatre {
    pub(crate) azure: Azure,
    receiver: TcpListener,
    pub(crate) operator: Caller,
    azurite: Arc<Azurite>,
    pub(crate) container: String,
    pub(crate) store: Store,
    settings: Vec<(&'static str, String)>,
}

impl Theatre {
    pub(crate) async fn new(container: &str) -> Self {
        let operator = Caller::system_identity("operator", "/subscriptions/x/operator");
        let azure = Azure::serve(Settings::default(), Receiver::default(), 0).await.unwrap();
        {
            let mut world = azure.world();
            world.assign_identity(AssignedIdentity { caller: operator.clone(), user_assigned: false });
            for (subscription, group) in [(PROD, "rg-prod"), (DEV, "rg-dev")] {
                let cluster = ClusterId::new(subscription, group, "aks-1");
                world.create_cluster(NewCluster::new(cluster), now()).unwrap();
                let topic = world.gates_mut().add_topic(subscription, "rg-events", "stops");
                world.gates_mut().subscribe(&topic, "stop-guard", delivery());
            }
        }
        let azurite = Azurite::shared();
        let store = open(&azurite, container);
        store.init().await.unwrap();
        let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/canary", receiver.local_addr().unwrap());
        let settings = vec![
            ("STOP_GUARD_SUBSCRIPTIONS", format!("{PROD},{DEV}")),
            ("STOP_GUARD_SINKS", "webhook".to_owned()),
            ("STOP_GUARD_WEBHOOK_URL", url),
        ];
        let theatre =
            Self { azure, receiver, operator, azurite, container: container.to_owned(), store, settings };
        theatre.beat(&heartbeat(now())).await;
        theatre
    }

    pub(crate) async fn beat(&self, heartbeat: &Value) {
        self.store.put(&StatePath::heartbeat(), serde_json::to_vec(heartbeat).unwrap()).await.unwrap();
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
    }

    pub(crate) fn topic(subscription: &str) -> String {
        format!(
            "/subscriptions/{subscription}/resourceGroups/rg-events/providers/Microsoft.EventGrid/systemTopics/stops"
        )
    }

    /// Puts an event subscription in the place of the one that is there.
    pub(crate) fn deliver(&self, subscription: &str, properties: Value) {
        let mut world = self.azure.world();
        world.gates_mut().unsubscribe(&Self::topic(subscription));
        world.gates_mut().subscribe(&Self::topic(subscription), "stop-guard", properties);
    }

    /// Runs it while somebody answers at the sink's address.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Done {
        tokio::select! {
            done = self.run_alone(arguments) => done,
            () = answer_heads(&self.receiver) => unreachable!("it answers for ever"),
        }
    }

    pub(crate) async fn run_alone(&self, arguments: &[&str]) -> Done {
        let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .arg("doctor")
            .args(arguments)
            .env_clear()
            .envs(self.azure.asked_by())
            .envs([
                ("STOP_GUARD_STATE", "UseDevelopmentStorage=true"),
                ("STOP_GUARD_STATE_CONTAINER", &self.container),
                ("AZURITE_BLOB_STORAGE_URL", &self.azurite.url),
            ])
            .envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("the binary runs");
        Done::of(output)
    }

    /// What is not well, as check, subject, standing and the first mend; and the exit code.
    pub(crate) async fn ills(&self) -> (i32, Vec<Ill>) {
        let done = self.run(&["-o", "json"]).await;
        assert_eq!(done.err, "");
        (done.code, ills(&done.out))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ill {
    pub(crate) check: String,
    pub(crate) about: String,
    pub(crate) standing: String,
    pub(crate) seen: String,
    pub(crate) mend: String,
}

pub(crate) fn ills(out: &str) -> Vec<Ill> {
    let told: Value = serde_json::from_str(out).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = told["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["standing"] != "ok")
        .map(|check| Ill {
            check: text(&check["check"]),
            about: text(&check["about"]),
            standing: text(&check["standing"]),
            seen: text(&check["seen"]),
            mend: text(&check["mend"][0]),
        })
        .collect()
}

pub(crate) fn open(azurite: &Azurite, container: &str) -> Store {
    // Another test may have been first: it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let location = Location::parse(LocationSettings {
        state: "UseDevelopmentStorage=true",
        container: Some(container),
        emulator_url: Some(&azurite.url),
        blob_suffix: BLOB_SUFFIX_PUBLIC,
    });
    let client = || reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let http = Arc::new(move || client().map_err(|error| error.to_string()));
    Store::open(&location.unwrap(), Transport { http, tokens: None }).unwrap()
}

/// An event subscription as `infra/guarded-subscription/event-subscription.bicep` makes it.
pub(crate) fn delivery() -> Value {
    json!({
        "provisioningState": "Succeeded",
        "destination": { "endpointType": "AzureFunction", "properties": {
            "resourceId": "/subscriptions/x/resourceGroups/g/providers/Microsoft.Web/sites/app/functions/StopActionHandler" } },
        "filter": {
            "includedEventTypes": ["Microsoft.Resources.ResourceActionSuccess"],
            "advancedFilters": [{ "operatorType": "StringIn", "key": "data.operationName",
                                  "values": ["Microsoft.ContainerService/managedClusters/stop/action",
                                             "Microsoft.ContainerInstance/containerGroups/stop/action"] }],
        },
        "deadLetterWithResourceIdentity": { "deadLetterDestination": { "endpointType": "StorageBlob" } },
    })
}

/// The same with one member of its own.
pub(crate) fn delivery_but(path: &str, value: Value) -> Value {
    let mut delivery = delivery();
    *delivery.pointer_mut(path).unwrap() = value;
    delivery
}

/// A heartbeat of a guard that is well.
pub(crate) fn heartbeat(at: Timestamp) -> Value {
    json!({ "v": 1, "at": at, "open": 0, "due": 0, "held": 0, "oldestSeconds": null, "discovered": 0, "failed": 0,
            "mode": "act", "degraded": false, "version": VERSION })
}

pub(crate) fn heartbeat_but(name: &str, value: Value) -> Value {
    let mut heartbeat = heartbeat(now());
    heartbeat[name] = value;
    heartbeat
}

/// Answers every request with 404, and fails if one is not a bare HEAD of the root.
pub(crate) async fn answer_heads(listener: &TcpListener) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap() == 0 {
                break;
            }
            asked.extend(byte);
        }
        let asked = String::from_utf8(asked).unwrap().to_lowercase();
        assert!(asked.starts_with("head / http/1.1\r\n"), "{asked}");
        for told in ["canary", "authorization", "webhook-id"] {
            assert!(!asked.contains(told), "{asked}");
        }
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    }
}
