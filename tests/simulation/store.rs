//! The storage account as one process sees it: what it answers may be wrong, late, or lost after the work was done.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::sleep;

use crate::blobs::{Condition, Unmet};
use crate::process::Life;
use crate::stage::State;

/// Longer than the guard waits for any call of the store.
const TOO_LONG: Duration = Duration::from_secs(30);

/// Which container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    State,
    Cases,
}

/// A container, seen by one process.
pub(crate) struct Blobs {
    pub(crate) life: Arc<Life>,
    pub(crate) which: Which,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// 503, and nothing was done.
    Refused,
    /// It is done, and the answer is 503.
    DoneAndRefused,
    /// It is done, and done again by something between: the second answer counts, so a write finds its own.
    DoneTwice,
    /// It takes too long; nothing was done.
    Hangs,
    /// It is done, and the answer takes too long.
    DoneAndHangs,
}

impl Blobs {
    async fn before(&self, verb: &'static str, path: &str) -> Trouble {
        self.life.before(|| format!("{verb} {self}/{path}")).await;
        let mut state = self.life.stage.state();
        if !state.trouble {
            return Trouble::None;
        }
        let rates = self.life.stage.knobs.rates;
        let trouble = if state.dice.hits(rates.store) {
            match state.dice.below(3) {
                0 => Trouble::Refused,
                1 => Trouble::DoneAndRefused,
                _ => Trouble::DoneTwice,
            }
        } else if state.dice.hits(rates.slow) {
            if state.dice.percent(50) { Trouble::Hangs } else { Trouble::DoneAndHangs }
        } else {
            return Trouble::None;
        };
        self.life.stage.trace(&mut state, || format!("p{} {verb}: {trouble:?}", self.life.number));
        trouble
    }

    /// Does something to the container, with what may go wrong around it.
    async fn call<T>(
        &self,
        verb: &'static str,
        path: &str,
        mut work: impl FnMut(&mut State) -> Result<T>,
    ) -> Result<T> {
        let trouble = self.before(verb, path).await;
        match trouble {
            Trouble::None | Trouble::DoneAndRefused | Trouble::DoneAndHangs | Trouble::DoneTwice => {}
            Trouble::Refused => return Err(busy()),
            Trouble::Hangs => {
                sleep(TOO_LONG).await;
                return Err(busy());
            }
        }
        let mut done = work(&mut self.life.stage.state());
        match trouble {
            Trouble::DoneTwice => done = work(&mut self.life.stage.state()),
            Trouble::DoneAndRefused => done = Err(busy()),
            Trouble::DoneAndHangs => sleep(TOO_LONG).await,
            Trouble::None | Trouble::Refused | Trouble::Hangs => {}
        }
        self.life.after().await;
        done
    }

    fn put(&self, state: &mut State, path: &Path, bytes: &Bytes, condition: &Condition) -> Result<PutResult> {
        let name = path.as_ref();
        let state_of = |state: &mut State| match self.which {
            Which::State => state.records.put(name, bytes.clone(), condition),
            Which::Cases => state.cases.put(name, bytes.clone(), condition),
        };
        let put = state_of(state);
        let outcome = put.as_ref().map_or("not done", |_| "done");
        self.life.stage.trace(state, || format!("p{} put {self}/{name}: {outcome}", self.life.number));
        match put {
            Ok(etag) => {
                let now = self.life.stage.now();
                match self.which {
                    Which::State => {
                        let State { judge, records, cases, .. } = state;
                        judge.on_put(name, bytes, records, cases, now);
                    }
                    Which::Cases => state.judge.on_archive(name, bytes, &state.records, now),
                }
                Ok(PutResult { e_tag: Some(etag), version: None, extensions: Default::default() })
            }
            Err(Unmet::Exists) => Err(Error::AlreadyExists { path: name.to_owned(), source: "409".into() }),
            Err(Unmet::Changed) => Err(Error::Precondition { path: name.to_owned(), source: "412".into() }),
        }
    }

    fn get(&self, state: &State, path: &Path) -> Result<(Bytes, String)> {
        let name = path.as_ref();
        let found = match self.which {
            Which::State => state.records.get(name),
            Which::Cases => state.cases.get(name),
        };
        found.ok_or_else(|| Error::NotFound { path: name.to_owned(), source: "404".into() })
    }

    fn list(&self, state: &State, prefix: &str) -> Vec<ObjectMeta> {
        let container = match self.which {
            Which::State => &state.records,
            Which::Cases => &state.cases,
        };
        container.list(prefix).map(|(path, size)| meta(Path::from(path), size, None)).collect()
    }
}

fn busy() -> Error {
    Error::Generic { store: "simulated", source: "503 `ServerBusy`".into() }
}

fn meta(location: Path, size: u64, e_tag: Option<String>) -> ObjectMeta {
    ObjectMeta { location, last_modified: Default::default(), size, e_tag, version: None }
}

impl fmt::Display for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.which {
            Which::State => "state",
            Which::Cases => "cases",
        })
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[async_trait]
impl ObjectStore for Blobs {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let bytes = Bytes::from(payload);
        let condition = match options.mode {
            PutMode::Overwrite => Condition::None,
            PutMode::Create => Condition::Absent,
            PutMode::Update(version) => Condition::Etag(version.e_tag.unwrap_or_default()),
        };
        self.call("put", path.as_ref(), |state| self.put(state, path, &bytes, &condition)).await
    }

    async fn get_opts(&self, path: &Path, _: GetOptions) -> Result<GetResult> {
        let (bytes, etag) = self.call("get", path.as_ref(), |state| self.get(state, path)).await?;
        let size = bytes.len() as u64;
        Ok(GetResult {
            payload: GetResultPayload::Stream(futures::stream::once(async { Ok(bytes) }).boxed()),
            meta: meta(path.clone(), size, Some(etag)),
            range: 0..size,
            attributes: Attributes::default(),
            extensions: Default::default(),
        })
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = Self { life: Arc::clone(&self.life), which: self.which };
        let prefix = prefix.map(ToString::to_string).unwrap_or_default();
        let list = async move {
            match this.call("list", &prefix, |state| Ok(this.list(state, &prefix))).await {
                Ok(found) => found.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        futures::stream::once(list).flat_map(futures::stream::iter).boxed()
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let life = Arc::clone(&self.life);
        let which = self.which;
        let delete = move |path: Result<Path>| {
            let this = Self { life: Arc::clone(&life), which };
            async move {
                let path = path?;
                let delete = |state: &mut State| {
                    let State { judge, records, .. } = state;
                    if records.delete(path.as_ref()) {
                        judge.on_delete(path.as_ref(), records, this.life.stage.now());
                    }
                    Ok(())
                };
                this.call("delete", path.as_ref(), delete).await.map(|()| path.clone())
            }
        };
        paths.then(delete).boxed()
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".to_owned(), implementer: "simulated".to_owned() })
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(Error::NotImplemented { operation: "delimiter".to_owned(), implementer: "simulated".to_owned() })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".to_owned(), implementer: "simulated".to_owned() })
    }
}
