//! The Defender for Containers plan of a subscription.

use serde_json::Value;

use super::item::ItemError;
use super::judged::{Change, Judged, Verb};
use super::raw::{RawObject, raw};
use crate::domain::SubscriptionId;
use crate::posture::read::{rows, truth, word};

/// Members of a plan that Azure computes (source: Azure REST docs, "Pricings - Update": read-only). They are left out of what is sent.
const READ_ONLY: [&str; 7] = [
    "freeTrialRemainingTime",
    "enablementTime",
    "deprecated",
    "replacedBy",
    "resourcesCoverageStatus",
    "inherited",
    "inheritedFrom",
];
const COST: &str = "Microsoft bills the plan by vCore and hour for all clusters of the subscription, and by image for its registries, \
                    from the moment it is on (a first month may be free).";

/// Turn the plan on, and perhaps parts of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefenderPlan {
    /// Whose plan.
    pub subscription: SubscriptionId,
    /// Names of extensions that shall be on. Others stay as they are.
    pub extensions: Vec<String>,
}

impl DefenderPlan {
    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let Some(read) = read else {
            return Ok(Judged::Refused("the subscription has no plan `Containers`".to_owned()));
        };
        let plan: Value = serde_json::from_slice(read)?;
        let tier = word(&plan, &["properties", "pricingTier"]).ok_or(ItemError::OtherShape)?;
        let known = rows(&plan, &["properties", "extensions"]);
        let is_on = |name: &str| {
            known.iter().any(|one| is_named(one, name) && truth(one, &["isEnabled"]) == Some(true))
        };
        let off: Vec<&str> = self.extensions.iter().map(String::as_str).filter(|name| !is_on(name)).collect();
        if tier.eq_ignore_ascii_case("Standard") && off.is_empty() {
            return Ok(Judged::Already(told("the plan Containers is `Standard`", &self.extensions)));
        }
        if !tier.eq_ignore_ascii_case("Standard") && !tier.eq_ignore_ascii_case("Free") {
            return Ok(Judged::Refused(format!("the plan has the tier `{tier}`, which is not known here")));
        }
        Ok(Judged::Change(Change {
            now: if off.is_empty() {
                format!("the plan Containers is `{tier}`")
            } else {
                format!("the plan Containers is `{tier}`; off in it: {}", off.join(", "))
            },
            then: told("the plan Containers is `Standard`", &self.extensions),
            cost: COST,
            verb: Verb::Put,
            body: Some(body(read, &off)?),
            if_match: None,
        }))
    }
}

fn is_named(extension: &Value, name: &str) -> bool {
    word(extension, &["name"]).is_some_and(|own| own.eq_ignore_ascii_case(name))
}

fn told(plan: &str, extensions: &[String]) -> String {
    if extensions.is_empty() { plan.to_owned() } else { format!("{plan}, with {}", extensions.join(", ")) }
}

/// The plan as it was read, on, with these extensions on: each PUT tells the whole plan.
fn body(read: &[u8], on: &[&str]) -> Result<String, ItemError> {
    let whole = RawObject::parse(read)?;
    let properties = whole.get("properties").ok_or(ItemError::OtherShape)?;
    let mut properties = RawObject::parse(properties.get().as_bytes())?;
    for name in READ_ONLY {
        properties.remove(name);
    }
    properties.set("pricingTier", raw("Standard")?);
    if !on.is_empty() {
        let extensions = properties.get("extensions").map(serde_json::value::RawValue::get);
        let mut extensions: Vec<RawObject> = serde_json::from_str(extensions.unwrap_or("[]"))?;
        for name in on {
            let named = |one: &&mut RawObject| {
                let own = one.get("name").and_then(|own| serde_json::from_str::<String>(own.get()).ok());
                own.is_some_and(|own| own.eq_ignore_ascii_case(name))
            };
            if let Some(one) = extensions.iter_mut().find(named) {
                one.set("isEnabled", raw("True")?);
            } else {
                let mut one = RawObject::default();
                one.set("name", raw(name)?);
                one.set("isEnabled", raw("True")?);
                extensions.push(one);
            }
        }
        properties.set("extensions", raw(&extensions)?);
    }
    let mut sent = RawObject::default();
    sent.set("properties", properties.to_raw()?);
    Ok(sent.to_raw()?.get().to_owned())
}
