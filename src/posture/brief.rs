//! A report in a few lines, for an incident.

use std::collections::BTreeSet;

use super::finding::{Check, Finding};
use super::report::Report;
use crate::domain::{ClusterId, Severity, text};

/// Findings that are told: whoever is woken reads no more.
const TOLD_MAX: usize = 5;
/// Longest line, in characters: a finding names its rule or its roles in fewer.
const LINE_CHARS_MAX: usize = 200;

impl Report {
    /// What lets this cluster be stopped, or hides who did it: findings from `medium` on, the worst first, one line each; the last
    /// lines say what is left out, and what could not be read.
    pub fn brief(&self, cluster: &ClusterId) -> Vec<String> {
        let about: Vec<&Finding> = self
            .findings()
            .filter(|(subscription, of, _)| match of {
                Some(of) => of.id == *cluster,
                None => subscription.id == *cluster.subscription(),
            })
            .map(|(_, _, finding)| finding)
            .collect();
        let (unread, mut found): (Vec<&Finding>, Vec<&Finding>) =
            about.into_iter().partition(|finding| finding.check == Check::NotReadable);
        found.retain(|finding| finding.severity >= Severity::Medium);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let more = found.len().saturating_sub(TOLD_MAX);
        let mut lines: Vec<String> = found.iter().take(TOLD_MAX).map(|finding| line(finding)).collect();
        if more > 0 {
            lines.push(format!(
                "Exposed: {more} more; `aks-stop-guard posture --cluster {cluster}` shows all."
            ));
        }
        let unread: BTreeSet<&str> = unread.iter().map(|finding| finding.seen.as_str()).collect();
        if let Some(first) = unread.first() {
            let rest = match unread.len() - 1 {
                0 => String::new(),
                rest => format!("; and {rest} more"),
            };
            let told = text::clean(first, LINE_CHARS_MAX);
            lines.push(format!("How exposed the cluster is could not all be read: {told}{rest}."));
        }
        lines
    }
}

fn line(finding: &Finding) -> String {
    let (severity, title) = (finding.severity.as_str(), finding.check.rule().title);
    format!("Exposed ({severity}): {title}: {}.", text::clean(&finding.seen, LINE_CHARS_MAX))
}
