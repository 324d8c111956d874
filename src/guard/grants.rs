//! Grants: planned stops, one blob each.
//!
//! A decision must not miss a grant that was made just before, and must not read those of a year. So a grant lies in a folder of
//! its caller, under a name that tells when it ends and what it is about, newest end first: one list finds what may cover a stop.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;

use crate::case::GrantsRead;
use crate::domain::grant::{Author, Ended, Plan};
use crate::domain::{ClusterId, Grant, GrantScope, Scope, text};
use crate::store::{Etag, PathName, Prefix, StatePath, Store, StoreError, Stored, Written};

use super::holds::Made;
use super::nonce::{self, SystemEntropy};

/// Names that are looked at for one caller, those that end last first: one page of a list. A caller for whom more grants than
/// this are open at once needs a policy.
const LISTED_MAX: usize = 5_000;
/// Grants that are read for one caller in one decision.
const READ_MAX: usize = 100;
/// Grants that are read at the same time.
const PARALLEL_READS: usize = 16;
/// All grants that a person lists.
const ALL_MAX: usize = 50_000;
/// What an end's seconds are taken from, so that the last end comes first in a list. 10 digits, until the year 2286.
const LAST_SECOND: i64 = 9_999_999_999;
/// Longest id that is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 100;
/// Stands in a name for any tag: a tag's clusters are not known by their ids.
const TAG: &str = "tag";

/// Why a grant was not made or taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// This very grant was made before, and revoked.
    #[error("this grant was made before and revoked; say another `id` to make it again")]
    Revoked,
    /// There is none of this id.
    #[error("there is no grant `{0}`")]
    Unknown(String),
    /// Somebody else changed it at the same time.
    #[error("somebody else changed the grant `{0}` at the same time")]
    Contended(String),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The grants in the store.
#[derive(Clone)]
pub struct Grants(Store);

impl Grants {
    /// Those of a store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Makes a grant. With an `id` a repeat makes it once; without, it is another one.
    pub async fn add(
        &self,
        id: Option<&PathName>,
        plan: Plan,
        by: Author,
        now: Timestamp,
    ) -> Result<Made<Grant>, GrantError> {
        let id = id.cloned().unwrap_or_else(|| PathName::digest(nonce::of(&SystemEntropy)));
        let grant = Grant::of(plan, id.to_string(), by, now);
        let path = path_of(&grant, &id)?;
        match self.0.create(&path, encode(&grant, &path)?).await? {
            Written::Done(_) => {
                let Grant { id, scope, caller, until, granted_by, .. } = &grant;
                tracing::info!(grant = id, %scope, caller, %until, by = %granted_by, "a stop was granted");
                Ok(Made::New(grant))
            }
            Written::Lost => match self.0.read(&path).await?.and_then(|stored| decode(&path, &stored)) {
                Some(known) if known.revoked.is_some() => Err(GrantError::Revoked),
                Some(known) => Ok(Made::Known(known)),
                None => Err(GrantError::Contended(grant.id)),
            },
        }
    }

    /// All grants, over or not, the last end first.
    pub async fn list(&self) -> Result<Vec<Grant>, StoreError> {
        let listing = self.0.list(&Prefix::grants(), ALL_MAX).await?;
        let mut grants = self.read_all(listing.entries.into_iter().map(|entry| entry.path).collect()).await?;
        grants.sort_by(|a, b| (b.until, &b.id).cmp(&(a.until, &a.id)));
        Ok(grants)
    }

    /// Grants that end after `now`, revoked ones included: of so many, those that end first. Their names tell it, so that those of a
    /// year are not read. True with it if there are more.
    pub async fn not_over(&self, now: Timestamp, most: usize) -> Result<(Vec<Grant>, bool), StoreError> {
        let listing = self.0.list(&Prefix::grants(), ALL_MAX).await?;
        let end = |path: &StatePath| path.name().and_then(|name| Some(parts_of(name.as_str())?.0));
        let mut lasting: Vec<(i64, StatePath)> = listing
            .entries
            .into_iter()
            .filter_map(|entry| Some((end(&entry.path)?, entry.path)))
            .filter(|(until, _)| *until >= now.as_second())
            .collect();
        lasting.sort();
        let is_cut = listing.is_cut || lasting.len() > most;
        lasting.truncate(most);
        let grants = self.read_all(lasting.into_iter().map(|(_, path)| path).collect()).await?;
        Ok((grants, is_cut))
    }

    /// Takes a grant back: it covers no stop from `now` on. It stays, with who took it back.
    pub async fn revoke(&self, id: &str, by: Author, now: Timestamp) -> Result<Grant, GrantError> {
        let unknown = || GrantError::Unknown(text::clean(id, QUOTED_CHARS_MAX));
        let ending = PathName::parse(id).map(|id| format!("-{id}.json")).ok_or_else(unknown)?;
        let listing = self.0.list(&Prefix::grants(), ALL_MAX).await?;
        let mut paths = listing.entries.into_iter().map(|entry| entry.path);
        let path = paths.find(|path| path.to_string().ends_with(&ending)).ok_or_else(unknown)?;
        let stored = self.0.read(&path).await?.ok_or_else(unknown)?;
        let mut grant = decode(&path, &stored).ok_or_else(unknown)?;
        if grant.revoked.is_none() {
            grant.revoked = Some(Ended { at: now, by });
            self.replace(&grant, &path, &stored.etag).await?;
            tracing::warn!(grant = grant.id, scope = %grant.scope, caller = grant.caller, "a grant was revoked");
        }
        Ok(grant)
    }

    async fn replace(&self, grant: &Grant, path: &StatePath, etag: &Etag) -> Result<(), GrantError> {
        match self.0.replace(path, encode(grant, path)?, etag).await? {
            Written::Done(_) => Ok(()),
            Written::Lost => Err(GrantError::Contended(grant.id.clone())),
        }
    }

    /// What may cover a stop of this cluster by these callers, not earlier than `since`. Read anew each time: a pipeline grants right
    /// before it stops.
    pub(super) async fn for_decision(
        &self,
        callers: BTreeSet<String>,
        cluster: &ClusterId,
        since: Timestamp,
    ) -> Result<GrantsRead, StoreError> {
        let folders: Vec<Prefix> = callers
            .iter()
            .filter_map(|caller| PathName::parse(caller))
            .map(|caller| Prefix::grants_of(&caller))
            .collect();
        let lists = folders.iter().map(|folder| self.0.list(folder, LISTED_MAX));
        let listings = futures::future::join_all(lists).await;
        // These words are digests, and most callers have no grant.
        let scopes: LazyCell<BTreeSet<String>, _> =
            LazyCell::new(|| Scope::around(cluster).iter().map(scope_word).chain([TAG.to_owned()]).collect());
        let mut paths = Vec::new();
        for listing in listings {
            let may_cover = |path: &StatePath| {
                let name = path.name();
                let parts = name.as_ref().and_then(|name| parts_of(name.as_str()));
                parts.is_some_and(|(until, scope)| until >= since.as_second() && scopes.contains(scope))
            };
            let found = listing?.entries.into_iter().map(|entry| entry.path).filter(may_cover);
            paths.extend(found.take(READ_MAX));
        }
        Ok(GrantsRead { callers, grants: self.read_all(paths).await? })
    }

    /// Reads grants. One that can't be read, or that the guard could not have made, grants nothing.
    async fn read_all(&self, paths: Vec<StatePath>) -> Result<Vec<Grant>, StoreError> {
        let read = stream::iter(paths).map(|path| async move {
            match self.0.read(&path).await {
                Ok(stored) => Ok(stored.and_then(|stored| decode(&path, &stored))),
                Err(StoreError::Refused(why)) => {
                    tracing::error!(%path, why, "a grant can't be read: it grants nothing");
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        });
        let read: Vec<Result<Option<Grant>, StoreError>> = read.buffered(PARALLEL_READS).collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }
}

/// `grants/<caller>/<seconds from its end to the last second>-<scope>-<id>.json`
fn path_of(grant: &Grant, id: &PathName) -> Result<StatePath, StoreError> {
    let left = LAST_SECOND.saturating_sub(grant.until.as_second()).max(0);
    let scope = match &grant.scope {
        GrantScope::Cluster { id, .. } => scope_word(&Scope::Cluster(id.clone())),
        GrantScope::Within { scope } => scope_word(scope),
        GrantScope::Tag { .. } => TAG.to_owned(),
    };
    let name = PathName::parse(&format!("{left:010}-{scope}-{id}"));
    match (PathName::parse(&grant.caller), name) {
        (Some(caller), Some(name)) => Ok(StatePath::grant(&caller, &name)),
        (None, _) | (_, None) => Err(StoreError::Refused("the grant's id is too long for a name".to_owned())),
    }
}

/// When a grant ends, in seconds, and the word for its scope.
fn parts_of(name: &str) -> Option<(i64, &str)> {
    let mut parts = name.splitn(3, '-');
    let left: i64 = parts.next()?.parse().ok()?;
    Some((LAST_SECOND.checked_sub(left)?, parts.next()?))
}

/// Stands for a scope in a name.
fn scope_word(scope: &Scope) -> String {
    let digest = PathName::digest(scope.to_string().to_lowercase());
    digest.as_str().chars().take(16).collect()
}

fn decode(path: &StatePath, stored: &Stored) -> Option<Grant> {
    let grant = serde_json::from_slice::<Grant>(&stored.bytes).ok().filter(Grant::is_sound);
    if grant.is_none() {
        tracing::error!(%path, "what is stored there is no grant that the guard could have made: it grants nothing");
    }
    grant
}

fn encode(grant: &Grant, path: &StatePath) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(grant).map_err(|error| StoreError::Refused(format!("writing `{path}`: {error}")))
}

#[cfg(test)]
mod tests;
