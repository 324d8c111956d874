//! One rule of a network security group, by its name: to remove it.

use serde_json::Value;

use super::item::ItemError;
use super::judged::{Change, Judged, Verb};
use crate::domain::{ResourceId, text};
use crate::posture::is_rule_of_aks;
use crate::posture::read::{at, rows, word, words};

/// The type of a network security group.
const NSG_TYPE: &str = "Microsoft.Network/networkSecurityGroups";
/// Longest name of a rule, in characters (source: Azure naming rules, "networkSecurityGroups/securityRules 1-80").
const NAME_CHARS_MAX: usize = 80;
/// Most addresses or ports of a rule that are shown.
const SHOWN_MAX: usize = 5;
const COST: &str = "Free. What came in by this rule alone is cut off at once, connections that are open now included or not.";

/// A rule to remove, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NsgRule {
    group: ResourceId,
    name: String,
}

impl NsgRule {
    /// Names a rule of a group.
    ///
    /// # Errors
    /// In words: the id is not that of a network security group, or no rule can have this name.
    pub fn new(group: ResourceId, name: &str) -> Result<Self, String> {
        if !group.is_a(NSG_TYPE) {
            return Err(format!("`{group}` is not a network security group"));
        }
        let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
        let is_plain = name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        if !fits || !is_plain || name.chars().all(|c| c == '.') {
            return Err(format!("`{}` can't be the name of a network rule", text::clean(name, 100)));
        }
        Ok(Self { group, name: name.to_owned() })
    }

    /// The group that it is in.
    pub fn group(&self) -> &ResourceId {
        &self.group
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let Some(read) = read else { return Ok(self.no_group()) };
        let group: Value = serde_json::from_slice(read)?;
        at(&group, &["properties"]).ok_or(ItemError::OtherShape)?;
        let rule = match self.find(&group) {
            Ok(Some(rule)) => rule,
            Ok(None) => {
                let told = format!("`{}` has no rule `{}`", self.group.name(), self.name);
                return Ok(Judged::Already(told));
            }
            Err(hindered) => return Ok(hindered),
        };
        Ok(Judged::Change(Change {
            now: in_words(rule),
            then: format!("the rule `{}` is removed", self.name),
            cost: COST,
            verb: Verb::Delete,
            body: None,
            if_match: None,
        }))
    }

    pub(super) fn no_group(&self) -> Judged {
        Judged::Refused(format!("there is no network security group `{}`", self.group.name()))
    }

    /// The rule of this name in its group, if there is one, or why it must not be touched now.
    pub(super) fn find<'a>(&self, group: &'a Value) -> Result<Option<&'a Value>, Judged> {
        if is_rule_of_aks(&self.name) {
            return Err(Judged::Refused(format!(
                "AKS owns the rule `{}` and puts it back: set `loadBalancerSourceRanges` on the Service",
                self.name
            )));
        }
        let defaults = rows(group, &["properties", "defaultSecurityRules"]);
        if defaults.iter().any(|rule| self.is_named(rule)) {
            let why = format!("`{}` is one of Azure's default rules, which can't be changed", self.name);
            return Err(Judged::Refused(why));
        }
        let rule = rows(group, &["properties", "securityRules"]).iter().find(|rule| self.is_named(rule));
        let state =
            rule.and_then(|rule| word(rule, &["properties", "provisioningState"])).unwrap_or_default();
        if ["Updating", "Deleting"].iter().any(|busy| state.eq_ignore_ascii_case(busy)) {
            return Err(Judged::Busy(format!("the rule is in the state `{state}`")));
        }
        Ok(rule)
    }

    pub(super) fn is_named(&self, rule: &Value) -> bool {
        word(rule, &["name"]).is_some_and(|own| own.eq_ignore_ascii_case(&self.name))
    }
}

/// What a rule does, so that people see whether it is the one they mean.
pub(super) fn in_words(rule: &Value) -> String {
    let of = |name: &str| word(rule, &["properties", name]).unwrap_or_else(|| "?".to_owned());
    let all = |one: &str, many: &str| {
        let mut all: Vec<String> = word(rule, &["properties", one]).into_iter().collect();
        all.extend(words(rule, &["properties", many]));
        let more = all.len().saturating_sub(SHOWN_MAX);
        all.truncate(SHOWN_MAX);
        let told = if all.is_empty() { "?".to_owned() } else { all.join(", ") };
        if more > 0 { format!("{told} and {more} more") } else { told }
    };
    let priority = at(rule, &["properties", "priority"]).and_then(Value::as_i64);
    format!(
        "{} {} {} from {} to {} port {}, priority {}",
        of("direction"),
        of("access"),
        of("protocol"),
        all("sourceAddressPrefix", "sourceAddressPrefixes"),
        all("destinationAddressPrefix", "destinationAddressPrefixes"),
        all("destinationPortRange", "destinationPortRanges"),
        priority.map_or_else(|| "?".to_owned(), |priority| priority.to_string()),
    )
}
