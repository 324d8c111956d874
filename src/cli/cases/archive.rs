//! An archive of files with their checksums. The same files make the same bytes.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use tar::{Builder, Header};

use crate::domain::verbatim::sha256;

/// The file with the checksums, as `sha256sum -c` reads it.
pub(super) const CHECKSUMS: &str = "SHA256SUMS";
/// Rights of each file once it is unpacked: its owner's alone.
const MODE: u32 = 0o600;

/// Files by name. A name is a relative path of plain words, which no checksum line and no shell reads as anything else.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// All files in one folder, and their checksums beside them, as a tar archive (ustar).
pub(super) fn archive(folder: &str, mut files: Files, at: Timestamp) -> io::Result<Vec<u8>> {
    let sums: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    files.insert(CHECKSUMS.to_owned(), sums.into_bytes());
    let mut archive = Builder::new(Vec::new());
    for (name, bytes) in &files {
        let mut header = Header::new_ustar();
        header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        header.set_mode(MODE);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(u64::try_from(at.as_second()).unwrap_or(0));
        archive.append_data(&mut header, format!("{folder}/{name}"), bytes.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_bytes_sorted_and_for_their_owner_alone() {
        let files: Files = [("b.txt", "b"), ("a/c.txt", "c")]
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
            .into();
        let at = "2026-09-14T18:00:10Z".parse().unwrap();
        let bytes = archive("case-1", files.clone(), at).unwrap();
        assert_eq!(archive("case-1", files, at).unwrap(), bytes);
        let mut read = tar::Archive::new(bytes.as_slice());
        let told: Vec<String> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().display().to_string();
                format!("{path} {:o} {}", header.mode().unwrap(), header.mtime().unwrap())
            })
            .collect();
        let mtime = "600 1789408810";
        let names = ["case-1/SHA256SUMS", "case-1/a/c.txt", "case-1/b.txt"];
        assert_eq!(told, names.map(|name| format!("{name} {mtime}")));
    }
}
