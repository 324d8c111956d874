//! Entities that policies name. Cedar takes any text as an id, and one that no caller and no resource can ever have would
//! make the policy silently match nothing: a `forbid` that never forbids.

use cedar_policy::EntityUid;

use super::entity::UNKNOWN_CALLER;
use super::hierarchy;
use crate::domain::ClusterId;
use crate::domain::claims::parse_guid;
use crate::domain::scope::ResourceGroupId;

/// Why nothing can have this id, and how to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmatchable {
    pub(super) message: String,
    pub(super) help: String,
}

/// Checks one entity that a policy names. Types that the schema doesn't know are the validator's matter.
pub(super) fn check(entity: &EntityUid) -> Result<(), Unmatchable> {
    let (kind, id) = (entity.type_name().to_string(), entity.id().unescaped());
    let form = match kind.as_str() {
        "Caller" => "an object id (a GUID), or \"unknown\"",
        "Group" => "an object id (a GUID)",
        "ManagementGroup" => "\"/providers/microsoft.management/managementgroups/<name>\"",
        "Subscription" => "\"/subscriptions/<guid>\"",
        "ResourceGroup" => "\"/subscriptions/<guid>/resourcegroups/<name>\"",
        "ManagedCluster" => {
            "\"/subscriptions/<guid>/resourcegroups/<name>/providers/microsoft.containerservice/managedclusters/<name>\""
        }
        "ContainerGroup" => {
            "\"/subscriptions/<guid>/resourcegroups/<name>/providers/microsoft.containerinstance/containergroups/<name>\""
        }
        _ => return Ok(()),
    };
    let lower = id.to_lowercase();
    if !fits(&kind, id) {
        Err(Unmatchable {
            message: format!("no {kind} has the id `{id}`"),
            help: format!("the id of a {kind} is {form}"),
        })
    } else if lower != id {
        Err(Unmatchable {
            message: format!("no {kind} has the id `{id}`: ids are lower case"),
            help: format!("write `{lower}`"),
        })
    } else {
        Ok(())
    }
}

/// Whether anything of a kind can have an id, in whatever case it is written.
pub(super) fn fits(kind: &str, id: &str) -> bool {
    match kind {
        "Caller" => id == UNKNOWN_CALLER || is_guid(id),
        "Group" => is_guid(id),
        "ManagementGroup" => hierarchy::name_in(id).is_some(),
        "Subscription" => is_subscription(id),
        "ResourceGroup" => ResourceGroupId::parse(id).is_ok(),
        _ => ClusterId::parse(id).is_ok_and(|id| id.kind().entity() == kind),
    }
}

/// A GUID with dashes that somebody can have: the nil GUID is nobody's.
pub(super) fn is_guid(text: &str) -> bool {
    parse_guid(text).is_some_and(|guid| guid.eq_ignore_ascii_case(text))
}

fn is_subscription(id: &str) -> bool {
    strip_prefix_ignoring_case(id, "/subscriptions/").is_some_and(is_guid)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}
