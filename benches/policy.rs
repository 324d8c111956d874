//! What policies cost: loading and validating 100 of them, and one question to 100.
//!
//! `cargo bench --profile simulation --bench policy` prints the medians against their limits and fails beyond them. The profile is
//! optimised, but without the link-time optimisation of the released build, which is not slower.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::collections::BTreeMap;
use std::time::Duration;

use aks_stop_guard::domain::{Caller, CallerKind, Cluster, ClusterId, Power, Provisioning, Setup};
use aks_stop_guard::policy::{Counts, Policies, PolicyFile, StopQuestion};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use median::median;

#[path = "support/median.rs"]
mod median;

const POLICIES: usize = 100;
const LOAD_MAX: Duration = Duration::from_millis(10);
const ASK_MAX: Duration = Duration::from_micros(300);

/// Policies as people write them: a caller, a scope, hours.
fn text() -> String {
    let policy = |n: usize| {
        format!(
            "@id(\"night-{n}\")\npermit (\n  principal == Caller::\"11111111-1111-4111-8111-{n:012}\",\n  action == Action::\"stop\",\n  \
             resource in ResourceGroup::\"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-{n}\"\n) when {{\n  \
             (context.local.hour >= 20 || context.local.hour < 6) && context has ip && context.ip.isInRange(ip(\"192.0.2.0/24\"))\n}};\n"
        )
    };
    (0..POLICIES).map(policy).collect()
}

fn main() {
    let text = text();
    let load = || Policies::load(&[PolicyFile { name: "policies.cedar", text: &text }]).unwrap();
    let loading = median(51, || drop(load()));

    let policies = load();
    assert_eq!(policies.len(), POLICIES);
    let path = "resourceGroups/rg-99/providers/Microsoft.ContainerService/managedClusters/aks";
    let id =
        ClusterId::parse(&format!("/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/{path}")).unwrap();
    let caller = Caller {
        kind: CallerKind::ServicePrincipal,
        object_id: Some(format!("11111111-1111-4111-8111-{:012}", 99)),
        ip: Some("192.0.2.1".parse().unwrap()),
        ..Caller::unknown()
    };
    let cluster = Cluster {
        id: id.clone(),
        resource_uid: None,
        provisioning: Provisioning::Succeeded,
        power: Power::Stopped,
        location: Some("westeurope".to_owned()),
        tags: BTreeMap::from([("env".to_owned(), "dev".to_owned())]),
        sku_tier: None,
        private: None,
        kubernetes_version: None,
        setup: Setup::default(),
        fault: None,
    };
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let question = StopQuestion {
        caller: &caller,
        cluster: &id,
        facts: Some(&cluster),
        at: "2026-11-24T22:00:00Z".parse::<Timestamp>().unwrap(),
        zone: &zone,
        counts: Counts::default(),
        confirmed: false,
        grant: None,
    };
    let asking = median(1_001, || assert!(policies.may_stop(&question).allowed));

    println!("load and validate {POLICIES} policies   {loading:>10.1?}   limit {LOAD_MAX:?}");
    println!("one decision with {POLICIES} policies   {asking:>10.1?}   limit {ASK_MAX:?}");
    assert!(loading <= LOAD_MAX && asking <= ASK_MAX, "beyond its limit");
}
