//! The store, and guards over it, against a real server: Azurite, the storage emulator. It shows neither immutability nor failover.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helper functions too"
)]

use std::sync::Arc;

use aks_stop_guard::domain::ClusterKey;
use aks_stop_guard::store::{
    BLOB_SUFFIX_PUBLIC, DeadLetters, Etag, Location, LocationSettings, OpenMarker, StatePath, Store,
    Transport, Written,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

mod guards;
mod races;
mod store;

#[path = "../support/azurite.rs"]
mod azurite;
#[path = "../support/blob_proxy.rs"]
#[expect(dead_code, reason = "tests of the real binary need more of it")]
mod blob_proxy;
#[path = "../scenarios/clocks.rs"]
#[expect(dead_code, reason = "the clocks of these guards are right")]
mod clocks;
#[path = "../scenarios/inbox.rs"]
#[expect(dead_code, reason = "the sinks of these guards are all right")]
mod inbox;
#[path = "../scenarios/policies.rs"]
mod policies;
#[path = "../scenarios/probe.rs"]
#[expect(dead_code, reason = "these guards are killed and delayed by their network")]
mod probe;
#[path = "../scenarios/sim.rs"]
#[expect(dead_code, reason = "these guards have their state in Azurite")]
mod sim;

use azurite::Azurite;

/// The emulator's key: documented, the same for everybody.
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn client() -> reqwest::Client {
    // Another test may have been first: it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// A store with two containers of its own in the shared server.
struct Fixture {
    azurite: Arc<Azurite>,
    container: String,
    store: Store,
}

impl Fixture {
    /// With its containers made. The name tells the tests apart.
    async fn new(container: &str) -> Self {
        let fixture = Self::without_containers(container);
        fixture.store.init().await.unwrap();
        fixture
    }

    fn without_containers(container: &str) -> Self {
        let azurite = Azurite::shared();
        let store = open("UseDevelopmentStorage=true", container, &azurite.url);
        Self { azurite, container: container.to_owned(), store }
    }

    /// Another store over the same containers, with a client of its own.
    fn another(&self, state: &str) -> Store {
        open(state, &self.container, &self.azurite.url)
    }
}

fn open(state: &str, container: &str, emulator_url: &str) -> Store {
    Store::open(&location(state, container, emulator_url), transport()).unwrap()
}

/// A container's blobs as dead letters: those of Event Grid lie in a container of their own.
fn dead_letters(container: &str, emulator_url: &str) -> DeadLetters {
    let location = location("UseDevelopmentStorage=true", container, emulator_url);
    let Location::Blobs(location) = location else { panic!("{container}") };
    DeadLetters::open(&location, transport()).unwrap()
}

fn location(state: &str, container: &str, emulator_url: &str) -> Location {
    let location = Location::parse(LocationSettings {
        state,
        container: Some(container),
        emulator_url: Some(emulator_url),
        blob_suffix: BLOB_SUFFIX_PUBLIC,
    });
    location.unwrap()
}

fn transport() -> Transport {
    Transport { http: Arc::new(|| Ok(client())), tokens: None }
}

/// A connection string with a signature for everything, by way of a server.
fn signed(url: &str) -> String {
    format!("BlobEndpoint={url}/devstoreaccount1;SharedAccessSignature={}", signature())
}

fn key(n: u8) -> ClusterKey {
    ClusterKey::parse(&format!("{n:02x}").repeat(16)).unwrap()
}

fn record() -> StatePath {
    StatePath::cluster(&key(1))
}

fn marker(generation: u64) -> StatePath {
    StatePath::open_marker(&OpenMarker { key: key(1), generation })
}

fn done(written: Written) -> Etag {
    match written {
        Written::Done(etag) => etag,
        Written::Lost => panic!("lost"),
    }
}

async fn text(store: &Store, path: &StatePath) -> String {
    let stored = store.read(path).await.unwrap().expect("it is there");
    String::from_utf8(stored.bytes.to_vec()).unwrap()
}

/// An account signature for everything in blobs, signed as "Create an account SAS" (Azure Storage documentation) says.
fn signature() -> String {
    let fields =
        ["devstoreaccount1", "rwdlac", "b", "sco", "", "2035-01-01T00:00:00Z", "", "http", "2020-12-06", ""];
    let to_sign: String = fields.iter().map(|field| format!("{field}\n")).collect();
    let key = BASE64_STANDARD.decode(EMULATOR_KEY).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(to_sign.as_bytes());
    let signed = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("sv", "2020-12-06"), ("ss", "b"), ("srt", "sco"), ("sp", "rwdlac")])
        .extend_pairs([("se", "2035-01-01T00:00:00Z"), ("spr", "http"), ("sig", &signed)])
        .finish()
}
