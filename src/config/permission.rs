//! Whose tokens are taken by those functions that change something: `Grant` and `Hold`.

use std::collections::BTreeSet;

use super::fault::{Fault, FaultKind};
use super::reader::{Reader, words};
use super::{GRANT_AUDIENCE_SETTING, GRANT_TENANTS_SETTING};
use crate::azure::Audience;
use crate::domain::claims::parse_guid;

/// Most audiences: an application has a client id and a few id URIs.
const AUDIENCES_MAX: usize = 8;
/// Most tenants: the keys of each are kept.
const TENANTS_MAX: usize = 20;
/// Longest audience, in characters (source: Entra's limit of an application id URI is 255).
const AUDIENCE_CHARS_MAX: usize = 255;
/// Audiences of Microsoft's own services: who holds a token for one of these has shown it to that service, and perhaps to others.
const SHARED: [&str; 4] =
    ["management.azure.com", "management.core.", "graph.microsoft.", "storage.azure.com"];

/// Reads both. One without the other is a fault: nobody shall believe that it is on.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Audience> {
    let audiences = audiences(reader);
    let tenants = tenants(reader);
    match (reader.get(GRANT_AUDIENCE_SETTING), reader.get(GRANT_TENANTS_SETTING)) {
        (Some(_), None) => reader.missing(
            GRANT_TENANTS_SETTING,
            &format!("{GRANT_AUDIENCE_SETTING} is set, so name the tenants whose tokens are taken, by their ids"),
        ),
        (None, Some(_)) => reader.missing(
            GRANT_AUDIENCE_SETTING,
            &format!("{GRANT_TENANTS_SETTING} is set, so write what tokens are for: a client id or `api://<client id>`"),
        ),
        (Some(_), Some(_)) | (None, None) => {}
    }
    Some(Audience { audiences: audiences?, tenants: tenants? })
}

fn audiences(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let list: Vec<&str> = words(reader.get(GRANT_AUDIENCE_SETTING)?).collect();
    let is_shared = |word: &&&str| SHARED.iter().any(|shared| word.to_lowercase().contains(shared));
    if let Some(word) = list.iter().find(is_shared) {
        let problem =
            "is what tokens for a service of Microsoft are for: register an application for the guard";
        reader.invalid(GRANT_AUDIENCE_SETTING, word, problem);
        return None;
    }
    let is_audience = |word: &&str| {
        (parse_guid(word).is_some() || word.contains("://")) && word.len() <= AUDIENCE_CHARS_MAX
    };
    if let Some(word) = list.iter().find(|word| !is_audience(word)) {
        let problem =
            "is no audience: write the application's client id, or its id URI like `api://<client id>`";
        reader.invalid(GRANT_AUDIENCE_SETTING, word, problem);
        return None;
    }
    counted(reader, GRANT_AUDIENCE_SETTING, list.len(), AUDIENCES_MAX)?;
    Some(list.into_iter().map(str::to_owned).collect())
}

fn tenants(reader: &mut Reader<'_>) -> Option<BTreeSet<String>> {
    let list: Vec<&str> = words(reader.get(GRANT_TENANTS_SETTING)?).collect();
    let mut tenants = BTreeSet::new();
    for word in &list {
        match parse_guid(word) {
            Some(tenant) => {
                tenants.insert(tenant);
            }
            None => {
                let problem = "is no tenant id: write ids like `00000000-0000-0000-0000-000000000000`, separated by commas";
                reader.invalid(GRANT_TENANTS_SETTING, word, problem);
                return None;
            }
        }
    }
    counted(reader, GRANT_TENANTS_SETTING, tenants.len(), TENANTS_MAX)?;
    Some(tenants)
}

fn counted(reader: &mut Reader<'_>, setting: &str, count: usize, most: usize) -> Option<()> {
    if (1..=most).contains(&count) {
        return Some(());
    }
    let told = format!("names {count}: 1 to {most} are needed");
    reader.fault(Fault::about(setting, FaultKind::Invalid, &told));
    None
}
