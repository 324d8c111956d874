//! What can be found, and one finding.

use serde::Serialize;

use crate::domain::Severity;

/// Longest text of a finding, in characters: it holds some names of resources.
const SEEN_CHARS_MAX: usize = 600;
/// Most lines of detail, and most commands, of one finding: the rest is counted.
pub(super) const LINES_MAX: usize = 20;

/// What is looked for. The words are part of the interface: SARIF's rules and JSON's `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table below says what each means")]
pub enum Check {
    WideStopRights,
    StopRights,
    OpenRule,
    AksRule,
    ApiServerOpen,
    LocalAccounts,
    AuditLogsOff,
    GuardLogsOff,
    WorkspaceMissing,
    WorkspaceRetention,
    ContainerInsightsOff,
    DefenderPlanOff,
    DefenderExtensionOff,
    DefenderClusterPlanOff,
    DefenderProfileOff,
    VersionUnsupported,
    UpgradeAvailable,
    AutoUpgradeOff,
    UnknownValue,
    NotReadable,
    Gone,
}

/// What is the same for all findings of a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Its word.
    pub(super) id: &'static str,
    /// What is wrong, in a few words.
    pub(super) title: &'static str,
    /// Why it matters for a stop.
    pub(super) why: &'static str,
    /// What to do, in words.
    pub(super) mend: &'static str,
    /// Where Azure's documentation tells more.
    pub(super) link: &'static str,
    /// How bad it is, if nothing else is said.
    pub(super) severity: Severity,
}

impl Check {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 21] = [
        Self::WideStopRights,
        Self::StopRights,
        Self::OpenRule,
        Self::AksRule,
        Self::ApiServerOpen,
        Self::LocalAccounts,
        Self::AuditLogsOff,
        Self::GuardLogsOff,
        Self::WorkspaceMissing,
        Self::WorkspaceRetention,
        Self::ContainerInsightsOff,
        Self::DefenderPlanOff,
        Self::DefenderExtensionOff,
        Self::DefenderClusterPlanOff,
        Self::DefenderProfileOff,
        Self::VersionUnsupported,
        Self::UpgradeAvailable,
        Self::AutoUpgradeOff,
        Self::UnknownValue,
        Self::NotReadable,
        Self::Gone,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        self.rule().id
    }

    pub(super) fn rule(self) -> Rule {
        let (id, severity, title, why, mend, link) = match self {
            Self::WideStopRights => (
                "wide-stop-rights",
                Severity::Medium,
                "roles that stop every cluster",
                "Whoever takes over one of these accounts stops all clusters of the subscription at once.",
                "Assign narrower roles, on the clusters only, and let people activate wide ones for a time (Privileged Identity Management).",
                "https://learn.microsoft.com/azure/role-based-access-control/best-practices",
            ),
            Self::StopRights => (
                "stop-rights",
                Severity::Info,
                "roles that stop this cluster",
                "These accounts can stop the cluster; the policies should know each of them.",
                "Remove the assignments that nobody needs.",
                "https://learn.microsoft.com/azure/role-based-access-control/best-practices",
            ),
            Self::OpenRule => (
                "open-rule",
                Severity::Medium,
                "network rule open to the internet",
                "Who gets onto a node from the internet can take its identity, and what that may do, from there.",
                "Delete the rule if nothing needs it; else let it name the addresses that do.",
                "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview",
            ),
            Self::AksRule => (
                "aks-rule",
                Severity::Low,
                "Service open to the internet",
                "A Service of type LoadBalancer takes traffic from the whole internet.",
                "Set `loadBalancerSourceRanges` on the Service. Leave the rule alone: AKS owns it and puts it back.",
                "https://learn.microsoft.com/azure/aks/load-balancer-standard#restrict-inbound-traffic-to-specific-ip-ranges",
            ),
            Self::ApiServerOpen => (
                "api-server-open",
                Severity::Medium,
                "API server open to the internet",
                "A stolen credential works against the API server from anywhere: it can drain and delete what runs, without any stop event.",
                "Name the addresses that may reach the API server, or make the cluster private.",
                "https://learn.microsoft.com/azure/aks/api-server-authorized-ip-ranges",
            ),
            Self::LocalAccounts => (
                "local-accounts",
                Severity::Medium,
                "local accounts are on",
                "A cluster-admin certificate that names nobody can be fetched and used past Entra ID; no log says who did it.",
                "Turn local accounts off. The cluster needs Entra ID integration first.",
                "https://learn.microsoft.com/azure/aks/manage-local-accounts-managed-azure-ad",
            ),
            Self::AuditLogsOff => (
                "audit-logs-off",
                Severity::Medium,
                "no audit log of the API server",
                "After a stop nobody can tell what was done in the cluster before it.",
                "Send `kube-audit-admin` (or `kube-audit`, which is far more) to a workspace.",
                "https://learn.microsoft.com/azure/aks/monitor-aks",
            ),
            Self::GuardLogsOff => (
                "guard-logs-off",
                Severity::Low,
                "no log of sign-ins to the cluster",
                "The category `guard` tells who signed in to the API server with Entra ID.",
                "Send `guard` to a workspace.",
                "https://learn.microsoft.com/azure/aks/monitor-aks",
            ),
            Self::WorkspaceMissing => (
                "workspace-missing",
                Severity::High,
                "logs go to a workspace that is gone",
                "Everything that is sent there is lost, and nothing says so.",
                "Recover the workspace (within 14 days of its deletion), or name another one.",
                "https://learn.microsoft.com/azure/azure-monitor/logs/delete-workspace",
            ),
            Self::WorkspaceRetention => (
                "workspace-retention",
                Severity::Low,
                "logs are kept for less than 90 days",
                "Azure's activity log keeps 90 days. What led to a stop should not be gone before the stop is.",
                "Keep the workspace's logs for 90 days at least.",
                "https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure",
            ),
            Self::ContainerInsightsOff => (
                "container-insights-off",
                Severity::Low,
                "Container Insights is off",
                "Nobody sees nodes and pods go away, and nothing of them is left after a stop.",
                "Turn Container Insights on.",
                "https://learn.microsoft.com/azure/azure-monitor/containers/kubernetes-monitoring-enable",
            ),
            Self::DefenderPlanOff => (
                "defender-plan-off",
                Severity::Medium,
                "the Defender for Containers plan is off",
                "Nobody is warned of an attack on the cluster that ends in a stop.",
                "Turn the plan on. It is billed by vCore.",
                "https://learn.microsoft.com/azure/defender-for-cloud/defender-for-containers-introduction",
            ),
            Self::DefenderExtensionOff => (
                "defender-extension-off",
                Severity::Low,
                "a part of the Defender plan is off",
                "The plan is paid for, and this part of it watches nothing.",
                "Turn the extension on.",
                "https://learn.microsoft.com/azure/defender-for-cloud/defender-for-containers-introduction",
            ),
            Self::DefenderClusterPlanOff => (
                "defender-cluster-plan-off",
                Severity::Medium,
                "the Defender plan leaves this cluster out",
                "The subscription has the plan, and this cluster is exempt from it: a quiet way to work unseen.",
                "Take the exemption back.",
                "https://learn.microsoft.com/azure/defender-for-cloud/defender-for-containers-introduction",
            ),
            Self::DefenderProfileOff => (
                "defender-profile-off",
                Severity::Medium,
                "no Defender sensor on the nodes",
                "What happens inside the cluster before a stop raises no alert.",
                "Turn the Defender profile on.",
                "https://learn.microsoft.com/azure/defender-for-cloud/defender-for-containers-enable",
            ),
            Self::VersionUnsupported => (
                "version-unsupported",
                Severity::High,
                "Kubernetes version out of support",
                "It gets no security fixes, and a start after a stop may end in a forced upgrade or fail without help from Azure.",
                "Upgrade, one minor version at a time.",
                "https://learn.microsoft.com/azure/aks/supported-kubernetes-versions",
            ),
            Self::UpgradeAvailable => (
                "upgrade-available",
                Severity::Info,
                "there is a newer version",
                "A stopped cluster can't be upgraded, and the next version goes out of support meanwhile.",
                "Upgrade when it suits.",
                "https://learn.microsoft.com/azure/aks/upgrade-aks-cluster",
            ),
            Self::AutoUpgradeOff => (
                "auto-upgrade-off",
                Severity::Low,
                "no automatic upgrades",
                "Fixes for known holes come only when somebody thinks of it.",
                "Choose a channel; `patch` stays within the minor version.",
                "https://learn.microsoft.com/azure/aks/auto-upgrade-cluster",
            ),
            Self::UnknownValue => (
                "unknown-value",
                Severity::Info,
                "a value that this version does not know",
                "Azure has a setting here that this version can't judge.",
                "Look at it by hand, and update this tool.",
                "https://learn.microsoft.com/azure/aks/",
            ),
            Self::NotReadable => (
                "not-readable",
                Severity::Medium,
                "could not be read",
                "What can't be read can't be judged: this may hide findings as severe as this one.",
                "Give your identity the missing right, or try again.",
                "https://learn.microsoft.com/azure/role-based-access-control/custom-roles",
            ),
            Self::Gone => (
                "gone",
                Severity::Info,
                "is gone",
                "It was deleted while this was read, or something still names it.",
                "Nothing, if that was meant.",
                "https://learn.microsoft.com/azure/azure-resource-manager/management/overview",
            ),
        };
        Rule { id, title, why, mend, link, severity }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    #[serde(rename = "id")]
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// The id of what it is about.
    pub resource: String,
    /// What was seen.
    pub seen: String,
    /// More of it, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Why it matters for a stop.
    pub why: &'static str,
    /// What to do, in words.
    pub mend: &'static str,
    /// What to do, as commands of this tool where it has one, and of the Azure CLI. Words in capitals are for the reader to fill in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Where Azure's documentation tells more.
    pub link: &'static str,
}

impl Finding {
    pub(super) fn new(check: Check, resource: &impl ToString, seen: &str) -> Self {
        let rule = check.rule();
        Self {
            check,
            severity: rule.severity,
            resource: resource.to_string(),
            seen: crate::domain::text::clean(seen, SEEN_CHARS_MAX),
            details: Vec::new(),
            why: rule.why,
            mend: rule.mend,
            commands: Vec::new(),
            link: rule.link,
        }
    }

    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(super) fn command(mut self, command: String) -> Self {
        self.commands.push(command);
        self
    }

    pub(super) fn details(mut self, mut lines: Vec<String>) -> Self {
        let more = lines.len().saturating_sub(LINES_MAX);
        lines.truncate(LINES_MAX);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        self.details = lines;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_one_word_and_a_link_to_azures_documentation() {
        let mut words: Vec<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
        for check in Check::ALL {
            assert!(check.rule().link.starts_with("https://learn.microsoft.com/"), "{check:?}");
            assert_eq!(serde_json::to_value(check).unwrap(), check.as_str());
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Check::ALL.len());
    }
}
