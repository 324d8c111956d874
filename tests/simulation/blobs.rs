//! The storage account: two containers with ETags, strongly consistent, as Azure's are.

use std::collections::BTreeMap;

use bytes::Bytes;

/// One container.
#[derive(Debug, Default)]
pub(crate) struct Container {
    blobs: BTreeMap<String, Blob>,
    /// Counts writes: every write gives a new ETag, equal bytes or not.
    writes: u64,
}

#[derive(Debug, Clone)]
struct Blob {
    bytes: Bytes,
    etag: u64,
}

/// On what a write depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    Absent,
    Etag(String),
}

/// Why a write was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    Exists,
    Changed,
}

impl Container {
    pub(crate) fn get(&self, path: &str) -> Option<(Bytes, String)> {
        self.blobs.get(path).map(|blob| (blob.bytes.clone(), blob.etag.to_string()))
    }

    pub(crate) fn put(&mut self, path: &str, bytes: Bytes, condition: &Condition) -> Result<String, Unmet> {
        let there = self.blobs.get(path);
        match (condition, there) {
            (Condition::Absent, Some(_)) => return Err(Unmet::Exists),
            (Condition::Etag(etag), Some(blob)) if blob.etag.to_string() != *etag => {
                return Err(Unmet::Changed);
            }
            (Condition::Etag(_), None) => return Err(Unmet::Changed),
            (Condition::None, _) | (Condition::Absent, None) | (Condition::Etag(_), Some(_)) => {}
        }
        self.writes += 1;
        self.blobs.insert(path.to_owned(), Blob { bytes, etag: self.writes });
        Ok(self.writes.to_string())
    }

    pub(crate) fn delete(&mut self, path: &str) -> bool {
        self.blobs.remove(path).is_some()
    }

    /// The blobs in a folder and below it, in the order of their names.
    pub(crate) fn list(&self, folder: &str) -> impl Iterator<Item = (&str, u64)> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.blobs
            .range(prefix.clone()..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(path, blob)| (path.as_str(), blob.bytes.len() as u64))
    }

    pub(crate) fn has_any(&self, folder: &str) -> bool {
        self.list(folder).next().is_some()
    }
}

#[test]
fn a_write_whose_condition_is_not_met_changes_nothing() {
    let mut container = Container::default();
    let first = container.put("a/1", Bytes::from("x"), &Condition::Absent).unwrap();
    assert_eq!(container.put("a/1", Bytes::from("y"), &Condition::Absent), Err(Unmet::Exists));
    let second = container.put("a/1", Bytes::from("x"), &Condition::Etag(first.clone())).unwrap();
    assert_ne!(first, second, "equal bytes have another ETag");
    assert_eq!(container.put("a/1", Bytes::from("z"), &Condition::Etag(first)), Err(Unmet::Changed));
    assert_eq!(container.put("b", Bytes::new(), &Condition::Etag(second)), Err(Unmet::Changed));
    assert_eq!(container.get("a/1").unwrap().0, Bytes::from("x"));
    assert_eq!(container.list("a").count(), 1);
}
