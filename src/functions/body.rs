//! Reading a body within bounds of memory and time. The host sends chunks of 1,024 bytes at most; Core Tools sends a
//! `Content-Length`. Neither matters here: bytes are counted as they come.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes of a body. Event Grid delivers 1 MB at most (learn.microsoft.com, event-grid/quotas-limits); the host
/// sends it twice, in `Data` and `Metadata`, and escaping makes at most 3.5 bytes of one. So what is longer is no delivery.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What each invocation may hold without asking. An ordinary event is 6 KB in its envelope.
const SMALL_BODY_BYTES: usize = 64 * 1024;

/// How many bodies may be larger at the same time. Together with the small ones of all parallel invocations they
/// bound what bodies take: about 12 MiB. A batch of events is a few hundred kilobytes as a rule and is
/// read in milliseconds, so they need not be side by side.
const LARGE_BODIES_MAX: usize = 1;

/// How much of a body that is too long is read and thrown away, so that the sender gets to read the answer rather than
/// a reset connection. Beyond it the connection is closed. The host takes 100 MiB, and sends an event's data twice and escaped.
const DRAIN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Reads bodies, few large ones at a time.
#[derive(Debug)]
pub(super) struct Reader {
    large: Arc<Semaphore>,
}

/// A body, and the room that it takes as long as it lives.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It would be as long if it came again.
    #[error("the body is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// The connection broke or the chunks are malformed: it may come whole another time.
    #[error("the body broke off")]
    BrokenOff,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { large: Arc::new(Semaphore::new(LARGE_BODIES_MAX)) }
    }

    /// Reads the body to its end. Never holds more than [`BODY_BYTES_MAX`]; waits when too many large ones are read.
    pub(super) async fn read(&self, body: Body) -> Result<Received, Fault> {
        let mut stream = body.into_data_stream();
        let mut received = Received { bytes: Vec::new(), room: None };
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Fault::BrokenOff)?;
            let length = received.bytes.len() + chunk.len();
            if length > BODY_BYTES_MAX {
                drop(received);
                drain(stream, length).await;
                return Err(Fault::TooLong);
            }
            if length > SMALL_BODY_BYTES && received.room.is_none() {
                // The semaphore is never closed, so there is always a permit in the end.
                received.room = Arc::clone(&self.large).acquire_owned().await.ok();
            }
            received.bytes.extend_from_slice(&chunk);
        }
        Ok(received)
    }
}

async fn drain(mut stream: BodyDataStream, mut length: usize) {
    while length <= DRAIN_BYTES_MAX {
        match stream.next().await {
            Some(Ok(chunk)) => length += chunk.len(),
            Some(Err(_)) | None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{FutureExt, stream};

    use super::*;

    fn chunked(length: usize) -> Body {
        let chunks = (0..length.div_ceil(1_024))
            .map(move |n| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; (length - n * 1_024).min(1_024)])));
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_refused_one_byte_beyond() {
        let reader = Reader::new();
        assert_eq!(reader.read(chunked(BODY_BYTES_MAX)).await.unwrap().bytes.len(), BODY_BYTES_MAX);
        assert_eq!(reader.read(chunked(BODY_BYTES_MAX + 1)).await.unwrap_err(), Fault::TooLong);
    }

    #[tokio::test]
    async fn a_body_without_end_is_not_read_for_ever() {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1_024])));
        assert_eq!(Reader::new().read(Body::from_stream(endless)).await.unwrap_err(), Fault::TooLong);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_from_one_that_is_too_long() {
        let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("reset"))]);
        assert_eq!(Reader::new().read(Body::from_stream(broken)).await.unwrap_err(), Fault::BrokenOff);
    }

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_nobody() {
        let reader = Reader::new();
        let mut held = Vec::new();
        for _ in 0..LARGE_BODIES_MAX {
            held.push(reader.read(chunked(SMALL_BODY_BYTES + 1)).await.unwrap());
        }
        assert!(reader.read(chunked(SMALL_BODY_BYTES)).now_or_never().is_some());
        assert!(reader.read(chunked(SMALL_BODY_BYTES + 1)).now_or_never().is_none());
        held.pop();
        assert!(reader.read(chunked(SMALL_BODY_BYTES + 1)).now_or_never().is_some());
    }
}
