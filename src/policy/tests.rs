mod actions;
mod errors;
mod explain;
mod facts;
mod faults;
mod hostile;
mod kinds;
mod limits;
mod parts;
mod reads;
mod stop_and_restart;
mod tables;
mod times;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::domain::{Caller, CallerKind, Cluster, ClusterId, HolderKind, Power, Provisioning, Role, Setup};

const ALICE: &str = "11111111-1111-4111-8111-111111111111";
const PIPELINE_APP: &str = "22222222-2222-4222-8222-222222222222";
const PLATFORM_TEAM: &str = "33333333-3333-4333-8333-333333333333";
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const UTC: TimeZone = TimeZone::UTC;

static DEFAULT: LazyLock<Policies> =
    LazyLock::new(|| Policies::default_set().unwrap_or_else(|faults| panic!("{}", told(&faults))));

fn load(texts: &[(&str, &str)]) -> Result<Policies, Vec<PolicyFault>> {
    let files: Vec<PolicyFile<'_>> = texts.iter().map(|(name, text)| PolicyFile { name, text }).collect();
    Policies::load(&files)
}

fn policies(text: &str) -> Policies {
    load(&[("test.cedar", text)]).unwrap_or_else(|faults| panic!("{}\n{text}", told(&faults)))
}

/// Faults as a log shows them, with their hints.
fn told(faults: &[PolicyFault]) -> String {
    let lines = faults.iter().map(|fault| match &fault.help {
        Some(help) => format!("{fault}\n  help: {help}"),
        None => fault.to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn faults(text: &str) -> String {
    told(&load(&[("test.cedar", text)]).expect_err("has a fault"))
}

fn alice() -> Caller {
    Caller {
        kind: CallerKind::User,
        object_id: Some(ALICE.to_owned()),
        app_id: Some(PIPELINE_APP.to_owned()),
        upn: Some("alice@contoso.com".to_owned()),
        name: Some("Alice".to_owned()),
        tenant: Some("44444444-4444-4444-8444-444444444444".to_owned()),
        groups: vec![PLATFORM_TEAM.to_owned()],
        groups_known: true,
        mfa: Some(true),
        ip: Some("192.0.2.10".parse().unwrap()),
        ..Caller::unknown()
    }
}

fn cluster_id() -> ClusterId {
    let path = "resourceGroups/RG-Prod/providers/Microsoft.ContainerService/managedClusters/AKS-1";
    ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap()
}

fn cluster() -> Cluster {
    Cluster {
        id: cluster_id(),
        resource_uid: None,
        provisioning: Provisioning::Succeeded,
        power: Power::Stopped,
        location: Some("WestEurope".to_owned()),
        tags: BTreeMap::from([("Env".to_owned(), "Prod".to_owned())]),
        sku_tier: Some("Standard".to_owned()),
        private: Some(false),
        kubernetes_version: Some("1.33.2".to_owned()),
        setup: Setup::default(),
        fault: None,
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Alice stops the cluster on a Tuesday at noon.
struct Stop {
    caller: Caller,
    id: ClusterId,
    facts: Option<Cluster>,
    at: Timestamp,
    zone: TimeZone,
    counts: Counts,
    confirmed: bool,
    grant: Option<GrantFacts>,
}

impl Stop {
    fn by(caller: Caller) -> Self {
        Self {
            caller,
            id: cluster_id(),
            facts: Some(cluster()),
            at: at("2026-11-24T12:00:00Z"),
            zone: UTC,
            counts: Counts::default(),
            confirmed: false,
            grant: None,
        }
    }

    fn ask(&self, policies: &Policies) -> Answer {
        policies.may_stop(&self.question())
    }

    fn explain(&self, policies: &Policies) -> Explained {
        policies.explain_stop(&self.question())
    }

    fn question(&self) -> StopQuestion<'_> {
        StopQuestion {
            caller: &self.caller,
            cluster: &self.id,
            facts: self.facts.as_ref(),
            at: self.at,
            zone: &self.zone,
            counts: self.counts,
            confirmed: self.confirmed,
            grant: self.grant.as_ref(),
        }
    }

    /// The same stop, an hour later: may the guard restart?
    fn ask_restart(&self, policies: &Policies) -> Answer {
        policies.may_restart(&RestartQuestion {
            caller: &self.caller,
            caller_known: true,
            cluster: &self.id,
            facts: self.facts.as_ref(),
            at: self.at + jiff::SignedDuration::from_mins(60),
            stopped_at: self.at,
            zone: &self.zone,
            counts: self.counts,
        })
    }

    /// Whether a condition holds when this stop is judged. The policy must be valid.
    fn has(&self, condition: &str) -> bool {
        let text = format!(
            r#"@id("p") permit (principal, action == Action::"stop", resource) when {{ {condition} }};"#
        );
        let answer = self.ask(&policies(&text));
        assert_eq!(answer.errors, [], "{condition}");
        answer.allowed
    }

    /// Whether a condition holds when the restart after this stop is judged.
    fn restart_has(&self, condition: &str) -> bool {
        let text = format!(
            r#"@id("p") permit (principal, action == Action::"restart", resource) when {{ {condition} }};"#
        );
        let answer = self.ask_restart(&policies(&text));
        assert_eq!(answer.errors, [], "{condition}");
        answer.allowed
    }
}

fn grant() -> GrantFacts {
    GrantFacts {
        id: "g-1".to_owned(),
        granted_by: ALICE.to_owned(),
        until: at("2026-12-01T05:00:00Z"),
        reason: "maintenance".to_owned(),
        ticket: None,
    }
}
