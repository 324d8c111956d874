//! What a case keeps word for word, read and checked against the digests that the case has.

use futures::{StreamExt as _, stream};

use crate::case::{Evidence, Exhibit};
use crate::domain::verbatim::sha256;
use crate::store::{ExhibitPath, OpenMarker, Store};

/// Reads at the same time.
const READS_AT_ONCE: usize = 8;

/// A piece of evidence that a case names.
pub(in crate::cli) struct Found {
    /// What it is: `event-1`, `look-before-start-1`.
    pub(in crate::cli) name: String,
    pub(in crate::cli) exhibit: Exhibit,
    pub(in crate::cli) kept: Kept,
}

/// What is there of it.
pub(in crate::cli) enum Kept {
    /// The very bytes.
    Whole(Vec<u8>),
    /// Nothing.
    Missing,
    /// Other bytes than the case names.
    Other(Vec<u8>),
    /// Not known: it can't be read.
    Unreadable(String),
}

impl Kept {
    /// One word for it.
    pub(in crate::cli) fn as_str(&self) -> &'static str {
        match self {
            Self::Whole(_) => "kept",
            Self::Missing => "missing",
            Self::Other(_) => "altered",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl Found {
    /// The same without its bytes, for whoever only says whether they are there.
    pub(in crate::cli) fn without_bytes(mut self) -> Self {
        if let Kept::Whole(bytes) | Kept::Other(bytes) = &mut self.kept {
            *bytes = Vec::new();
        }
        self
    }

    /// What is to be said of it, in words.
    pub(in crate::cli) fn told(&self) -> String {
        let Exhibit { bytes, whole, struck, .. } = &self.exhibit;
        let mut told = match &self.kept {
            Kept::Whole(_) => format!("{bytes} bytes"),
            Kept::Missing => {
                "not there: the guard ended before it was stored, or could not store it".to_owned()
            }
            Kept::Other(_) => "not what the case names: other bytes are in its place".to_owned(),
            Kept::Unreadable(why) => format!("can't be read: {why}"),
        };
        if let Some(whole) = whole {
            told += &format!(", the beginning of {} bytes (sha256 {})", whole.bytes, whole.sha256);
        }
        if *struck > 0 {
            let plural = if *struck == 1 { "credential was" } else { "credentials were" };
            told += &format!(", {struck} {plural} struck out");
        }
        told
    }
}

/// Reads all that a case names, in the order of its story.
pub(in crate::cli) async fn read_all(store: &Store, case: &OpenMarker, evidence: &Evidence) -> Vec<Found> {
    let exhibits = evidence.exhibits();
    let reads: Vec<_> =
        exhibits.into_iter().map(|(name, exhibit)| find(store, case, name, exhibit.clone())).collect();
    stream::iter(reads).buffered(READS_AT_ONCE).collect().await
}

async fn find(store: &Store, case: &OpenMarker, name: String, exhibit: Exhibit) -> Found {
    let kept = read(store, case, &exhibit).await;
    Found { name, exhibit, kept }
}

async fn read(store: &Store, case: &OpenMarker, exhibit: &Exhibit) -> Kept {
    let Some(path) = ExhibitPath::new(case, &exhibit.sha256) else { return Kept::Missing };
    match store.read_exhibit(&path).await {
        Ok(Some(stored)) if sha256(&stored.bytes) == exhibit.sha256 => Kept::Whole(stored.bytes.into()),
        Ok(Some(stored)) => Kept::Other(stored.bytes.into()),
        Ok(None) => Kept::Missing,
        Err(error) => Kept::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Piece, Record};
    use crate::domain::Verbatim;

    #[tokio::test]
    async fn what_is_there_is_checked_against_the_digests_of_the_case() {
        let text = include_str!("../../../tests/records/v1_evidence.json");
        let record = Record::decode(text.as_bytes()).unwrap();
        let case = OpenMarker { key: record.cluster.key(), generation: record.generation };
        let store = Store::memory();
        let event = Piece::of(Verbatim::of(br#"{"id":"event-0-mallory@contoso.com"}"#));
        let keep = async |sha256: &str, bytes: &[u8]| {
            let path = ExhibitPath::new(&case, sha256).unwrap();
            store.keep_exhibit(&path, bytes.to_vec()).await.unwrap();
        };
        let evidence = &record.case().unwrap().evidence;
        keep(&event.exhibit.sha256, event.text.bytes()).await;
        keep(&evidence.log.as_ref().unwrap().sha256, b"forged").await;
        let told: Vec<String> = read_all(&store, &case, evidence)
            .await
            .iter()
            .map(|found| format!("{} {}: {}", found.name, found.kept.as_str(), found.told()))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        event-1 kept: 36 bytes
        activity-log altered: not what the case names: other bytes are in its place, the beginning of 200000 bytes (sha256 5d5766cf2d78701614200418ee1450690d9af12c84d52545e4802f001ad53099)
        look-before-start-1 missing: not there: the guard ended before it was stored, or could not store it, 1 credential was struck out
        ");
    }
}
