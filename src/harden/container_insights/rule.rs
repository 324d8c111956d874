//! The data collection rule: what the agent collects, and where it sends that.

use serde_json::{Value, json};

use super::UsedRule;
use crate::domain::ResourceId;
use crate::harden::item::ItemError;
use crate::harden::judged::{Change, Judged, Verb};
use crate::harden::raw::{RawObject, raw};
use crate::posture::read::{at, rows, word, words};

/// Longest name that the Azure CLI gives a rule, in characters (source: azure-cli, `addonconfiguration.py`).
const NAME_CHARS_MAX: usize = 64;
/// Everything that Container Insights knows (source: Azure Monitor docs, "Container insights data collection").
const STREAM: &str = "Microsoft-ContainerInsights-Group-Default";
const EXTENSION: &str = "ContainerInsights";
const EXTENSIONS: [&str; 3] = ["properties", "dataSources", "extensions"];
const FLOWS: [&str; 2] = ["properties", "dataFlows"];
const WORKSPACES: [&str; 3] = ["properties", "destinations", "logAnalytics"];
const COST: &str = "Free. What is collected by it is billed in the workspace, once the add-on is on.";

/// `MSCI-<the workspace's region>-<cluster>`, cut as the Azure CLI cuts it.
pub(super) fn name(region: &str, cluster: &str) -> String {
    let whole = format!("MSCI-{region}-{cluster}");
    let cut: String = whole.chars().take(NAME_CHARS_MAX).collect();
    cut.strip_suffix('-').map(str::to_owned).unwrap_or(cut)
}

pub(super) fn judge(
    rule: &UsedRule,
    workspace: &ResourceId,
    read: Option<&[u8]>,
) -> Result<Judged, ItemError> {
    let (name, group) = (rule.id.name(), rule.id.resource_group());
    let Some(read) = read else {
        return Ok(Judged::Change(Change {
            now: format!("there is no rule `{name}` in `{group}`"),
            then: format!("the rule `{name}` sends {STREAM} to `{}`", workspace.name()),
            cost: COST,
            verb: Verb::Put,
            body: Some(body(&rule.region, workspace).to_string()),
            if_match: None,
        }));
    };
    let body: Value = serde_json::from_slice(read)?;
    at(&body, &["properties"]).ok_or(ItemError::OtherShape)?;
    let flows = Flows::of(&body);
    if flows.streams.is_empty() {
        let why = format!(
            "the rule `{name}` in `{group}` is there and collects nothing for Container Insights: rename or delete it"
        );
        return Ok(Judged::Refused(why));
    }
    let streams = flows.streams.join(", ");
    let told = |to: &str| format!("the rule `{name}` in `{group}` sends {streams} to `{to}`");
    if flows.all_go_to(workspace) {
        return Ok(Judged::Already(told(workspace.name())));
    }
    let own_region = word(&body, &["location"]).unwrap_or_default();
    if own_region.to_lowercase().replace(' ', "") != rule.region {
        let why = format!(
            "{}, and is in `{own_region}`: a rule sends to a workspace of its own region only (`{}`), so end the association first",
            told(&flows.workspaces()),
            rule.region
        );
        return Ok(Judged::Refused(why));
    }
    if !flows.is_whole || flows.destinations.len() != 1 {
        let why = format!("{}: that is not for this command to change", told(&flows.workspaces()));
        return Ok(Judged::Refused(why));
    }
    Ok(Judged::Change(Change {
        now: told(&flows.workspaces()),
        then: format!(
            "{}, with all else that goes there by it, for every cluster that is associated with it",
            told(workspace.name())
        ),
        cost: "What is collected by it is billed in that workspace from then on. What was collected stays where it is.",
        verb: Verb::Put,
        body: Some(moved(read, &flows, workspace)?),
        if_match: word(&body, &["etag"]),
    }))
}

/// Where what Container Insights collects goes by a rule.
struct Flows {
    /// What is collected.
    streams: Vec<String>,
    /// Names of destinations with the ids of their workspaces.
    destinations: Vec<(String, String)>,
    /// Whether every stream goes somewhere.
    is_whole: bool,
}

impl Flows {
    fn of(rule: &Value) -> Self {
        let is_insights = |row: &&Value| {
            word(row, &["extensionName"]).is_some_and(|name| name.eq_ignore_ascii_case(EXTENSION))
        };
        let streams: Vec<String> = rows(rule, &EXTENSIONS)
            .iter()
            .filter(is_insights)
            .flat_map(|row| words(row, &["streams"]))
            .collect();
        let carries = |row: &Value, stream: &String| words(row, &["streams"]).contains(stream);
        let flows = rows(rule, &FLOWS);
        let is_whole = streams.iter().all(|stream| flows.iter().any(|row| carries(row, stream)));
        let used = flows.iter().filter(|row| streams.iter().any(|stream| carries(row, stream)));
        let names: Vec<String> = used.flat_map(|row| words(row, &["destinations"])).collect();
        let destination = |row: &Value| Some((word(row, &["name"])?, word(row, &["workspaceResourceId"])?));
        let destinations =
            rows(rule, &WORKSPACES).iter().filter_map(destination).filter(|(name, _)| names.contains(name));
        Self { streams, destinations: destinations.collect(), is_whole }
    }

    fn all_go_to(&self, workspace: &ResourceId) -> bool {
        let is_wanted = |id: &str| ResourceId::parse(id).is_ok_and(|id| id == *workspace);
        self.is_whole && self.destinations.iter().any(|(_, id)| is_wanted(id))
    }

    fn workspaces(&self) -> String {
        let ids: Vec<&str> = self.destinations.iter().map(|(_, id)| id.as_str()).collect();
        if ids.is_empty() { "no workspace".to_owned() } else { ids.join("`, `") }
    }
}

/// A new rule, as Docker-Provider's `existingClusterOnboarding.json` makes it.
fn body(region: &str, workspace: &ResourceId) -> Value {
    let settings = json!({ "interval": "1m", "namespaceFilteringMode": "Off", "enableContainerLogV2": true });
    let extension = json!({
        "name": "ContainerInsightsExtension",
        "streams": [STREAM],
        "extensionName": EXTENSION,
        "extensionSettings": { "dataCollectionSettings": settings },
    });
    let destination = json!({ "workspaceResourceId": workspace.to_string(), "name": "ciworkspace" });
    json!({
        "location": region,
        "kind": "Linux",
        "properties": {
            "dataSources": { "extensions": [extension] },
            "destinations": { "logAnalytics": [destination] },
            "dataFlows": [{ "streams": [STREAM], "destinations": ["ciworkspace"] }],
        },
    })
}

/// The rule as it was read, with another workspace behind the destination that its flows name.
fn moved(read: &[u8], flows: &Flows, workspace: &ResourceId) -> Result<String, ItemError> {
    let mut whole = RawObject::parse(read)?;
    let rows = whole.get_at(&WORKSPACES)?.ok_or(ItemError::OtherShape)?;
    let mut rows: Vec<RawObject> = serde_json::from_str(rows.get())?;
    for row in &mut rows {
        let name = row.get("name").map(|name| serde_json::from_str::<String>(name.get())).transpose()?;
        if flows.destinations.iter().any(|(own, _)| Some(own) == name.as_ref()) {
            row.set("workspaceResourceId", raw(&workspace.to_string())?);
        }
    }
    whole.set_at(&WORKSPACES, raw(&rows)?)?;
    Ok(whole.to_raw()?.get().to_owned())
}
