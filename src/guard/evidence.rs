//! Keeps what a case rests on, word for word, beside the closed cases.

use futures::future::join_all;

use crate::case::{Piece, Record};
use crate::store::{Archived, ExhibitPath};

use super::Guard;
use super::closing::marker_of;

impl Guard {
    /// Stores what a record that is written names as evidence. Nothing waits for it that people or clusters need, and nothing fails by
    /// it: a piece that could not be stored is missing, and whoever looks at the case is told so.
    pub(super) async fn keep_evidence(&self, record: &Record, pieces: &[Piece]) {
        let case = marker_of(record);
        join_all(pieces.iter().map(|piece| async {
            let Some(path) = ExhibitPath::new(&case, &piece.exhibit.sha256) else { return };
            match self.0.store.keep_exhibit(&path, piece.text.bytes().to_vec()).await {
                Ok(Archived::New | Archived::Same) => {}
                Ok(Archived::Different) => {
                    tracing::error!(exhibit = %path, "other bytes are where evidence belongs")
                }
                Err(error) => {
                    tracing::warn!(exhibit = %path, %error, "a piece of evidence could not be kept")
                }
            }
        }))
        .await;
    }
}
