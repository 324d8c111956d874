//! Everything that the guard needs around it, and the guard's binary in the middle, started as the Functions host would.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

use super::app::AppFolder;
pub use super::pump::Encoding;
use super::pump::{Destination, Pump, Topic, Topics};
use crate::delivery::{Answer, Attempt, DeadLetter, Duplicates, EventGrid, Schema, Subscription};
use crate::host::log::Level;
use crate::host::{HandlerSource, Host, HostConfig, Keys};
use crate::http::Azure;
use crate::sink::{Receiver, Secret};
use crate::world::{AssignedIdentity, Caller, ClusterId, ResourceEvent, Settings};

/// The name under which the guard's identity appears in the world's journal.
pub const GUARD: &str = "aks-stop-guard";
/// The function that Event Grid calls.
const FUNCTION: &str = "StopActionHandler";
/// The function that reads what Event Grid put into [`QUEUE`].
const QUEUE_FUNCTION: &str = "StopActionQueue";
/// The queue in its function.json.
pub const QUEUE: &str = "aks-stop-events";
/// Log categories of the timer's function.
const SWEEP_CATEGORY: &str = "Function.Sweep";
/// Secret of this run's webhook, in the form of Standard Webhooks: base64 of 24 bytes. It guards nothing.
const WEBHOOK_SECRET: &str = "whsec_c2ltdWxhdGVkLXdlYmhvb2sta2V5LTEyMw==";
/// How long `init-state` may take.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks at a condition that is waited for.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// A guarded Azure subscription, and how its events come.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The subscription's id.
    pub id: String,
    /// The schema of its event subscription.
    pub schema: Schema,
    /// Whether its events come more than once.
    pub duplicates: Duplicates,
}

/// How events get from Event Grid to the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Event Grid calls the host.
    Webhook,
    /// Event Grid fills a queue that the host reads.
    Queue(Encoding),
}

/// What to set up.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The project's folder, with `host.json`, the functions and the policies.
    pub project: PathBuf,
    /// The guard's binary.
    pub guard: PathBuf,
    /// Where Azurite listens.
    pub azurite_url: String,
    /// The container of the guard's state, one for each stage that shares an Azurite.
    pub container: String,
    /// How many times as fast everything goes.
    pub speed_up: u32,
    /// The guarded subscriptions.
    pub subscriptions: Vec<Guarded>,
    /// How all of their events come.
    pub way: Way,
    /// Policy files beside (or, by the same name, instead of) the project's: name and text.
    pub policies: Vec<(String, String)>,
}

/// The running whole. Dropping it kills the guard and ends everything else.
pub struct Stage {
    /// Azure and the webhook receiver.
    pub azure: Arc<Azure>,
    app: AppFolder,
    host: Option<Host>,
    config: HostConfig,
    pump: Option<Pump>,
    plan: Plan,
}

impl Stage {
    /// Makes the state's containers, starts Azure, the host with the guard, and Event Grid.
    ///
    /// # Errors
    /// When any of them does not come up.
    pub async fn set(plan: Plan) -> Result<Self> {
        let app = AppFolder::copied_from(&plan.project)?;
        for (name, text) in &plan.policies {
            app.write_policy(name, text)?;
        }
        let secret: Secret = WEBHOOK_SECRET.parse()?;
        let settings = Settings { speed_up: plan.speed_up, ..Settings::default() };
        let azure = Azure::serve(settings, Receiver::new(Some(secret)), 0).await?;
        azure.world().assign_identity(AssignedIdentity { caller: identity(&plan), user_assigned: false });
        let guard = plan.guard.canonicalize();
        let guard = guard.with_context(|| format!("there is no guard at `{}`", plan.guard.display()))?;
        let mut config = HostConfig::new(app.path());
        config.settings = app_settings(&plan, &azure);
        init_state(&guard, &config.settings).await?;
        config.handler = HandlerSource::Executable(guard);
        config.speed_up = plan.speed_up;
        config.keys = Keys::default();
        let mut stage = Self { azure: Arc::new(azure), app, host: None, config, pump: None, plan };
        stage.start_host().await?;
        stage.subscribe().await?;
        Ok(stage)
    }

    /// The host.
    ///
    /// # Errors
    /// While it is down.
    pub fn host(&self) -> Result<&Host> {
        self.host.as_ref().context("the host is down")
    }

    /// Starts the host on the port it had before, and waits for the guard to be ready.
    ///
    /// # Errors
    /// When the guard does not come up.
    pub async fn start_host(&mut self) -> Result<()> {
        let host = Host::start(self.config.clone()).await?;
        self.config.port = host.url().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let ready = host.ready().await;
        let log = if ready { String::new() } else { tail(&host, 20) };
        self.host = Some(host);
        ensure!(ready, "the guard did not come up:\n{log}");
        Ok(())
    }

    /// What lies in the queue of stop events: texts, and how often each was handed out.
    #[must_use]
    pub fn queued(&self) -> Vec<(String, u64)> {
        self.config.queues.messages(QUEUE)
    }

    /// What the host gave up of it.
    #[must_use]
    pub fn poisoned(&self) -> Vec<(String, u64)> {
        self.config.queues.messages(&format!("{QUEUE}-poison"))
    }

    /// Puts a text into the queue of stop events, as somebody may who can write there.
    pub fn put_into_queue(&self, text: &str) {
        self.config.queues.put(QUEUE, text);
    }

    /// Starts another host beside the first, as when the platform scales out: a process of its own, on the same settings and
    /// the same state. Events do not come to it by themselves.
    ///
    /// # Errors
    /// When the guard does not come up.
    pub async fn another_host(&self) -> Result<Host> {
        let host = Host::start(HostConfig { port: 0, ..self.config.clone() }).await?;
        ensure!(host.ready().await, "the guard did not come up:\n{}", tail(&host, 20));
        Ok(host)
    }

    /// Where Event Grid sends events on this host.
    #[must_use]
    pub fn webhook_url(host: &Host) -> String {
        host.webhook_url(FUNCTION)
    }

    /// The first stop event of a cluster, once it has come to Event Grid.
    pub fn first_stop(&self, cluster: &ClusterId) -> Option<ResourceEvent> {
        self.pump.as_ref()?.first_stop(cluster)
    }

    /// Takes the host away, to end it in some way.
    ///
    /// # Errors
    /// While it is down.
    pub fn take_host(&mut self) -> Result<Host> {
        self.host.take().context("the host is down")
    }

    /// Writes a policy file into the app; the guard reads it when it starts next.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_policy(&self, name: &str, text: &str) -> Result<()> {
        self.app.write_policy(name, text)
    }

    /// Changes an app setting; the guard sees it when the host starts next.
    pub fn set_setting(&mut self, name: &str, value: &str) {
        self.config.settings.retain(|(known, _)| known != name);
        self.config.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Sends the first stop event of a cluster once more, and answers its id. None if there was none.
    pub fn repeat_first_stop(&self, cluster: &ClusterId) -> Option<String> {
        self.pump.as_ref()?.repeat_first_stop(cluster)
    }

    /// How often an event was taken.
    pub fn times_taken(&self, event: &str) -> usize {
        let is_it = |attempt: &&Attempt| {
            attempt.events.iter().any(|id| id == event) && matches!(attempt.answer, Answer::Status(200..=204))
        };
        self.attempts().iter().filter(is_it).count()
    }

    /// What Event Grid tried.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.grids().flat_map(EventGrid::attempts).collect()
    }

    /// What Event Grid gave up.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.grids().flat_map(EventGrid::dead_letters).collect()
    }

    fn grids(&self) -> impl Iterator<Item = &EventGrid> {
        let topics = self.pump.iter().flat_map(|pump| pump.topics().values());
        topics.filter_map(|topic| match &topic.destination {
            Destination::Webhook(grid) => Some(grid),
            Destination::Queue { .. } => None,
        })
    }

    /// Waits for a condition; false if it has not come by the end of `time`.
    pub async fn until(&self, time: Duration, condition: impl Fn(&Stage) -> bool) -> bool {
        let wait = async {
            while !condition(self) {
                tokio::time::sleep(POLL_EVERY).await;
            }
        };
        tokio::time::timeout(time, wait).await.is_ok()
    }

    async fn subscribe(&mut self) -> Result<()> {
        let url = self.host()?.webhook_url(FUNCTION);
        let mut topics = Topics::new();
        for guarded in &self.plan.subscriptions {
            let destination = match self.plan.way {
                Way::Webhook => {
                    let grid = EventGrid::new(Subscription {
                        duplicates: guarded.duplicates,
                        speed_up: self.plan.speed_up,
                        ..Subscription::new(url.clone(), guarded.schema)
                    })?;
                    grid.handshake().await?;
                    Destination::Webhook(grid)
                }
                Way::Queue(encoding) => Destination::Queue {
                    queues: self.config.queues.clone(),
                    name: QUEUE.to_owned(),
                    encoding,
                    copies: match guarded.duplicates {
                        Duplicates::None => 1,
                        Duplicates::Extra(extra) => 1 + extra,
                    },
                },
            };
            topics.insert(guarded.id.to_ascii_lowercase(), Topic { destination, schema: guarded.schema });
        }
        self.pump = Some(Pump::start(Arc::clone(&self.azure), topics));
        Ok(())
    }
}

fn identity(plan: &Plan) -> Caller {
    let subscription = plan.subscriptions.first().map(|guarded| guarded.id.as_str()).unwrap_or_default();
    let app = format!(
        "/subscriptions/{subscription}/resourceGroups/rg-guard/providers/Microsoft.Web/sites/func-aks-guard"
    );
    Caller::system_identity(GUARD, &app)
}

/// The app settings, as the Function app in Azure would have them, with everything on loopback.
fn app_settings(plan: &Plan, azure: &Azure) -> Vec<(String, String)> {
    let subscriptions: Vec<&str> = plan.subscriptions.iter().map(|guarded| guarded.id.as_str()).collect();
    let settings = [
        ("STOP_GUARD_MODE", "act".to_owned()),
        ("STOP_GUARD_EVALUATE", "explain".to_owned()),
        ("STOP_GUARD_SUBSCRIPTIONS", subscriptions.join(",")),
        ("STOP_GUARD_STATE", "UseDevelopmentStorage=true".to_owned()),
        ("STOP_GUARD_STATE_CONTAINER", plan.container.clone()),
        ("AZURITE_BLOB_STORAGE_URL", plan.azurite_url.clone()),
        ("STOP_GUARD_SINKS", "webhook".to_owned()),
        ("STOP_GUARD_WEBHOOK_URL", format!("{}/webhook", azure.url())),
        ("STOP_GUARD_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ("STOP_GUARD_SPEED_UP", plan.speed_up.to_string()),
        ("StopActionQueue", "UseDevelopmentStorage=true".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let asked_by = azure.asked_by().map(|(name, value)| (name.to_owned(), value));
    let unused = match plan.way {
        Way::Webhook => QUEUE_FUNCTION,
        Way::Queue(_) => FUNCTION,
    };
    let off = (format!("AzureWebJobs.{unused}.Disabled"), "true".to_owned());
    settings.into_iter().chain(asked_by).chain([off]).collect()
}

async fn init_state(guard: &std::path::Path, settings: &[(String, String)]) -> Result<()> {
    let run = Command::new(guard)
        .arg("init-state")
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(INIT_TIMEOUT, run).await.context("`init-state` never ended")??;
    if !output.status.success() {
        bail!("`init-state` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The newest lines of the host's log, the guard's among them. The timer's runs that went well are left out: at a speed-up
/// there are so many that nothing else would be left.
#[must_use]
pub fn tail(host: &Host, lines: usize) -> String {
    let mut entries = host.log().entries();
    entries.retain(|entry| entry.level != Level::Info || !entry.category.starts_with(SWEEP_CATEGORY));
    let skipped = entries.len().saturating_sub(lines);
    entries.iter().skip(skipped).map(|entry| format!("  {}: {}\n", entry.category, entry.message)).collect()
}
