//! A Log Analytics workspace that is not there yet.

use serde_json::{Value, json};

use super::item::ItemError;
use super::judged::{Change, Judged, Verb};
use crate::domain::{ResourceId, text};
use crate::posture::read::word;

/// The type of a workspace.
const WORKSPACE_TYPE: &str = "Microsoft.OperationalInsights/workspaces";
/// Days that a workspace of the tier `PerGB2018` can keep logs (source: Azure Monitor docs, "Manage data retention").
const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 30..=730;
/// Longest name of a region that is taken, in characters; Azure's longest has under 25.
const REGION_CHARS_MAX: usize = 40;
const COST: &str = "Free while it is empty. What is sent to it is billed by gigabyte, and by month what is kept longer than 31 days.";

/// A workspace to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkspace {
    id: ResourceId,
    region: String,
    retention_days: u32,
}

impl NewWorkspace {
    /// Says where it will be, and how long it keeps logs.
    ///
    /// # Errors
    /// In words: not the id of a workspace, no name of a region, or a retention that Azure doesn't take.
    pub fn new(id: ResourceId, region: &str, retention_days: u32) -> Result<Self, String> {
        if !id.is_a(WORKSPACE_TYPE) {
            return Err(format!("`{id}` is not a Log Analytics workspace"));
        }
        let fits = (1..=REGION_CHARS_MAX).contains(&region.len());
        if !fits || !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            let region = text::clean(region, REGION_CHARS_MAX);
            return Err(format!("`{region}` is not the name of a region: give one like `westeurope`"));
        }
        if !RETENTION_DAYS.contains(&retention_days) {
            let (least, most) = (RETENTION_DAYS.start(), RETENTION_DAYS.end());
            return Err(format!("a workspace keeps logs for {least} to {most} days, not `{retention_days}`"));
        }
        Ok(Self { id, region: region.to_owned(), retention_days })
    }

    /// Its id.
    pub fn id(&self) -> &ResourceId {
        &self.id
    }

    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let Some(read) = read else {
            let properties =
                json!({ "sku": { "name": "PerGB2018" }, "retentionInDays": self.retention_days });
            return Ok(Judged::Change(Change {
                now: "there is no such workspace".to_owned(),
                then: format!(
                    "a workspace in `{}` that keeps logs for {} days",
                    self.region, self.retention_days
                ),
                cost: COST,
                verb: Verb::Put,
                body: Some(json!({ "location": self.region, "properties": properties }).to_string()),
                if_match: None,
            }));
        };
        let workspace: Value = serde_json::from_slice(read)?;
        let state = word(&workspace, &["properties", "provisioningState"]).ok_or(ItemError::OtherShape)?;
        let is = |wanted: &str| state.eq_ignore_ascii_case(wanted);
        if is("Succeeded") {
            return Ok(Judged::Already("the workspace is there".to_owned()));
        }
        if is("Failed") || is("Canceled") {
            return Ok(Judged::Refused(format!("the workspace is there in the state `{state}`")));
        }
        Ok(Judged::Busy(format!("the workspace is in the state `{state}`")))
    }
}
