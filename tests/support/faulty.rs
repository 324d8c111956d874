//! An object store that fails as networks do: before, after or instead of doing what it was asked.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It never gets there.
    LostRequest,
    /// It is done, and then the answer is an error.
    LostAnswer,
    /// It is done twice, as a proxy may that sends again; the second answer counts.
    SentTwice,
    /// It never ends, and nothing is done.
    Hangs,
    /// It is done, but the answer never comes.
    HangsAfter,
}

/// An object store with a list of faults for the requests to come, and a count of those that were made.
#[derive(Debug, Default)]
pub(crate) struct Faulty<S> {
    inner: S,
    writes: Faults,
    reads: Faults,
}

#[derive(Debug, Default)]
struct Faults {
    next: Mutex<VecDeque<Fault>>,
    seen: AtomicUsize,
}

impl<S: ObjectStore> Faulty<S> {
    pub(crate) fn new(inner: S) -> Arc<Self> {
        Arc::new(Self { inner, writes: Faults::default(), reads: Faults::default() })
    }

    /// What happens to the next puts, one after another; all is well after them.
    pub(crate) fn on_writes(&self, faults: &[Fault]) {
        self.writes.next.lock().unwrap().extend(faults);
    }

    /// What happens to the next gets and lists.
    pub(crate) fn on_reads(&self, faults: &[Fault]) {
        self.reads.next.lock().unwrap().extend(faults);
    }

    /// How many puts there were.
    pub(crate) fn writes(&self) -> usize {
        self.writes.seen.load(Ordering::SeqCst)
    }

    /// How many gets and lists there were.
    pub(crate) fn reads(&self) -> usize {
        self.reads.seen.load(Ordering::SeqCst)
    }
}

impl Faults {
    fn take(&self) -> Fault {
        self.seen.fetch_add(1, Ordering::SeqCst);
        self.next.lock().unwrap().pop_front().unwrap_or(Fault::None)
    }
}

fn lost() -> Error {
    Error::Generic { store: "faulty", source: "503 `ServerBusy`".into() }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Faulty<S> {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.writes.take() {
            Fault::None => self.inner.put_opts(path, payload, options).await,
            Fault::LostRequest => Err(lost()),
            Fault::LostAnswer => {
                self.inner.put_opts(path, payload, options).await?;
                Err(lost())
            }
            Fault::SentTwice => {
                self.inner.put_opts(path, payload.clone(), options.clone()).await?;
                self.inner.put_opts(path, payload, options).await
            }
            Fault::Hangs => std::future::pending().await,
            Fault::HangsAfter => {
                self.inner.put_opts(path, payload, options).await?;
                std::future::pending().await
            }
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.reads.take() {
            Fault::None | Fault::SentTwice => self.inner.get_opts(path, options).await,
            Fault::LostRequest | Fault::LostAnswer => Err(lost()),
            Fault::Hangs | Fault::HangsAfter => std::future::pending().await,
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.reads.take() {
            Fault::None | Fault::SentTwice => self.inner.list(prefix),
            Fault::LostRequest | Fault::LostAnswer => {
                // One entry comes, then the page after it doesn't.
                let one = self.inner.list(prefix).take(1);
                one.chain(futures::stream::once(async { Err(lost()) })).boxed()
            }
            Fault::Hangs | Fault::HangsAfter => futures::stream::pending().boxed(),
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl<S: ObjectStore> fmt::Display for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}
