//! An operator at the command line: their store, their Azure, and who they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::runtime::Builder;

use super::{Exit, Format, output, wiring};
use crate::azure::access_token::own_identity;
use crate::azure::{Arm, HttpTransport, TokenSource};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, FaultKind, Settings};
use crate::domain::grant::Author;
use crate::domain::{SubscriptionId, calendar, text};
use crate::store::{Location, Store};

/// Longest line that is printed, in characters: a grant with all its texts at their longest has fewer.
const LINE_CHARS_MAX: usize = 4_000;

/// Settings that say where the state is and who asks for it. Faults in others don't matter here.
const NEEDED: [&str; 13] = [
    "STOP_GUARD_STATE",
    "STOP_GUARD_STATE_CONTAINER",
    "STOP_GUARD_ARM_ENDPOINT",
    "STOP_GUARD_ARM_SCOPE",
    "STOP_GUARD_SUBSCRIPTIONS",
    "STOP_GUARD_MANAGEMENT_GROUPS",
    "AZURITE_BLOB_STORAGE_URL",
    "STOP_GUARD_CLOUD",
    "STOP_GUARD_CREDENTIAL",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
];

/// What an operator works with.
pub(super) struct Operator {
    pub(super) store: Store,
    arm: Option<(Arm, Arc<dyn TokenSource>)>,
    arm_scope: Option<String>,
    /// The guarded ones, if the settings name them all.
    subscriptions: Option<BTreeSet<SubscriptionId>>,
}

impl Operator {
    /// Opens the store of the settings; an exit, if they are broken.
    pub(super) fn open(environment: &Environment) -> anyhow::Result<Result<Self, Exit>> {
        let http = HttpTransport::new();
        let settings = Settings::read(environment);
        // Who may be guarded is asked only where it is known: an operator's machine need not know.
        let matters = |fault: &&crate::config::Fault| {
            NEEDED.contains(&fault.setting.as_str())
                && fault.kind != FaultKind::Unknown
                && !(fault.setting == "STOP_GUARD_SUBSCRIPTIONS" && fault.kind == FaultKind::Missing)
        };
        let mut faults: Vec<String> =
            settings.faults.iter().filter(matters).map(ToString::to_string).collect();
        if settings.state == Some(Location::Memory) {
            faults.push(
                "STOP_GUARD_STATE is `memory`, which ends with this command: name the store of the guard"
                    .to_owned(),
            );
        }
        for fault in &faults {
            output::error(&format!("error: {fault}\n"));
        }
        let Some(store) = wiring::store(&settings, &http).filter(|_| faults.is_empty()) else {
            return Ok(Err(Exit::Invalid));
        };
        let arm = wiring::arm(&settings, &http);
        let arm_scope = settings.arm.as_ref().map(|arm| arm.endpoint.scope().to_owned());
        // Who is in a management group is not looked up here.
        let subscriptions = settings.subscriptions.filter(|_| settings.management_groups.is_empty());
        Ok(Ok(Self { store: store?, arm, arm_scope, subscriptions }))
    }

    /// Now, on Azure's clock as far as it was heard.
    pub(super) fn now(&self) -> Timestamp {
        self.arm.as_ref().map_or_else(|| SystemClock.now(), |(arm, _)| arm.arm_now())
    }

    /// Who they are, if their credential says so.
    pub(super) async fn author(&self) -> Author {
        let (Some((_, tokens)), Some(scope)) = (&self.arm, &self.arm_scope) else {
            return Author::by_cli(None);
        };
        let token = tokens.token(scope).await.ok();
        Author::by_cli(token.as_ref().and_then(own_identity).as_ref())
    }

    /// Azure, to look at a cluster.
    pub(super) fn arm(&self) -> anyhow::Result<&Arm> {
        let arm = self.arm.as_ref().map(|(arm, _)| arm);
        arm.context("the cluster has to be looked at, and the settings don't say who asks Azure")
    }

    /// What is not guarded can't be granted or held: it would do nothing.
    pub(super) fn check_guarded(&self, subscription: Option<&SubscriptionId>) -> anyhow::Result<()> {
        if let (Some(guarded), Some(id)) = (&self.subscriptions, subscription) {
            anyhow::ensure!(guarded.contains(id), "subscription `{id}` is not in STOP_GUARD_SUBSCRIPTIONS");
        }
        Ok(())
    }
}

/// Runs what talks to the store and to Azure.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    Builder::new_current_thread().enable_all().build().context("the runtime can't be started")?.block_on(work)
}

/// Reads a time of an argument.
pub(super) fn moment(given: &str) -> Result<Timestamp, String> {
    calendar::parse_moment(given).map_err(|error| error.to_string())
}

/// Prints values: as lines for people, as JSON for programs.
pub(super) fn print<T: serde::Serialize>(values: &T, lines: &[String], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Human => {
            let clean = lines.iter().map(|line| text::clean(line, LINE_CHARS_MAX)).collect::<Vec<_>>();
            output::print(&clean.iter().map(|line| format!("{line}\n")).collect::<String>());
        }
        Format::Json => output::print(&format!("{}\n", serde_json::to_string_pretty(values)?)),
    }
    Ok(())
}
