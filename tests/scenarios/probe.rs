//! Sees every call that a guard makes to the outside, so that a test can do something in between, or kill the process there.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

/// What a test does before a certain call.
type Hook = Box<dyn FnOnce() -> futures::future::BoxFuture<'static, ()> + Send>;

/// One process's view of the outside.
#[derive(Default)]
pub(crate) struct Probe {
    calls: AtomicUsize,
    /// The process dies before this call (odd: after the call before it was done).
    kill_at: Mutex<Option<usize>>,
    killed: Notify,
    dead: AtomicBool,
    hooks: Mutex<Vec<(String, Hook)>>,
    /// Calls that make the process panic, by a part of their name.
    poison: Mutex<Option<String>>,
    /// How long each write takes, on tokio's clock.
    write_takes: Mutex<Duration>,
    log: Mutex<Vec<String>>,
}

impl Probe {
    /// Before a call. Runs what the test wants done here, or never returns if the process dies here.
    pub(crate) async fn before(&self, call: &str) {
        self.log.lock().unwrap().push(call.to_owned());
        let poisoned = self.poison.lock().unwrap().as_ref().is_some_and(|part| call.contains(part));
        assert!(!poisoned, "this call is poisoned");
        let hook = {
            let mut hooks = self.hooks.lock().unwrap();
            let at = hooks.iter().position(|(wanted, _)| call.starts_with(wanted.as_str()));
            at.map(|at| hooks.remove(at).1)
        };
        if let Some(hook) = hook {
            hook().await;
        }
        self.step().await;
    }

    /// After a call was done, before its answer is seen.
    pub(crate) async fn after(&self) {
        self.step().await;
    }

    async fn step(&self) {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if *self.kill_at.lock().unwrap() == Some(call) {
            self.dead.store(true, Ordering::SeqCst);
            self.killed.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Does something once, right before the first call whose name begins with `call`.
    pub(crate) fn once_before(&self, call: &str, hook: impl FnOnce() + Send + 'static) {
        let hook: Hook = Box::new(move || {
            hook();
            async {}.boxed()
        });
        self.hooks.lock().unwrap().push((call.to_owned(), hook));
    }

    /// The same with something that takes time.
    pub(crate) fn once_before_async(
        &self,
        call: &str,
        hook: impl FnOnce() -> futures::future::BoxFuture<'static, ()> + Send + 'static,
    ) {
        self.hooks.lock().unwrap().push((call.to_owned(), Box::new(hook)));
    }

    /// Makes every call whose name has this in it panic.
    pub(crate) fn poison(&self, part: &str) {
        *self.poison.lock().unwrap() = Some(part.to_owned());
    }

    /// Makes every write of the store take so long, on tokio's clock.
    pub(crate) fn write_takes(&self, time: Duration) {
        *self.write_takes.lock().unwrap() = time;
    }

    /// Lets the process die at this point.
    pub(crate) fn kill_at(&self, point: usize) {
        *self.kill_at.lock().unwrap() = Some(point);
    }

    /// How many points there were.
    pub(crate) fn points(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The calls, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Runs some work of the process. `None` if it was killed at it, or is dead already.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.dead.load(Ordering::SeqCst) {
            return None;
        }
        tokio::select! {
            done = work => Some(done),
            () = self.killed.notified() => None,
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

/// A container as one process sees it.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) name: &'static str,
    pub(crate) inner: Arc<InMemory>,
    pub(crate) probe: Arc<Probe>,
}

impl Probed {
    fn call(&self, verb: &str, path: &Path) -> String {
        format!("{verb} {}/{path}", self.name)
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[async_trait]
impl ObjectStore for Probed {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.probe.before(&self.call("put", path)).await;
        let takes = *self.probe.write_takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        let put = self.inner.put_opts(path, payload, options).await;
        self.probe.after().await;
        put
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.probe.before(&self.call("get", path)).await;
        self.inner.get_opts(path, options).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = prefix.map(ToString::to_string).unwrap_or_default();
        self.probe.log.lock().unwrap().push(format!("list {}/{folder}", self.name));
        self.inner.list(prefix)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let probe = Arc::clone(&self.probe);
        let name = self.name;
        let paths = paths.then(move |path| {
            let probe = Arc::clone(&probe);
            async move {
                if let Ok(path) = &path {
                    probe.before(&format!("delete {name}/{path}")).await;
                }
                path
            }
        });
        self.inner.delete_stream(paths.boxed())
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
