//! Who reaches the API server, and how they say who they are.

use super::cidr::Cidr;
use super::cluster::ClusterFacts;
use super::finding::{Check, Finding};
use super::shell::command;

/// Whether the whole internet reaches the API server.
pub(super) fn reach(cluster: &ClusterFacts) -> Option<Finding> {
    let is_off = |access: &str| access.eq_ignore_ascii_case("Disabled");
    if cluster.is_private || cluster.public_network_access.as_deref().is_some_and(is_off) {
        return None;
    }
    let is_wide = |range: &&String| Cidr::parse(range).is_some_and(Cidr::is_internet);
    let seen = match cluster.authorized_ranges.iter().find(is_wide) {
        Some(range) => format!("the API server takes connections from `{range}`"),
        None if cluster.authorized_ranges.is_empty() => {
            "the API server takes connections from everywhere: no authorised ranges, not private".to_owned()
        }
        None => return None,
    };
    let arguments = [&cluster.az()[..], &["--api-server-authorized-ip-ranges", "YOUR_IP_RANGES"]].concat();
    let close = command("az aks update", &arguments);
    let id = cluster.id.to_string();
    let own =
        command("aks-stop-guard harden authorized-ranges", &["--cluster", &id, "--range", "YOUR_IP_RANGES"]);
    Some(Finding::new(Check::ApiServerOpen, &cluster.id, &seen).command(own).command(close))
}

/// Whether `publicNetworkAccess` has a value that is neither of the documented ones.
pub(super) fn unknown_access(cluster: &ClusterFacts) -> Option<Finding> {
    let is_known =
        |access: &&str| ["Enabled", "Disabled"].iter().any(|known| known.eq_ignore_ascii_case(access));
    let access = cluster.public_network_access.as_deref().filter(|access| !is_known(access))?;
    let seen = format!("`publicNetworkAccess` is `{access}`");
    Some(Finding::new(Check::UnknownValue, &cluster.id, &seen))
}

/// Whether there are accounts that are nobody's.
pub(super) fn local_accounts(cluster: &ClusterFacts) -> Option<Finding> {
    if cluster.local_accounts_off == Some(true) {
        return None;
    }
    let entra = if cluster.has_entra { "on" } else { "off" };
    let seen = format!("`disableLocalAccounts` is not set; Entra ID integration is {entra}");
    let mut found = Finding::new(Check::LocalAccounts, &cluster.id, &seen);
    if !cluster.has_entra {
        found = found.command(command("az aks update --enable-aad", &cluster.az()));
    }
    Some(found.command(command("az aks update --disable-local-accounts", &cluster.az())))
}
