//! A report as SARIF 2.1.0, which code scanners' front ends read (source: OASIS, "Static Analysis Results Interchange Format").

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::finding::{Check, Finding};
use super::report::{ClusterReport, Report, SubscriptionReport};
use crate::domain::Severity;
use crate::domain::text::{hex, percent_encoded};

/// Where the schema of this version is.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Writes a report.
pub fn sarif(report: &Report) -> Value {
    let rules: Vec<Value> = Check::ALL.iter().map(|check| rule(*check)).collect();
    let results: Vec<Value> = report.findings().map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "aks-stop-guard",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(check: Check) -> Value {
    let rule = check.rule();
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
        "help": { "text": rule.mend },
        "helpUri": rule.link,
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "tags": ["security"] },
    })
}

fn result(
    (subscription, cluster, finding): (&SubscriptionReport, Option<&ClusterReport>, &Finding),
) -> Value {
    let index = Check::ALL.iter().position(|check| *check == finding.check);
    let about =
        cluster.map_or_else(|| format!("/subscriptions/{}", subscription.id), |one| one.id.to_string());
    let text = [&[finding.seen.clone()][..], &finding.details, &finding.commands].concat().join("\n");
    json!({
        "ruleId": finding.check.as_str(),
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{
            // Front ends want a file: the resource's id is taken for its path.
            "physicalLocation": { "artifactLocation": { "uri": encoded(&finding.resource) } },
            "logicalLocations": [{ "fullyQualifiedName": about, "kind": "resource" }],
        }],
        "partialFingerprints": { "finding/v1": fingerprint(&about, finding) },
        "properties": { "severity": finding.severity },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// A resource's id as a relative reference: each part encoded.
fn encoded(path: &str) -> String {
    path.trim_start_matches('/').split('/').map(percent_encoded).collect::<Vec<_>>().join("/")
}

/// The same finding has the same one at each run, so that a front end does not show it as new.
fn fingerprint(about: &str, finding: &Finding) -> String {
    let mut digest = Sha256::new();
    for part in [about, finding.check.as_str(), &finding.resource, &finding.seen] {
        digest.update(part.to_lowercase().as_bytes());
        digest.update([0]);
    }
    hex(digest.finalize().iter().take(16))
}
