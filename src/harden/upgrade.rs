//! The Kubernetes version of a cluster's control plane.

use serde_json::Value;

use super::cluster::{Words, change, hindered, under_way};
use super::item::ItemError;
use super::judged::Judged;
use super::raw::raw;
use crate::domain::{ClusterId, text};
use crate::posture::read::{at, rows, truth, word};

const VERSION: [&str; 2] = ["properties", "kubernetesVersion"];
const CURRENT: [&str; 2] = ["properties", "currentKubernetesVersion"];
/// Longest part of an argument that an error quotes, in characters.
const QUOTED_CHARS_MAX: usize = 60;
/// Most node pools that are named.
const POOLS_SHOWN: usize = 5;
const COST: &str = "Free, and it can't be undone: AKS goes back to no earlier version. Look for removed APIs in use first. The API server may not answer for \
                    moments; what runs on the nodes goes on. It takes 5 to 20 minutes as a rule.";

/// A whole version: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

/// Bring the control plane to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    cluster: ClusterId,
    to: Version,
    /// What Azure offers the cluster, with whether it is a preview; none until that was read.
    offered: Option<Vec<(Version, bool)>>,
}

impl Upgrade {
    /// Says to which version.
    ///
    /// # Errors
    /// In words: it is not a whole version.
    pub fn new(cluster: ClusterId, to: &str) -> Result<Self, String> {
        let quoted = text::clean(to, QUOTED_CHARS_MAX);
        let to = Version::parse(to)
            .ok_or_else(|| format!("`{quoted}` is no whole version: give one like `1.34.4`"))?;
        Ok(Self { cluster, to, offered: None })
    }

    /// Of which cluster.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// Takes in what Azure offers: the body of its `upgradeProfiles/default`.
    pub(super) fn informed(&self, read: Option<&[u8]>) -> Result<Self, ItemError> {
        let Some(read) = read else { return Ok(self.clone()) };
        let profile: Value = serde_json::from_slice(read)?;
        at(&profile, &["properties", "controlPlaneProfile"]).ok_or(ItemError::OtherShape)?;
        let offer = |row: &Value| {
            let version = Version::parse(&word(row, &["kubernetesVersion"])?)?;
            Some((version, truth(row, &["isPreview"]) == Some(true)))
        };
        // Absent where there is nothing to upgrade to.
        let offered = rows(&profile, &["properties", "controlPlaneProfile", "upgrades"]);
        Ok(Self { offered: Some(offered.iter().filter_map(offer).collect()), ..self.clone() })
    }

    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let Some(read) = read else {
            return Ok(Judged::Refused(format!("there is no cluster `{}`", self.cluster.name())));
        };
        let body: Value = serde_json::from_slice(read)?;
        word(&body, &["id"]).ok_or(ItemError::OtherShape)?;
        // The version that is wanted may be short (`1.34`) and is shown before it is so; the current one is whole.
        let Some(own) =
            word(&body, &CURRENT).or_else(|| word(&body, &VERSION)).and_then(|own| Version::parse(&own))
        else {
            return Ok(Judged::Refused("Azure doesn't say which version the cluster has".to_owned()));
        };
        let pools = pools(&body);
        if own == self.to {
            let already = Judged::Already(format!("the control plane has version {own}; {pools}"));
            return Ok(under_way(&body).unwrap_or(already));
        }
        if let Some(hindered) = hindered(&body) {
            return Ok(hindered);
        }
        if let Some(why) = self.refusal(own) {
            return Ok(Judged::Refused(why));
        }
        let words = Words {
            now: format!("the control plane has version {own}; {pools}"),
            then: format!(
                "the control plane has version {}; the node pools stay as they are, upgrade them after it with `az aks nodepool upgrade`",
                self.to
            ),
            cost: COST,
        };
        change(read, words, vec![(&VERSION, raw(&self.to.to_string())?)])
    }

    /// Why a cluster of this version doesn't go there.
    fn refusal(&self, own: Version) -> Option<String> {
        let to = self.to;
        if to < own {
            return Some(format!("the control plane has version {own}, and AKS goes back to no earlier one"));
        }
        let Some(offered) = &self.offered else {
            return Some("Azure doesn't say to which versions the cluster can be upgraded".to_owned());
        };
        let names: Vec<String> = offered.iter().map(|(version, _)| version.to_string()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        if (to.0, to.1) > (own.0, own.1.saturating_add(1)) {
            return Some(format!(
                "{own} to {to} is more than one minor version: go one by one; offered are: {names}"
            ));
        }
        match offered.iter().find(|(version, _)| *version == to) {
            None => Some(format!("Azure doesn't offer {to} to this cluster; offered are: {names}")),
            Some((_, true)) => Some(format!("{to} is a preview, which Azure doesn't support")),
            Some((_, false)) => None,
        }
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let number =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        match text.split('.').collect::<Vec<_>>().as_slice() {
            [major, minor, patch] => Some(Self(number(major)?, number(minor)?, number(patch)?)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The node pools with their versions.
fn pools(cluster: &Value) -> String {
    let pool = |row: &Value| {
        let own = word(row, &["currentOrchestratorVersion"]).or_else(|| word(row, &["orchestratorVersion"]));
        format!("`{}` {}", word(row, &["name"]).unwrap_or_default(), own.unwrap_or_else(|| "?".to_owned()))
    };
    let rows = rows(cluster, &["properties", "agentPoolProfiles"]);
    let named = rows.iter().take(POOLS_SHOWN).map(pool).collect::<Vec<_>>().join(", ");
    let more = rows.len().saturating_sub(POOLS_SHOWN);
    match (rows.len(), more) {
        (0, _) => "no node pools are shown".to_owned(),
        (_, 0) => format!("node pools: {named}"),
        _ => format!("node pools: {named} and {more} more"),
    }
}
