//! From where a cluster's API server can be reached.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cluster::{Words, change, under_way};
use super::item::ItemError;
use super::judged::Judged;
use super::raw::raw;
use crate::domain::{ClusterId, text};
use crate::posture::read::{truth, word, words};
use crate::posture::v4_range;

/// Most ranges that a cluster takes (source: AKS docs, "API server authorized IP ranges": 200).
const RANGES_MAX: usize = 200;
/// Longest part of an argument that an error quotes, in characters.
const QUOTED_CHARS_MAX: usize = 60;
const COST: &str = "Free. Everybody outside these ranges loses the API server, kubectl and pipelines included: have your own address and \
                    the nodes' outbound address among them. It takes minutes.";

/// The ranges that a cluster shall have, and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedRanges {
    cluster: ClusterId,
    ranges: BTreeSet<String>,
}

impl AuthorizedRanges {
    /// Names the ranges of a cluster.
    ///
    /// # Errors
    /// In words: one is no IPv4 range or most of the internet, or there are none or too many.
    pub fn new(cluster: ClusterId, ranges: &[String]) -> Result<Self, String> {
        if ranges.is_empty() || ranges.len() > RANGES_MAX {
            return Err(format!("give 1 to {RANGES_MAX} ranges"));
        }
        let ranges: Result<BTreeSet<String>, String> = ranges.iter().map(|range| checked(range)).collect();
        Ok(Self { cluster, ranges: ranges? })
    }

    /// Whose they are.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let Some(read) = read else {
            return Ok(Judged::Refused(format!("there is no cluster `{}`", self.cluster.name())));
        };
        let body: Value = serde_json::from_slice(read)?;
        word(&body, &["id"]).ok_or(ItemError::OtherShape)?;
        let of = |name: &'static str| ["properties", "apiServerAccessProfile", name];
        if truth(&body, &of("enablePrivateCluster")) == Some(true) {
            let why = "the cluster is private: authorised ranges don't apply to it";
            return Ok(Judged::Refused(why.to_owned()));
        }
        let own: BTreeSet<String> =
            words(&body, &of("authorizedIPRanges")).iter().map(|range| spelt(range)).collect();
        let told = self.ranges.iter().cloned().collect::<Vec<_>>().join(", ");
        if own == self.ranges {
            let already = Judged::Already(format!("the authorised ranges are {told}"));
            return Ok(under_way(&body).unwrap_or(already));
        }
        let now = if own.is_empty() {
            "there are no authorised ranges".to_owned()
        } else {
            format!("the authorised ranges are {}", own.into_iter().collect::<Vec<_>>().join(", "))
        };
        let words = Words { now, then: format!("the authorised ranges are {told}"), cost: COST };
        change(read, words, vec![(&of("authorizedIPRanges"), raw(&self.ranges)?)])
    }
}

/// A range of an argument.
fn checked(range: &str) -> Result<String, String> {
    let quoted = text::clean(range, QUOTED_CHARS_MAX);
    match v4_range(range) {
        None => Err(format!("`{quoted}` is not an IPv4 range: give one like `203.0.113.0/24`")),
        Some((_, true)) => Err(format!("`{quoted}` is so much of the internet that it keeps nobody out")),
        Some((range, false)) => Ok(range),
    }
}

/// A range of an answer, so that two spellings of one range are equal; what is none stays as it is.
fn spelt(range: &str) -> String {
    v4_range(range).map_or_else(|| range.to_owned(), |(range, _)| range)
}
