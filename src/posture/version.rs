//! The Kubernetes version: supported or not, what comes after it, and who thinks of upgrading.

use serde_json::Value;

use super::cluster::ClusterFacts;
use super::finding::{Check, Finding};
use super::read::{rows, truth, word, words};
use super::shell::command;
use crate::domain::Severity;

/// The support plan of a cluster that names none.
const OFFICIAL: &str = "KubernetesOfficial";
/// The channels that there are (source: azure-rest-api-specs, `ManagedClusterAutoUpgradeProfile`).
const CHANNELS: [&str; 4] = ["patch", "stable", "rapid", "node-image"];
const NODE_CHANNELS: [&str; 2] = ["NodeImage", "SecurityPatch"];
/// Words that mean that nobody upgrades. `Unmanaged` leaves it to the operating system, which needs reboots that nobody does.
const NO_CHANNELS: [&str; 2] = ["none", "Unmanaged"];

/// A minor version that a region offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `1.34`.
    minor: String,
    is_preview: bool,
    plans: Vec<String>,
}

impl Release {
    /// Reads the list of a region (`values`, not `value`).
    pub(super) fn read_all(body: &Value) -> Option<Vec<Self>> {
        super::read::at(body, &["values"])?;
        let read = |row: &Value| {
            Some(Self {
                minor: word(row, &["version"])?,
                is_preview: truth(row, &["isPreview"]) == Some(true),
                plans: words(row, &["capabilities", "supportPlan"]),
            })
        };
        Some(rows(body, &["values"]).iter().filter_map(read).collect())
    }
}

/// Whether Azure supports the version that the cluster has.
pub(super) fn support(cluster: &ClusterFacts, releases: &[Release], upgrades: &[String]) -> Option<Finding> {
    let version = cluster.version.as_deref()?;
    if releases.is_empty() {
        return None;
    }
    let plan = cluster.support_plan.as_deref().unwrap_or(OFFICIAL);
    let release = releases.iter().find(|release| release.minor == minor(version));
    let (seen, severity) = match release {
        None => (format!("version {version} is not among those of its region"), Severity::High),
        Some(release) if release.is_preview => {
            (format!("version {version} is a preview, which Azure does not support"), Severity::Low)
        }
        Some(release) if !release.plans.is_empty() && !has(&release.plans, plan) => {
            let plans = release.plans.join(", ");
            (
                format!("version {version} is supported under {plans} only; the cluster has {plan}"),
                Severity::High,
            )
        }
        Some(_) => return None,
    };
    let mut found = Finding::new(Check::VersionUnsupported, &cluster.id, &seen).severity(severity);
    found.commands = upgrade(cluster, upgrades);
    Some(found)
}

/// Whether there is something newer.
pub(super) fn newer(cluster: &ClusterFacts, upgrades: &[String]) -> Option<Finding> {
    let version = cluster.version.as_deref().unwrap_or("of unknown number");
    let mut all: Vec<&String> = upgrades.iter().collect();
    all.sort_by_key(|version| numbers(version));
    let shown = all.iter().map(|version| version.as_str()).collect::<Vec<_>>().join(", ");
    let seen = format!("version {version} can be upgraded to {shown}");
    let mut found = Finding::new(Check::UpgradeAvailable, &cluster.id, &seen);
    found.commands = upgrade(cluster, upgrades);
    (!found.commands.is_empty()).then_some(found)
}

/// The commands for the newest version that can be reached in one step.
fn upgrade(cluster: &ClusterFacts, upgrades: &[String]) -> Vec<String> {
    let Some(newest) = upgrades.iter().max_by_key(|version| numbers(version)) else { return Vec::new() };
    let id = cluster.id.to_string();
    let own = command("aks-stop-guard harden upgrade", &["--cluster", &id, "--to", newest]);
    let arguments = [&cluster.az()[..], &["--kubernetes-version", newest]].concat();
    vec![own, command("az aks upgrade", &arguments)]
}

/// Whether upgrades come by themselves.
pub(super) fn channels(cluster: &ClusterFacts) -> Vec<Finding> {
    let judged = [
        ("upgrade channel", &cluster.upgrade_channel, &CHANNELS[..], "--auto-upgrade-channel", "patch"),
        (
            "channel of node images",
            &cluster.node_os_channel,
            &NODE_CHANNELS,
            "--node-os-upgrade-channel",
            "NodeImage",
        ),
    ];
    let judge = |(name, channel, known, option, proposed): (&str, &Option<String>, &[&str], &str, &str)| {
        let channel = channel.as_deref().unwrap_or("none");
        if known.iter().any(|known| known.eq_ignore_ascii_case(channel)) {
            return None;
        }
        let seen = format!("the {name} is `{channel}`");
        if !NO_CHANNELS.iter().any(|none| none.eq_ignore_ascii_case(channel)) {
            return Some(Finding::new(Check::UnknownValue, &cluster.id, &seen));
        }
        let arguments = [&cluster.az()[..], &[option, proposed]].concat();
        let choose = command("az aks update", &arguments);
        Some(Finding::new(Check::AutoUpgradeOff, &cluster.id, &seen).command(choose))
    };
    judged.into_iter().filter_map(judge).collect()
}

fn has(plans: &[String], plan: &str) -> bool {
    plans.iter().any(|own| own.eq_ignore_ascii_case(plan))
}

/// `1.34` of `1.34.4`.
fn minor(version: &str) -> String {
    version.trim_start_matches('v').split('.').take(2).collect::<Vec<_>>().join(".")
}

/// For comparing: 1.9 is before 1.10.
fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect()
}
