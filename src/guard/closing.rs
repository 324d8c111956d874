//! The end of a case, finished by whoever meets it (rules 6, 18 and 19).

use crate::case::close::{conflict, reset};
use crate::case::{Closing, Episode, Record};
use crate::mutant::Mutant;
use crate::store::{Archived, CasePath, OpenMarker, StatePath};

use super::Guard;
use super::records::{GuardError, Loaded, Saved};

/// Paths tried for a case whose place in the archive is taken by something else.
const ARCHIVE_CONFLICTS_MAX: u32 = 9;

impl Guard {
    /// Puts the case into the archive, then takes it off the record. `None` if somebody else wrote the record meanwhile.
    pub(super) async fn archive_and_reset(
        &self,
        current: &Loaded<Record>,
        closing: &Closing,
    ) -> Result<Option<Loaded<Record>>, GuardError> {
        if let Some(row) = &closing.storm {
            self.tell_storm(&current.document, row).await?;
        }
        if !Mutant::ForgetGroup.is_on() {
            self.tell_groups(&current.document, &closing.groups).await?;
        }
        let mut record = current.document.clone();
        let marker = marker_of(&record);
        let path = CasePath::new(&marker, closing.closed_at);
        if self.0.store.archive(&path, closing.body.clone()).await? == Archived::Different {
            self.archive_beside(&path, &mut record, closing).await?;
        }
        reset(&mut record);
        if Mutant::ForgetOutbox.is_on() {
            record.outbox.clear();
        }
        let key = record.cluster.key();
        match self.save(&StatePath::cluster(&key), &mut record, current.etag.as_ref()).await? {
            Saved::Done(etag) => {
                let (cluster, outcome) = (&record.cluster, closing.outcome.as_str());
                tracing::info!(%cluster, case = %closing.id, outcome, "case closed");
                Ok(Some(Loaded { document: record, etag: Some(etag) }))
            }
            Saved::Lost => Ok(None),
        }
    }

    /// Other bytes are there: both are kept, and people are told.
    async fn archive_beside(
        &self,
        path: &CasePath,
        record: &mut Record,
        closing: &Closing,
    ) -> Result<(), GuardError> {
        for n in 1..=ARCHIVE_CONFLICTS_MAX {
            let beside = path.conflict(n);
            if self.0.store.archive(&beside, closing.body.clone()).await? != Archived::Different {
                tracing::error!(case = %closing.id, n, "the archive holds other bytes for this case: both are kept");
                conflict(record, closing, self.teller());
                return Ok(());
            }
        }
        tracing::error!(case = %closing.id, "the archive holds too many other bytes for this case");
        Ok(())
    }

    /// The marker of an ended case goes when nothing is left to tell.
    pub(super) async fn forget_if_over(&self, record: &Record) -> Result<(), GuardError> {
        if record.episode == Episode::None && record.outbox.is_empty() && record.generation > 0 {
            self.0.store.delete(&StatePath::open_marker(&marker_of(record))).await?;
        }
        Ok(())
    }
}

/// The marker of the record's newest case.
pub(super) fn marker_of(record: &Record) -> OpenMarker {
    OpenMarker { key: record.cluster.key(), generation: record.generation }
}
