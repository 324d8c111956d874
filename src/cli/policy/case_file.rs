//! A file of cases for `policy test`, in YAML. docs/POLICY.md describes it for people.
//!
//! The parser's budget bounds anchors, depth and size, so that no file takes the memory of a build agent.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::domain::claims::parse_guid;
use crate::domain::event::parse;
use crate::domain::text::clean;
use crate::domain::{
    Caller, CallerKind, Cluster, ClusterId, Parsed, Power, Provisioning, Role, Setup, Severity, StopTime,
};
use crate::policy::{Counts, GrantFacts};

/// Most bytes of one file: a thousand cases of common size.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most levels in one another; a case has five.
const DEPTH_MAX: usize = 32;
/// Most aliases of a file: they save writing a caller again.
const ALIASES_MAX: usize = 1_000;
/// Most nodes of a file after aliases are followed: what FILE_BYTES_MAX of plain cases have, so aliases gain nothing.
const NODES_MAX: usize = 250_000;
/// Longest message of the parser that is shown, in characters.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CaseFile {
    /// The policies that are asked: files and folders, relative to this file.
    #[serde(default)]
    pub(super) policies: Vec<PathBuf>,
    /// The IANA name of the zone of `context.local`; UTC by default.
    #[serde(default)]
    pub(super) zone: Option<String>,
    pub(super) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// A recorded event, relative to the file. What stands beside it replaces what the event says.
    #[serde(default)]
    event: Option<PathBuf>,
    #[serde(default)]
    caller: Option<CallerForm>,
    #[serde(default)]
    cluster: Option<ClusterForm>,
    #[serde(default)]
    at: Option<Timestamp>,
    /// How long after the stop a restart is asked for.
    #[serde(default)]
    asked_after: Option<SignedDuration>,
    #[serde(default)]
    confirmed: bool,
    #[serde(default)]
    grant: Option<GrantForm>,
    #[serde(default)]
    counts: Counts,
    pub(super) expect: Expected,
}

/// What should come out. What is not written is not compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) verdict: Option<VerdictWord>,
    pub(super) response: Option<ResponseWord>,
    /// The policies that determined the verdict.
    pub(super) policies: Option<Vec<String>>,
    /// The policies that determined whether it is restarted.
    pub(super) restart_policies: Option<Vec<String>>,
    pub(super) severity: Option<Severity>,
    /// How long the policies delay a restart.
    pub(super) after: Option<SignedDuration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VerdictWord {
    Authorised,
    Unauthorised,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ResponseWord {
    LeaveStopped,
    Restart,
    Incident,
}

impl VerdictWord {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::Unauthorised => "unauthorised",
        }
    }
}

impl ResponseWord {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LeaveStopped => "leave-stopped",
            Self::Restart => "restart",
            Self::Incident => "incident",
        }
    }
}

/// A caller: its id alone (an application's), the word `unknown`, or all that is known of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum CallerForm {
    Id(String),
    Known(Box<CallerFacts>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CallerFacts {
    kind: CallerKind,
    object_id: Option<String>,
    app_id: Option<String>,
    upn: Option<String>,
    name: Option<String>,
    tenant: Option<String>,
    identity_resource: Option<String>,
    groups: Option<Vec<String>>,
    groups_known: Option<bool>,
    mfa: Option<bool>,
    ip: Option<IpAddr>,
    role: Option<RoleFacts>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RoleFacts {
    name: Option<String>,
    definition: Option<String>,
    assignment: Option<String>,
    scope: Option<String>,
    holder: Option<String>,
    holder_kind: Option<crate::domain::HolderKind>,
}

/// A cluster: its resource id alone, or with what Azure shows of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum ClusterForm {
    Id(String),
    Known(Box<ClusterFacts>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClusterFacts {
    id: Option<String>,
    location: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    sku_tier: Option<String>,
    private: Option<bool>,
    kubernetes_version: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GrantForm {
    id: String,
    granted_by: String,
    until: Timestamp,
    reason: String,
    ticket: Option<String>,
}

/// The facts of one case, complete.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) caller: Caller,
    pub(super) cluster: Cluster,
    pub(super) at: Timestamp,
    pub(super) restart_asked_at: Timestamp,
    pub(super) confirmed: bool,
    pub(super) grant: Option<GrantFacts>,
    pub(super) counts: Counts,
}

/// Reads a file of cases. An error names the line and the column.
pub(super) fn read(text: &str) -> anyhow::Result<CaseFile> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_aliases: ALIASES_MAX,
            max_nodes: NODES_MAX,
            max_documents: 1,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| anyhow::anyhow!("{}", clean(&error.to_string(), MESSAGE_CHARS_MAX)))
}

impl Case {
    /// The facts, from the event (if there is one; `read` gives its text) and what is written beside it.
    pub(super) fn facts(&self, read: impl Fn(&Path) -> anyhow::Result<String>) -> anyhow::Result<Facts> {
        let event = match &self.event {
            Some(path) => match parse(&read(path)?, &|_| true) {
                Parsed::Stop(event) => Some(event),
                Parsed::Ignored(why) => anyhow::bail!("`{}`: {why}", path.display()),
            },
            None => None,
        };
        let of_event = event.as_ref();
        let caller = match &self.caller {
            Some(form) => form.caller()?,
            None => of_event.map(|event| event.caller.clone()).context("it names no `caller`")?,
        };
        let time = of_event.and_then(|event| match event.time {
            StopTime::At(time) => Some(time),
            StopTime::Missing => None,
        });
        let at = self.at.or(time).context("it has no time: write `at`")?;
        let after = self.asked_after.unwrap_or_default();
        Ok(Facts {
            caller,
            cluster: cluster(self.cluster.as_ref(), of_event.map(|event| &event.cluster))?,
            at,
            restart_asked_at: at.checked_add(after).context("`askedAfter` leads out of the calendar")?,
            confirmed: self.confirmed,
            grant: self.grant.as_ref().map(|grant| GrantFacts {
                id: grant.id.clone(),
                granted_by: grant.granted_by.clone(),
                until: grant.until,
                reason: grant.reason.clone(),
                ticket: grant.ticket.clone(),
            }),
            counts: self.counts,
        })
    }
}

impl CallerForm {
    fn caller(&self) -> anyhow::Result<Caller> {
        match self {
            Self::Id(word) if word == "unknown" => Ok(Caller::unknown()),
            Self::Id(word) => Ok(Caller {
                kind: CallerKind::ServicePrincipal,
                object_id: Some(guid(word)?),
                ..Caller::unknown()
            }),
            Self::Known(facts) => facts.caller(),
        }
    }
}

impl CallerFacts {
    fn caller(&self) -> anyhow::Result<Caller> {
        let is_person = matches!(self.kind, CallerKind::User | CallerKind::Guest);
        let groups = self.groups.iter().flatten().map(|id| guid(id)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Caller {
            kind: self.kind,
            object_id: id(self.object_id.as_ref())?,
            app_id: id(self.app_id.as_ref())?,
            upn: self.upn.clone(),
            name: self.name.clone(),
            tenant: id(self.tenant.as_ref())?,
            identity_resource: self.identity_resource.clone(),
            groups,
            groups_known: self.groups_known.unwrap_or(is_person && self.groups.is_some()),
            mfa: self.mfa,
            ip: self.ip,
            role: self.role.as_ref().map(RoleFacts::role).transpose()?,
        })
    }
}

impl RoleFacts {
    fn role(&self) -> anyhow::Result<Role> {
        Ok(Role {
            name: self.name.clone(),
            definition: id(self.definition.as_ref())?,
            assignment: id(self.assignment.as_ref())?,
            scope: self.scope.as_ref().map(|scope| scope.to_lowercase()),
            holder: id(self.holder.as_ref())?,
            holder_kind: self.holder_kind,
        })
    }
}

fn cluster(form: Option<&ClusterForm>, of_event: Option<&ClusterId>) -> anyhow::Result<Cluster> {
    let none = ClusterFacts {
        id: None,
        location: None,
        tags: BTreeMap::new(),
        sku_tier: None,
        private: None,
        kubernetes_version: None,
    };
    let facts = match form {
        Some(ClusterForm::Id(id)) => ClusterFacts { id: Some(id.clone()), ..none },
        Some(ClusterForm::Known(facts)) => facts.as_ref().clone(),
        None => none,
    };
    let id = match &facts.id {
        Some(id) => ClusterId::parse(id)?,
        None => of_event.cloned().context("it names no `cluster`")?,
    };
    Ok(Cluster {
        id,
        resource_uid: None,
        provisioning: Provisioning::Succeeded,
        power: Power::Stopped,
        location: facts.location,
        tags: facts.tags,
        sku_tier: facts.sku_tier,
        private: facts.private,
        kubernetes_version: facts.kubernetes_version,
        setup: Setup::default(),
        fault: None,
    })
}

fn id(text: Option<&String>) -> anyhow::Result<Option<String>> {
    text.map(|text| guid(text)).transpose()
}

fn guid(text: &str) -> anyhow::Result<String> {
    parse_guid(text).with_context(|| format!("`{}` is no id: write a GUID", clean(text, 80)))
}
