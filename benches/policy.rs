//! What policies cost: loading and validating 1, 10 and 100 of them, and one question to as many.
//!
//! `cargo bench --profile simulation --bench policy -- FILE` prints a line of JSON for each figure, with its limit; `make bench` holds them
//! against it. Loading is measured in the guard FILE, as it is released: what its `check` takes longer than without a policy. A question is too
//! quick for that: it is put to the library, whose profile is optimised for speed, while the released build has Cedar for size and a profile
//! of what runs often.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use aks_stop_guard::domain::{Caller, CallerKind, Cluster, ClusterId, Power, Provisioning, Setup};
use aks_stop_guard::policy::{Counts, Policies, PolicyFile, StopQuestion};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use told::{Told, timed_ms};

#[path = "support/told.rs"]
mod told;

/// How many policies.
const SIZES: [usize; 3] = [1, 10, 100];
/// Limits for the largest of these sets, milliseconds.
const LOAD_MS_MAX: f64 = 10.0;
const ASK_MS_MAX: f64 = 0.3;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

/// Policies as people write them: a caller, a scope, hours.
fn text(policies: usize) -> String {
    let policy = |n: usize| {
        format!(
            "@id(\"night-{n}\")\npermit (\n  principal == Caller::\"11111111-1111-4111-8111-{n:012}\",\n  action == Action::\"stop\",\n  \
             resource in ResourceGroup::\"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-{n}\"\n) when {{\n  \
             (context.local.hour >= 20 || context.local.hour < 6) && context has ip && context.ip.isInRange(ip(\"192.0.2.0/24\"))\n}};\n"
        )
    };
    (0..policies).map(policy).collect()
}

fn main() {
    // cargo adds `--bench`.
    let guard = std::env::args_os().skip(1).find(|argument| argument != "--bench");
    let guard = guard.expect("the guard to measure: cargo bench --bench policy -- FILE");
    for size in SIZES {
        measure(Path::new(&guard), size);
    }
}

/// How many milliseconds longer `check` takes with these policies than with none, both run in turns.
fn loading(guard: &Path, policies: &str) -> Vec<f64> {
    let folder = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policies.cedar"), text).unwrap();
        folder
    };
    let (full, empty) = (folder(policies), folder("// none"));
    let check = |folder: &Path| {
        let mut check = Command::new(guard);
        check.arg("check").env_clear().stdout(Stdio::null());
        check.env("STOP_GUARD_SUBSCRIPTIONS", SUBSCRIPTION).env("STOP_GUARD_STATE", "memory");
        assert!(check.env("STOP_GUARD_POLICIES", folder).status().unwrap().success());
    };
    let turn = || (timed_ms(1, || check(full.path())), timed_ms(1, || check(empty.path())));
    let (with, without): (Vec<_>, Vec<_>) = (0..51).map(|_| turn()).unzip();
    let (with, mut without) = (with.concat(), without.concat());
    without.sort_by(f64::total_cmp);
    with.into_iter().map(|ms| ms - without[without.len() / 2]).collect()
}

fn measure(guard: &Path, size: usize) {
    let text = text(size);
    let loading = loading(guard, &text);

    let policies = Policies::load(&[PolicyFile { name: "policies.cedar", text: &text }]).unwrap();
    assert_eq!(policies.len(), size);
    let path = "resourceGroups/rg-0/providers/Microsoft.ContainerService/managedClusters/aks";
    let id = ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap();
    let caller = Caller {
        kind: CallerKind::ServicePrincipal,
        object_id: Some(format!("11111111-1111-4111-8111-{:012}", 0)),
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
    // Each a second after the one before: the very same question would get the answer that is remembered.
    let mut at = question.at;
    let asking = timed_ms(1_001, || {
        at += SignedDuration::from_secs(1);
        assert!(policies.may_stop(&StopQuestion { at, ..question }).allowed);
    });

    let at = u32::try_from(size).map_or(f64::INFINITY, f64::from);
    let is_largest = SIZES.iter().max() == Some(&size);
    for (what, curve, values, limit) in [
        ("load and validate", "loading policies", loading, LOAD_MS_MAX),
        ("one decision with", "one decision", asking, ASK_MS_MAX),
    ] {
        let told = Told::runs(&format!("{what} {size} policies"), "ms", values);
        let told = told.with("curve", json!({ "curve": curve, "over": "policies", "at": at }));
        if is_largest { told.with("at_most", json!(limit)) } else { told }.print();
    }
}
