//! A state of a test's own in a real Azurite, for commands that an operator runs over it.

use std::sync::Arc;

use aks_stop_guard::store::{BLOB_SUFFIX_PUBLIC, Location, LocationSettings, Store, Transport};

use crate::azurite::Azurite;

/// Where Azurite is, as a setting says it.
const IN_AZURITE: &str = "UseDevelopmentStorage=true";

/// The state, and the Azurite that it is in.
pub(crate) struct State {
    azurite: Arc<Azurite>,
    container: &'static str,
    pub(crate) store: Store,
}

impl State {
    /// An empty one. The container's name tells tests apart.
    pub(crate) async fn new(container: &'static str) -> Self {
        let azurite = Azurite::shared();
        let store = store_at(&azurite.url, container);
        store.init().await.unwrap();
        Self { azurite, container, store }
    }

    /// The settings with which a command finds it.
    pub(crate) fn settings(&self) -> [(&str, &str); 3] {
        settings(&self.azurite.url, self.container)
    }
}

/// A store in the container of an emulator at this address.
pub(crate) fn store_at(url: &str, container: &str) -> Store {
    // Another test may have been first: it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let location = Location::parse(LocationSettings {
        state: IN_AZURITE,
        container: Some(container),
        emulator_url: Some(url),
        blob_suffix: BLOB_SUFFIX_PUBLIC,
    });
    let client = || reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let http = Arc::new(move || client().build().map_err(|error| error.to_string()));
    Store::open(&location.unwrap(), Transport { http, tokens: None }).unwrap()
}

/// The settings with which a command finds it.
pub(crate) fn settings<'a>(url: &'a str, container: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("STOP_GUARD_STATE", IN_AZURITE),
        ("STOP_GUARD_STATE_CONTAINER", container),
        ("AZURITE_BLOB_STORAGE_URL", url),
    ]
}
