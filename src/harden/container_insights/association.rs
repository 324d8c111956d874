//! What a cluster's agent takes its data collection rule from.

use serde_json::{Value, json};

use crate::domain::ResourceId;
use crate::harden::item::ItemError;
use crate::harden::judged::{Change, Judged, Verb};
use crate::posture::read::word;

const COST: &str = "Free. While it is there, Azure may refuse to delete the rule or the cluster alone.";

/// Judges the association. One with another rule never comes here as a change: that rule is the one that is used.
pub(super) fn judge(rule: &ResourceId, read: Option<&[u8]>) -> Result<Judged, ItemError> {
    let then = format!("the cluster is associated with the rule `{}`", rule.name());
    let Some(read) = read else {
        let properties = json!({
            "description": "Association of data collection rule.",
            "dataCollectionRuleId": rule.to_string(),
        });
        return Ok(Judged::Change(Change {
            now: "the cluster has no association `ContainerInsightsExtension`".to_owned(),
            then,
            cost: COST,
            verb: Verb::Put,
            body: Some(json!({ "properties": properties }).to_string()),
            if_match: None,
        }));
    };
    let association: Value = serde_json::from_slice(read)?;
    let named = word(&association, &["properties", "dataCollectionRuleId"]).ok_or(ItemError::OtherShape)?;
    if ResourceId::parse(&named).is_ok_and(|named| named == *rule) {
        return Ok(Judged::Already(then));
    }
    Ok(Judged::Refused(format!("the cluster is associated with another rule, `{named}`")))
}
