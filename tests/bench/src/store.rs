//! The blob service of a load: this program once more, as a process of its own, so that its CPU is counted apart.

use std::process::Command;

use anyhow::{Context as _, Result};
use axum::body::Body;
use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use simulator::ports::free_port;

use crate::process::Process;

/// The argument that makes this program a blob service.
pub(crate) const SERVE_BLOBS: &str = "--serve-blobs";

/// Longest answer that is read: a list of all records.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The account that the emulator's connection string names.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";

/// Account of a load, in memory.
pub(crate) struct Blobs {
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    pub(crate) process: Process,
    client: Client<HttpConnector, Body>,
}

impl Blobs {
    pub(crate) fn start() -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe().context("where this program is")?);
        command.args([SERVE_BLOBS, &port.to_string()]);
        let process = Process::start(command, port)?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { url: format!("http://127.0.0.1:{port}"), process, client })
    }

    /// Writes a blob, by its container and name.
    pub(crate) async fn put(&self, path: &str, bytes: String) -> Result<()> {
        let request = Request::put(format!("{}/{ACCOUNT}/{path}", self.url))
            .header("x-ms-blob-type", "BlockBlob")
            .body(Body::from(bytes))?;
        let answer = self.client.request(request).await?;
        anyhow::ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(())
    }

    /// The contents of all blobs of a container below a folder.
    pub(crate) async fn read_all(&self, container: &str, folder: &str) -> Result<Vec<String>> {
        let container = format!("{}/{ACCOUNT}/{container}", self.url);
        let mut contents = Vec::new();
        let mut marker = String::new();
        loop {
            let list = format!("{container}?restype=container&comp=list&prefix={folder}&marker={marker}");
            let xml = get(&list).await?;
            for name in between(&xml, "<Name>", "</Name>") {
                contents.push(get(&format!("{container}/{name}")).await?);
            }
            match between(&xml, "<NextMarker>", "</NextMarker>").next() {
                Some(next) => marker = next.to_owned(),
                None => return Ok(contents),
            }
        }
    }
}

fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split_once(after)).map(|(name, _)| name)
}

/// What an address answers.
pub(crate) async fn get(url: &str) -> Result<String> {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.get(url.parse()?).await?;
    anyhow::ensure!(answer.status().is_success(), "{url}: {}", answer.status());
    let bytes = axum::body::to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
    Ok(String::from_utf8(bytes.to_vec())?)
}
