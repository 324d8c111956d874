//! The container into which Event Grid puts events that it could not deliver. Others than Event Grid may be able to write there, so
//! what lies in it is nobody's word.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use super::account::{Account, Transport};
use super::fault::StoreError;
use super::location::BlobLocation;
use super::{Container, LIST_ENTRIES_MAX, Listing, StatePath, Stored};

/// The dead letters of Event Grid. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters(Arc<Letters>);

struct Letters {
    container: Container,
    /// None in memory.
    account: Option<Account>,
}

impl DeadLetters {
    /// Opens the container. Does no I/O and builds no HTTP client: that is the first request's business.
    ///
    /// # Errors
    /// Requests to it can't be signed.
    pub fn open(location: &BlobLocation, transport: Transport) -> Result<Self, StoreError> {
        let name = location.container.as_str().to_owned();
        let (account, http) = Account::new(location.clone(), transport)?;
        let container = Container::new(name.clone(), Arc::new(account.container(&name, &http)?));
        Ok(Self(Arc::new(Letters { container, account: Some(account) })))
    }

    /// Dead letters in an object store.
    pub fn over(objects: Arc<dyn ObjectStore>) -> Self {
        let container = Container::new("dead-letter".to_owned(), objects);
        Self(Arc::new(Letters { container, account: None }))
    }

    /// Lists up to `limit` of them, in the order of their names, which Event Grid makes of the topic, the subscription and the hour.
    ///
    /// # Errors
    /// The container can't be listed.
    pub async fn list(&self, limit: usize) -> Result<Listing, StoreError> {
        self.0.container.list(&Path::default(), limit.min(LIST_ENTRIES_MAX)).await
    }

    /// Reads one; `None` if it is gone.
    ///
    /// # Errors
    /// It can't be read, or is longer than [`super::RECORD_BYTES_MAX`].
    pub async fn read(&self, letter: &StatePath) -> Result<Option<Stored>, StoreError> {
        self.0.container.read(letter.as_path()).await
    }

    /// Deletes one; that it is gone already is fine. Event Grid names each anew, so none comes back under the same name.
    ///
    /// # Errors
    /// It can't be deleted.
    pub async fn delete(&self, letter: &StatePath) -> Result<(), StoreError> {
        self.0.container.delete_from(self.0.account.as_ref(), letter.as_path()).await
    }
}
