//! A store in memory that tests ask: it counts what it is asked, and may be in trouble.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What a folder does when it is listed, or a blob when it is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) enum Trouble {
    /// It never answers.
    Hangs,
    /// It says no.
    Denies,
    /// It answers in two parts with pauses before both.
    IsSlow,
}

/// A store in memory of which paths that begin so are in trouble.
#[derive(Debug, Default)]
pub(in crate::cli) struct Troubled {
    inner: InMemory,
    at: Mutex<Option<(&'static str, Trouble)>>,
    reads: AtomicUsize,
    lists: AtomicUsize,
}

impl Troubled {
    /// From now on paths that begin so are in trouble, or none.
    pub(in crate::cli) fn be(&self, at: Option<(&'static str, Trouble)>) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Reads and lists since it was asked last.
    pub(in crate::cli) fn asked(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::SeqCst), self.lists.swap(0, Ordering::SeqCst))
    }

    fn trouble(&self, path: Option<&Path>) -> Option<Trouble> {
        let path = path.map(|path| path.as_ref()).unwrap_or_default();
        let at = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.filter(|(start, _)| path.starts_with(start)).map(|(_, trouble)| trouble)
    }
}

fn denied() -> Error {
    Error::PermissionDenied { path: "x".to_owned(), source: "no".into() }
}

#[async_trait]
impl ObjectStore for Troubled {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match self.trouble(Some(path)) {
            Some(Trouble::Hangs) => std::future::pending().await,
            Some(Trouble::Denies) => Err(denied()),
            Some(Trouble::IsSlow) => {
                for _ in 0..2 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                self.inner.get_opts(path, options).await
            }
            None => self.inner.get_opts(path, options).await,
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        match self.trouble(prefix) {
            Some(Trouble::Hangs) => stream::pending().boxed(),
            Some(Trouble::Denies) => stream::once(async { Err(denied()) }).boxed(),
            Some(Trouble::IsSlow) | None => self.inner.list(prefix),
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

impl fmt::Display for Troubled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Troubled")
    }
}
