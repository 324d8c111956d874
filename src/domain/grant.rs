//! Grants: planned stops. Who may stop what, from when until when, why, and who says so.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, CallerKind};
use super::claims::parse_guid;
use super::cluster::Cluster;
use super::resource_id::ClusterId;
use super::scope::{ResourceGroupId, Scope};
use super::{SubscriptionId, text};

/// Longest time from the making of a grant to its end. A longer permission is a policy, which is reviewed.
pub const GRANT_LASTS_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long before its making a grant may begin: for the stop whose announcement was forgotten.
pub const GRANT_BEGINS_BEFORE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How long before its making a grant begins unless said otherwise. The clock of whoever makes it is not Azure's, by which stops are
/// timed; a grant that is made just before its stop has to cover it.
pub const GRANT_BEGINS_BEFORE: SignedDuration = SignedDuration::from_mins(1);
/// Longest reason, in characters: it is a line of an incident.
pub const REASON_CHARS_MAX: usize = 300;
/// Longest ticket, in characters: an id or an address.
pub const TICKET_CHARS_MAX: usize = 200;
/// Longest name of a tag (source: Azure Resource Manager, "Use tags to organize your Azure resources", limits).
const TAG_NAME_CHARS_MAX: usize = 512;
/// Longest value of a tag (same source).
const TAG_VALUE_CHARS_MAX: usize = 256;

/// The version of grants and holds as they are stored. A reader of an older version refuses a newer one.
pub const ANNOUNCEMENT_VERSION: u32 = 1;

/// What a grant is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum GrantScope {
    /// One cluster, and no other that is made under its id later.
    Cluster {
        /// Its resource id.
        id: ClusterId,
        /// ARM's `resourceUID` of it.
        resource_uid: String,
    },
    /// All clusters of a resource group or a subscription.
    Within {
        /// Which.
        scope: Scope,
    },
    /// All clusters with this tag. Trusts everybody who may write tags.
    Tag {
        /// The tag's name; Azure's are compared without case.
        name: String,
        /// Its value, compared with case.
        value: String,
    },
}

/// Who made a grant or a hold, or took it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The object id, else the app id, of whoever it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A name for people; proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// By which way, and so how far the id can be trusted.
    pub via: Way,
}

/// By which way somebody told the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Over HTTP: the id is that of a token that was checked.
    Http,
    /// With the command line: the id is what the operator's credential said of itself. Whoever may write the state could have
    /// written another.
    Cli,
}

/// An end that was put to something before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Author,
}

/// A planned stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Version of what is stored.
    pub v: u32,
    /// Its id.
    pub id: String,
    /// What may be stopped.
    pub scope: GrantScope,
    /// Who may stop it: an object id, or the app id of an application. Lower case.
    pub caller: String,
    /// The first moment that it covers, on Azure's clock.
    pub from: Timestamp,
    /// The first moment that it covers no more.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Where it was agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who gave it.
    pub granted_by: Author,
    /// When it was made.
    pub created_at: Timestamp,
    /// Taken back: it covers no stop from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Ended>,
}

/// What somebody wants granted or held makes no sense; says what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// Not a GUID.
    #[error(
        "`{0}` is no caller: write the object id of a user or an application, or an application's client id (a GUID)"
    )]
    Caller(String),
    /// Over before it begins.
    #[error("it ends at {until}, which is not after {after}")]
    Over {
        /// Its end.
        until: Timestamp,
        /// What it must be after.
        after: Timestamp,
    },
    /// Longer than anybody may plan.
    #[error("it ends at {0}: {max} days from now at most; what is to last longer is a policy", max = GRANT_LASTS_MAX.as_hours() / 24)]
    TooLong(Timestamp),
    /// It begins too long ago.
    #[error("it begins at {0}: an hour ago at most")]
    TooEarly(Timestamp),
    /// No reason, or no text in it.
    #[error("a reason is needed, of {REASON_CHARS_MAX} characters at most")]
    Reason,
    /// A ticket that is empty or too long.
    #[error("the ticket is empty or has more than {TICKET_CHARS_MAX} characters")]
    Ticket,
    /// Not a tag.
    #[error("the tag has no name, or its name or value is longer than Azure allows")]
    Tag,
    /// A grant for everywhere is a policy.
    #[error("a grant is about a cluster, a resource group, a subscription or a tag")]
    Everywhere,
}

/// What somebody wants granted, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What may be stopped.
    pub scope: GrantScope,
    /// Who may stop it.
    pub caller: String,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Where it was agreed on.
    pub ticket: Option<String>,
}

impl Plan {
    /// Checks what somebody wants granted at `now`. Without `from` it begins a minute ago, see [`GRANT_BEGINS_BEFORE`].
    pub fn new(
        scope: GrantScope,
        caller: &str,
        (from, until): (Option<Timestamp>, Timestamp),
        (reason, ticket): (&str, Option<&str>),
        now: Timestamp,
    ) -> Result<Self, AnnouncementError> {
        let scope = scope.checked()?;
        let caller = parse_guid(caller)
            .ok_or_else(|| AnnouncementError::Caller(text::clean(caller, TICKET_CHARS_MAX)))?;
        let from = from.unwrap_or(now - GRANT_BEGINS_BEFORE);
        if from < now - GRANT_BEGINS_BEFORE_MAX {
            return Err(AnnouncementError::TooEarly(from));
        }
        check_end(from.max(now), until, now)?;
        let ticket = ticket
            .map(|ticket| line(ticket, TICKET_CHARS_MAX).ok_or(AnnouncementError::Ticket))
            .transpose()?;
        Ok(Self { scope, caller, from, until, reason: reason_line(reason)?, ticket })
    }
}

/// An end lies after the beginning, and not too far ahead.
pub(super) fn check_end(after: Timestamp, until: Timestamp, now: Timestamp) -> Result<(), AnnouncementError> {
    if until <= after {
        return Err(AnnouncementError::Over { until, after });
    }
    if until.duration_since(now) > GRANT_LASTS_MAX {
        return Err(AnnouncementError::TooLong(until));
    }
    Ok(())
}

pub(super) fn reason_line(reason: &str) -> Result<String, AnnouncementError> {
    line(reason, REASON_CHARS_MAX).ok_or(AnnouncementError::Reason)
}

/// One line that is safe to show; `None` if it is empty or too long.
fn line(given: &str, max_chars: usize) -> Option<String> {
    let given = given.trim();
    let fits = !given.is_empty() && given.chars().count() <= max_chars;
    fits.then(|| text::clean(given, max_chars))
}

impl GrantScope {
    fn checked(self) -> Result<Self, AnnouncementError> {
        match &self {
            Self::Cluster { .. } => {}
            Self::Within { scope: Scope::Subscription(_) | Scope::ResourceGroup(_) } => {}
            // A cluster without its uid would be inherited by whatever is made under its id.
            Self::Within { scope: Scope::Everywhere | Scope::Cluster(_) } => {
                return Err(AnnouncementError::Everywhere);
            }
            Self::Tag { name, value } => {
                let fits = !name.trim().is_empty()
                    && name.chars().count() <= TAG_NAME_CHARS_MAX
                    && value.chars().count() <= TAG_VALUE_CHARS_MAX;
                if !fits {
                    return Err(AnnouncementError::Tag);
                }
            }
        }
        Ok(self)
    }

    /// Whether a cluster is in it, given the uid of the cluster that was stopped and what ARM shows of it. What is not known is no yes.
    pub fn covers(&self, cluster: &ClusterId, resource_uid: Option<&str>, facts: Option<&Cluster>) -> bool {
        match self {
            Self::Cluster { id, resource_uid: of } => id == cluster && resource_uid == Some(of.as_str()),
            Self::Within { scope } => scope.covers(cluster),
            Self::Tag { name, value } => facts.is_some_and(|facts| {
                facts.tags.iter().any(|(has, is)| has.to_lowercase() == name.to_lowercase() && is == value)
            }),
        }
    }

    /// The subscription that it is in; `None` for a tag, which may be anywhere.
    pub fn subscription(&self) -> Option<&SubscriptionId> {
        match self {
            Self::Cluster { id, .. } => Some(id.subscription()),
            Self::Within { scope } => scope.subscription(),
            Self::Tag { .. } => None,
        }
    }

    /// A resource group's scope.
    pub fn resource_group(group: ResourceGroupId) -> Self {
        Self::Within { scope: Scope::ResourceGroup(group) }
    }

    /// A subscription's scope.
    pub fn in_subscription(subscription: SubscriptionId) -> Self {
        Self::Within { scope: Scope::Subscription(subscription) }
    }
}

impl Grant {
    /// A grant of what was checked.
    pub fn of(plan: Plan, id: String, granted_by: Author, created_at: Timestamp) -> Self {
        let Plan { scope, caller, from, until, reason, ticket } = plan;
        Self {
            v: ANNOUNCEMENT_VERSION,
            id,
            scope,
            caller,
            from,
            until,
            reason,
            ticket,
            granted_by,
            created_at,
            revoked: None,
        }
    }

    /// Whether it is one that the guard could have made. What is stored may have been written by others.
    pub fn is_sound(&self) -> bool {
        self.v == ANNOUNCEMENT_VERSION
            && self.until.duration_since(self.created_at) <= GRANT_LASTS_MAX
            && self.from >= self.created_at - GRANT_BEGINS_BEFORE_MAX
            && parse_guid(&self.caller).is_some_and(|id| id == self.caller)
    }

    /// Whether a stop by this caller at that time is covered, wherever it was.
    pub fn covers_time_and_caller(&self, caller: &Caller, at: Timestamp) -> bool {
        let not_revoked = self.revoked.as_ref().is_none_or(|revoked| at < revoked.at);
        self.from <= at && at < self.until && not_revoked && is_called(caller, &self.caller)
    }

    /// Whether it still covers what happens at that time.
    pub fn is_current(&self, at: Timestamp) -> bool {
        at < self.until && self.revoked.is_none()
    }
}

/// The ids under which grants for a caller are found.
pub fn ids_of(caller: &Caller) -> Vec<String> {
    let ids = [caller.object_id.as_ref(), caller.app_id.as_ref()];
    ids.into_iter().flatten().filter(|id| is_called(caller, id)).cloned().collect()
}

/// Whether an id names this caller. A person's app id is that of the client (the CLI, the portal), which many people share.
pub fn is_called(caller: &Caller, id: &str) -> bool {
    let is_application = match caller.kind {
        CallerKind::ServicePrincipal | CallerKind::ManagedIdentity => true,
        CallerKind::User | CallerKind::Guest | CallerKind::Azure | CallerKind::Unknown => false,
    };
    caller.identity() == Some(id) || (is_application && caller.app_id.as_deref() == Some(id))
}

impl Author {
    /// Somebody whose token was checked.
    pub fn verified(caller: &Caller) -> Self {
        let name = Some(caller.label().to_owned()).filter(|name| Some(name.as_str()) != caller.identity());
        Self { id: caller.identity().map(str::to_owned), name, via: Way::Http }
    }

    /// Whoever runs the command line, as far as the credential says who that is.
    pub fn by_cli(caller: Option<&Caller>) -> Self {
        let known = caller.filter(|caller| caller.is_known());
        Self { via: Way::Cli, ..known.map_or(Self { id: None, name: None, via: Way::Cli }, Self::verified) }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.via {
            Way::Http => "",
            Way::Cli => " by CLI",
        };
        match (&self.name, &self.id) {
            (Some(name), Some(id)) => write!(f, "{name} ({id}){way}"),
            (None, Some(id)) => write!(f, "{id}{way}"),
            (Some(_) | None, None) => f.write_str("CLI, unverified"),
        }
    }
}

impl fmt::Display for GrantScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { id, .. } => write!(f, "{id}"),
            Self::Within { scope } => write!(f, "{scope}"),
            Self::Tag { name, value } => {
                write!(
                    f,
                    "tag {}={}",
                    text::clean(name, TAG_NAME_CHARS_MAX),
                    text::clean(value, TAG_VALUE_CHARS_MAX)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
