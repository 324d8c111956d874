//! Sees every call that a guard makes to the outside, so that a test can do something in between, or kill the process there.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
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

/// Which calls are done twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Twice {
    #[default]
    None,
    /// All but POSTs to Azure, which no client and no proxy may repeat (RFC 9110, section 9.2.2).
    AllButPosts,
    All,
}

/// What a process did that another one would have to know to take its place.
#[derive(Debug)]
pub(crate) enum Noted {
    /// It wrote this record.
    Record(Bytes),
    /// Azure accepted its start.
    Start,
}

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
    /// Effects so far: calls that change something outside.
    effects: AtomicUsize,
    /// The process dies right after this effect, before it sees the answer.
    kill_after_effect: Mutex<Option<usize>>,
    /// Which calls are done twice; the second answer is the one that is seen.
    twice: Mutex<Twice>,
    /// Whether the store answers nothing but 503.
    store_is_down: AtomicBool,
    /// Writes that the store answers with 503, by a part of their name.
    refused: Mutex<Option<String>>,
    log: Mutex<Vec<String>>,
    noted: Mutex<Vec<Noted>>,
}

impl Probe {
    /// Before a call. Runs what the test wants done here, or never returns if the process dies here.
    pub(crate) async fn before(&self, call: &str) {
        self.enter(call).await;
        self.step().await;
    }

    /// The same before a list. A process that dies before one dies after the call before it, too: it is no point of its own.
    async fn enter(&self, call: &str) {
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
    }

    /// After a call was done, before its answer is seen.
    pub(crate) async fn after(&self) {
        self.step().await;
    }

    /// The same after a call that changed something.
    pub(crate) async fn after_effect(&self) {
        let effect = self.effects.fetch_add(1, Ordering::SeqCst);
        if *self.kill_after_effect.lock().unwrap() == Some(effect) {
            self.die().await;
        }
        self.step().await;
    }

    async fn step(&self) {
        if self.is_dead() {
            // What it had begun in tasks of its own dies with it.
            std::future::pending::<()>().await;
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if *self.kill_at.lock().unwrap() == Some(call) {
            self.die().await;
        }
    }

    async fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.killed.notify_one();
        std::future::pending::<()>().await;
    }

    pub(crate) fn note(&self, noted: Noted) {
        self.noted.lock().unwrap().push(noted);
    }

    /// What was noted since the last time.
    pub(crate) fn take_noted(&self) -> Vec<Noted> {
        std::mem::take(&mut *self.noted.lock().unwrap())
    }

    /// Lets the process die right after its effect of this number, counted from 0.
    pub(crate) fn kill_after_effect(&self, effect: usize) {
        *self.kill_after_effect.lock().unwrap() = Some(effect);
    }

    /// Whether it was killed.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Does calls twice from here on.
    pub(crate) fn do_twice(&self, which: Twice) {
        *self.twice.lock().unwrap() = which;
    }

    /// Whether a call that may be repeated is to be done once more, before the one whose answer counts.
    pub(crate) fn is_twice(&self) -> bool {
        *self.twice.lock().unwrap() != Twice::None
    }

    /// The same for a POST, which may not be.
    pub(crate) fn is_post_twice(&self) -> bool {
        *self.twice.lock().unwrap() == Twice::All
    }

    /// Takes the store away, or gives it back.
    pub(crate) fn store_is_down(&self, down: bool) {
        self.store_is_down.store(down, Ordering::SeqCst);
    }

    /// Makes the store take nothing whose name has this in it.
    pub(crate) fn refuse(&self, part: &str) {
        *self.refused.lock().unwrap() = Some(part.to_owned());
    }

    /// What the store says to a write.
    fn store_takes(&self, call: &str) -> Result<()> {
        if self.refused.lock().unwrap().as_ref().is_some_and(|part| call.contains(part)) {
            return Err(object_store::Error::Generic { store: "probe", source: "503 `ServerBusy`".into() });
        }
        self.store()
    }

    /// What the store says while it is away.
    fn store(&self) -> Result<()> {
        if self.store_is_down.load(Ordering::SeqCst) {
            return Err(object_store::Error::Generic { store: "probe", source: "503 `ServerBusy`".into() });
        }
        Ok(())
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
        let call = self.call("put", path);
        self.probe.before(&call).await;
        let takes = *self.probe.write_takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        self.probe.store_takes(&call)?;
        if self.probe.is_twice() {
            let _ = self.inner.put_opts(path, payload.clone(), options.clone()).await;
        }
        let bytes: Vec<u8> = payload.iter().flat_map(|part| part.to_vec()).collect();
        let put = self.inner.put_opts(path, payload, options).await;
        if put.is_ok() && path.as_ref().starts_with("clusters/") {
            self.probe.note(Noted::Record(bytes.into()));
        }
        self.probe.after_effect().await;
        put
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.probe.before(&self.call("get", path)).await;
        self.probe.store()?;
        self.inner.get_opts(path, options).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let call = self.call("list", &prefix.cloned().unwrap_or_default());
        let (probe, inner, prefix) = (Arc::clone(&self.probe), Arc::clone(&self.inner), prefix.cloned());
        let listed = async move {
            probe.enter(&call).await;
            match probe.store() {
                Ok(()) => inner.list(prefix.as_ref()),
                Err(down) => futures::stream::once(async { Err(down) }).boxed(),
            }
        };
        listed.flatten_stream().boxed()
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (name, before, after) = (self.name, Arc::clone(&self.probe), Arc::clone(&self.probe));
        let paths = paths.then(move |path| {
            let probe = Arc::clone(&before);
            async move {
                let path = path?;
                probe.before(&format!("delete {name}/{path}")).await;
                probe.store()?;
                Ok(path)
            }
        });
        let deleted = self.inner.delete_stream(paths.boxed());
        let deleted = deleted.then(move |deleted| {
            let probe = Arc::clone(&after);
            async move {
                probe.after_effect().await;
                deleted
            }
        });
        deleted.boxed()
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
