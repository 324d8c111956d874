//! The state: bytes under typed paths, with conditional writes. What the bytes mean is told by `case`.
//!
//! Every call ends within [`STORE_TIMEOUT`] (a list within [`LIST_TIMEOUT`]). Reads are tried again within that time.
//! **Writes are sent once**: a write whose answer got lost may have been done, so only the caller, who reads its own
//! `writer` back, can say what came of it. A conditional write that is sent again by a library loses to itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures::StreamExt as _;
use jiff::Timestamp;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion};
use tokio::time::timeout;

mod account;
mod connection_string;
mod dead_letters;
mod fault;
mod http;
mod identity;
mod location;
mod path;

use self::account::Account;
pub use self::account::Transport;
pub use self::dead_letters::DeadLetters;
pub use self::fault::StoreError;
use self::fault::{Failure, classify};
pub use self::http::ClientFactory;
pub use self::identity::{BlobTokens, STORAGE_SCOPE, TokenError};
pub use self::location::{
    Access, BLOB_SUFFIX_CHINA, BLOB_SUFFIX_PUBLIC, BLOB_SUFFIX_US_GOV, BlobLocation, CONTAINER_SETTING,
    ContainerName, DEAD_LETTERS_SETTING, EMULATOR_SETTING, Endpoint, Location, LocationError,
    LocationSettings, STATE_SETTING, Secret,
};
pub use self::path::{CaseDay, CasePath, ExhibitPath, OpenMarker, PathName, Prefix, StatePath, StopHour};

/// Longest record that is read or written: 1 MiB. A record with all its lists full has under half of it; beyond this it is
/// no record of ours, and reading it would let one blob take the process's memory.
pub const RECORD_BYTES_MAX: usize = 1_024 * 1_024;
/// Longest time that a read, a write or a delete takes, further tries included. An invocation has 20 s and makes up to
/// three store calls one after another.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time that a list takes. Five thousand names come in one page, so more than one page is rare.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Most entries of a list, whatever the caller asks for: about 20 MiB of names.
pub const LIST_ENTRIES_MAX: usize = 100_000;
/// Longest time that one try of a read takes, so that a packet that got lost leaves time for another try.
const READ_TRY_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How often a failed read is tried again.
const READ_RETRIES: usize = 2;
/// Pause before a read's second try; doubled before the third, with jitter.
const READ_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The state container and the cases container. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Containers>);

struct Containers {
    state: Container,
    cases: Container,
    /// None in memory.
    account: Option<Account>,
}

struct Container {
    name: String,
    objects: Arc<dyn ObjectStore>,
}

/// What changes whenever a blob is written. Equal bytes may have different ones; it is compared by the store alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(String);

/// A blob's bytes, and which version of it they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The content.
    pub bytes: Bytes,
    /// What [`Store::replace`] must be given to change exactly this.
    pub etag: Etag,
}

/// What came of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Done(Etag),
    /// Somebody else was first: read, decide again. The somebody may be our own write whose answer got lost.
    Lost,
}

/// What came of putting a closed case into the cases container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {
    /// It is there now.
    New,
    /// It was there already, byte for byte.
    Same,
    /// Something else is there under this path, and stays.
    Different,
}

/// What a list found, in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// At most as many as were asked for.
    pub entries: Vec<Listed>,
    /// There are more.
    pub is_cut: bool,
}

/// Closed cases of a day, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseListing {
    /// At most as many as were asked for.
    pub cases: Vec<CasePath>,
    /// There are more.
    pub is_cut: bool,
}

/// A blob in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is. It may be junk that somebody else put there: see [`StatePath::as_open_marker`].
    pub path: StatePath,
    /// When it was last written, by the store's clock.
    pub last_modified: Timestamp,
    /// Its size in bytes.
    pub size: u64,
    /// Which version of it there is, if the store says so in lists: the same as that of reading it.
    pub etag: Option<Etag>,
}

/// A container that [`Store::init`] has seen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitContainer {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Created,
}

/// When a container was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// By this call.
    Now,
    /// It was there already.
    Before,
}

impl Store {
    /// Opens the store at a location. Does no I/O and builds no HTTP client: that is the first request's business.
    pub fn open(location: &Location, transport: Transport) -> Result<Self, StoreError> {
        match location {
            Location::Memory => Ok(Self::memory()),
            Location::Blobs(blobs) => {
                let (account, http) = Account::new(blobs.clone(), transport)?;
                let (state, cases) = account.names();
                let state = Container::new(state.clone(), Arc::new(account.container(&state, &http)?));
                let cases = Container::new(cases.clone(), Arc::new(account.container(&cases, &http)?));
                Ok(Self(Arc::new(Containers { state, cases, account: Some(account) })))
            }
        }
    }

    /// A store in this process's memory.
    pub fn memory() -> Self {
        Self::over(Arc::new(InMemory::new()), Arc::new(InMemory::new()))
    }

    /// A store over two object stores: the state container and the cases container.
    pub fn over(state: Arc<dyn ObjectStore>, cases: Arc<dyn ObjectStore>) -> Self {
        let state = Container::new("state".to_owned(), state);
        let cases = Container::new("cases".to_owned(), cases);
        Self(Arc::new(Containers { state, cases, account: None }))
    }

    /// Reads what is stored under a path.
    pub async fn read(&self, path: &StatePath) -> Result<Option<Stored>, StoreError> {
        self.0.state.read(path.as_path()).await
    }

    /// Reads a closed case.
    pub async fn read_case(&self, path: &CasePath) -> Result<Option<Stored>, StoreError> {
        self.0.cases.read(&path.as_path()).await
    }

    /// Writes, if there is nothing yet.
    pub async fn create(&self, path: &StatePath, bytes: impl Into<Bytes>) -> Result<Written, StoreError> {
        self.0.state.write(path.as_path(), bytes.into(), PutMode::Create).await
    }

    /// Writes, if what is there is still the version with this ETag.
    pub async fn replace(
        &self,
        path: &StatePath,
        bytes: impl Into<Bytes>,
        etag: &Etag,
    ) -> Result<Written, StoreError> {
        let version = UpdateVersion { e_tag: Some(etag.0.clone()), version: None };
        self.0.state.write(path.as_path(), bytes.into(), PutMode::Update(version)).await
    }

    /// Writes, whatever is there. For what is the same whoever writes it, such as markers.
    pub async fn put(&self, path: &StatePath, bytes: impl Into<Bytes>) -> Result<(), StoreError> {
        match self.0.state.write(path.as_path(), bytes.into(), PutMode::Overwrite).await? {
            Written::Done(_) => Ok(()),
            Written::Lost => Err(StoreError::Unavailable(format!("writing `{path}`: a conflict"))),
        }
    }

    /// Deletes; that it is gone already is fine. There is no conditional delete: only what can't come back under the same
    /// path may be deleted.
    pub async fn delete(&self, path: &StatePath) -> Result<(), StoreError> {
        self.0.state.delete_from(self.0.account.as_ref(), path.as_path()).await
    }

    /// Lists up to `limit` blobs in a folder and below it, in the order of their names. A blob whose name no path can have
    /// (`open//x`), which the guard never makes, fails the list as [`StoreError::Refused`].
    pub async fn list(&self, prefix: &Prefix, limit: usize) -> Result<Listing, StoreError> {
        self.0.state.list(prefix.as_path(), limit.min(LIST_ENTRIES_MAX)).await
    }

    /// Lists up to `limit` cases that were closed on a day. Whatever else is in that folder is passed over.
    ///
    /// # Errors
    /// The container can't be listed.
    pub async fn list_cases(&self, day: CaseDay, limit: usize) -> Result<CaseListing, StoreError> {
        let listing = self.0.cases.list(&day.as_path(), limit.min(LIST_ENTRIES_MAX)).await?;
        let cases = listing.entries.iter().filter_map(|listed| CasePath::from_listing(listed.path.as_path()));
        Ok(CaseListing { cases: cases.collect(), is_cut: listing.is_cut })
    }

    /// Puts a closed case into the cases container. Never overwrites, and may be repeated any number of times.
    pub async fn archive(&self, path: &CasePath, bytes: impl Into<Bytes>) -> Result<Archived, StoreError> {
        self.0.cases.keep(&path.as_path(), bytes.into()).await
    }

    /// Reads a piece of evidence.
    pub async fn read_exhibit(&self, path: &ExhibitPath) -> Result<Option<Stored>, StoreError> {
        self.0.cases.read(path.as_path()).await
    }

    /// Puts a piece of evidence into the cases container. Never overwrites, and may be repeated any number of times.
    pub async fn keep_exhibit(
        &self,
        path: &ExhibitPath,
        bytes: impl Into<Bytes>,
    ) -> Result<Archived, StoreError> {
        self.0.cases.keep(path.as_path(), bytes.into()).await
    }

    /// Makes the two containers, as private as the account's default. Those that are there are left alone. Says nothing
    /// in memory, where there is none to make.
    pub async fn init(&self) -> Result<Vec<InitContainer>, StoreError> {
        let Some(account) = &self.0.account else { return Ok(Vec::new()) };
        let mut made = Vec::new();
        for name in [&self.0.state.name, &self.0.cases.name] {
            let what = format!("making the container `{name}`");
            let created = within(STORE_TIMEOUT, &what, account.make_container(name)).await?;
            made.push(InitContainer { name: name.clone(), created });
        }
        Ok(made)
    }
}

impl Container {
    fn new(name: String, objects: Arc<dyn ObjectStore>) -> Self {
        Self { name, objects }
    }

    async fn read(&self, path: &Path) -> Result<Option<Stored>, StoreError> {
        let what = Doing("reading", path);
        let tries = || within(READ_TRY_TIMEOUT, &what, self.read_once(path, &what));
        within(STORE_TIMEOUT, &what, tries.retry(read_retries()).when(is_passing).into_future()).await
    }

    async fn read_once(&self, path: &Path, what: &Doing<'_>) -> Result<Option<Stored>, StoreError> {
        let failure = |error| classify(&error, what, &self.name);
        let found = match self.objects.get(path).await.map_err(failure) {
            Ok(found) => found,
            Err(Failure::Missing) => return Ok(None),
            Err(other) => return Err(other.into_error(what)),
        };
        check_size(found.meta.size, what)?;
        let etag = found.meta.e_tag.clone();
        let bytes = found.bytes().await.map_err(|error| failure(error).into_error(what))?;
        Ok(Some(Stored { bytes, etag: known(etag, what)? }))
    }

    /// Writes what is there for good.
    async fn keep(&self, path: &Path, bytes: Bytes) -> Result<Archived, StoreError> {
        match self.write(path, bytes.clone(), PutMode::Create).await? {
            Written::Done(_) => Ok(Archived::New),
            Written::Lost => match self.read(path).await? {
                Some(there) if there.bytes == bytes => Ok(Archived::Same),
                Some(_) => Ok(Archived::Different),
                None => Err(StoreError::Unavailable(format!("`{path}` is there, but can't be read"))),
            },
        }
    }

    async fn write(&self, path: &Path, bytes: Bytes, mode: PutMode) -> Result<Written, StoreError> {
        let what = Doing("writing", path);
        check_size(bytes.len().try_into().unwrap_or(u64::MAX), &what)?;
        let is_conditional = mode != PutMode::Overwrite;
        let put = async {
            let put = self.objects.put_opts(path, PutPayload::from(bytes), mode.into()).await;
            match put.map_err(|error| classify(&error, &what, &self.name)) {
                Ok(put) => Ok(Written::Done(known(put.e_tag, &what)?)),
                // A blob that is gone isn't the version that was read either.
                Err(Failure::Exists | Failure::Stale | Failure::Missing) if is_conditional => {
                    Ok(Written::Lost)
                }
                Err(other) => Err(other.into_error(&what)),
            }
        };
        within(STORE_TIMEOUT, &what, put).await
    }

    /// Deletes a blob of this container, which is the account's, or in memory.
    async fn delete_from(&self, account: Option<&Account>, path: &Path) -> Result<(), StoreError> {
        let what = Doing("deleting", path);
        let delete = async {
            let deleted = match account {
                Some(account) => account.delete_blob(&self.name, path).await,
                None => self.objects.delete(path).await.map_err(|error| classify(&error, &what, &self.name)),
            };
            match deleted {
                Ok(()) | Err(Failure::Missing) => Ok(()),
                Err(other) => Err(other.into_error(&what)),
            }
        };
        within(STORE_TIMEOUT, &what, delete).await
    }

    async fn list(&self, prefix: &Path, limit: usize) -> Result<Listing, StoreError> {
        let what = Doing("listing", prefix);
        let tries = || self.list_once(prefix, limit, &what);
        within(LIST_TIMEOUT, &what, tries.retry(read_retries()).when(is_passing).into_future()).await
    }

    async fn list_once(&self, prefix: &Path, limit: usize, what: &Doing<'_>) -> Result<Listing, StoreError> {
        let mut found = self.objects.list(Some(prefix));
        let mut entries = Vec::new();
        let mut next = async || match found.next().await {
            Some(entry) => {
                entry.map(Some).map_err(|error| classify(&error, what, &self.name).into_error(what))
            }
            None => Ok(None),
        };
        while let Some(entry) = within(STORE_TIMEOUT, what, next()).await? {
            if entries.len() == limit {
                return Ok(Listing { entries, is_cut: true });
            }
            entries.push(Listed::from(entry));
        }
        Ok(Listing { entries, is_cut: false })
    }
}

impl From<ObjectMeta> for Listed {
    fn from(found: ObjectMeta) -> Self {
        // The store's times have four digits for the year, so all of them are timestamps.
        let last_modified = Timestamp::from_second(found.last_modified.timestamp()).unwrap_or_default();
        // Azure writes it without quotes in lists, and with them in headers ("List Blobs", "Get Blob", Azure Storage REST API).
        let etag = found.e_tag.map(|tag| if tag.ends_with('"') { tag } else { format!("\"{tag}\"") });
        let etag = etag.map(Etag);
        Self { path: StatePath::from_listing(found.location), last_modified, size: found.size, etag }
    }
}

/// What is being done with which blob or folder, for messages: put into words only if there is something to say of it.
struct Doing<'a>(&'static str, &'a Path);

impl fmt::Display for Doing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.0, self.1)
    }
}

/// What takes longer than `longest` is given up; whether it was done is unknown.
async fn within<T>(
    longest: Duration,
    what: &(dyn fmt::Display + Sync),
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match timeout(longest, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Unavailable(format!("{what}: no answer in {} ms", longest.as_millis()))),
    }
}

fn check_size(bytes: u64, what: &dyn fmt::Display) -> Result<(), StoreError> {
    match usize::try_from(bytes) {
        Ok(size) if size <= RECORD_BYTES_MAX => Ok(()),
        Ok(_) | Err(_) => {
            Err(StoreError::Refused(format!("{what}: {bytes} bytes, at most {RECORD_BYTES_MAX} are allowed")))
        }
    }
}

fn known(etag: Option<String>, what: &dyn fmt::Display) -> Result<Etag, StoreError> {
    etag.map(Etag).ok_or_else(|| StoreError::Unavailable(format!("{what}: the answer has no ETag")))
}

fn read_retries() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(READ_RETRY_PAUSE).with_max_times(READ_RETRIES).with_jitter()
}

fn is_passing(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_))
}

impl fmt::Debug for Store {
    /// The containers' names only: `object_store` prints keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("state", &self.0.state.name)
            .field("cases", &self.0.cases.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
