//! Counting what is under way, so that a stopping host can wait for it.

use tokio::sync::watch;

/// A count of running things.
#[derive(Debug)]
pub(crate) struct InFlight(watch::Sender<usize>);

/// One running thing; ends when dropped.
pub(crate) struct Running<'a>(&'a InFlight);

impl Default for InFlight {
    fn default() -> Self {
        InFlight(watch::Sender::new(0))
    }
}

impl InFlight {
    pub(crate) fn enter(&self) -> Running<'_> {
        self.0.send_modify(|count| *count += 1);
        Running(self)
    }

    pub(crate) async fn none(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
