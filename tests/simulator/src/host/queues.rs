//! Queue triggers: a storage account's queues in memory, and the host's way of working them off (`QueueListener` and
//! `QueueProcessor` of the WebJobs extension for storage queues): a message that fails stays invisible for a while, and one that
//! failed too often is moved to `<queue>-poison`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::app::QueueOptions;
use super::envelope::{self, QueueMessage};
use super::invocation::Call;
use super::trace::TraceContext;
use super::{Shared, chance, log};

/// How long a message that is worked on belongs to the host. The host prolongs it while it works, which makes no
/// difference here: an invocation ends before.
const LEASE: Duration = Duration::from_secs(600);
/// How long a queue keeps a message that names no other time.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest that a listener rests without looking.
const REST_MAX: Duration = Duration::from_secs(60);

/// The queues of a storage account. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Queues(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    queues: Mutex<BTreeMap<String, VecDeque<Stored>>>,
    changed: Notify,
}

#[derive(Debug, Clone)]
struct Stored {
    id: String,
    text: String,
    dequeue_count: u64,
    pop_receipt: String,
    inserted: Timestamp,
    visible_at: Instant,
}

impl Queues {
    /// Puts a message at a queue's end, as it is: nothing is encoded.
    pub fn put(&self, queue: &str, text: impl Into<String>) {
        let stored = Stored {
            id: chance::guid(),
            text: text.into(),
            dequeue_count: 0,
            pop_receipt: String::new(),
            inserted: super::wall_clock(),
            visible_at: Instant::now(),
        };
        self.change(|queues| queues.entry(queue.to_owned()).or_default().push_back(stored));
        self.0.changed.notify_waiters();
    }

    /// The messages in a queue, those that are worked on or wait included: the text of each and how often it was handed out.
    #[must_use]
    pub fn messages(&self, queue: &str) -> Vec<(String, u64)> {
        self.change(|queues| {
            let stored = queues.get(queue).into_iter().flatten();
            stored.map(|message| (message.text.clone(), message.dequeue_count)).collect()
        })
    }

    /// Hands out up to so many visible messages.
    fn take(&self, queue: &str, count: usize, lease: Duration) -> Vec<Stored> {
        let now = Instant::now();
        self.change(|queues| {
            let visible = queues.entry(queue.to_owned()).or_default().iter_mut();
            let taken = visible.filter(|message| message.visible_at <= now).take(count).map(|message| {
                message.dequeue_count += 1;
                message.pop_receipt = chance::hex(24);
                message.visible_at = now + lease;
                message.clone()
            });
            taken.collect()
        })
    }

    /// When the next message of a queue becomes visible.
    fn next_visible(&self, queue: &str) -> Option<Instant> {
        self.change(|queues| queues.get(queue)?.iter().map(|message| message.visible_at).min())
    }

    /// Deletes a message, unless somebody else took it meanwhile.
    fn delete(&self, queue: &str, taken: &Stored) {
        self.change(|queues| {
            queues.entry(queue.to_owned()).or_default().retain(|message| !message.is(taken));
        });
    }

    /// Lets a message be handed out again after a while.
    fn release(&self, queue: &str, taken: &Stored, after: Duration) {
        self.change(|queues| {
            let mut stored = queues.entry(queue.to_owned()).or_default().iter_mut();
            if let Some(message) = stored.find(|message| message.is(taken)) {
                message.visible_at = Instant::now() + after;
            }
        });
        self.0.changed.notify_waiters();
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, VecDeque<Stored>>) -> T) -> T {
        change(&mut self.0.queues.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Stored {
    fn is(&self, taken: &Stored) -> bool {
        self.id == taken.id && self.pop_receipt == taken.pop_receipt
    }
}

/// Works off one queue until the host stops.
pub(crate) async fn listen(shared: Arc<Shared>, function: String, binding: String, queue: String) {
    let QueueOptions { batch_size, new_batch_threshold, .. } = shared.app.queues;
    let listener = Arc::new(Listener { shared: Arc::clone(&shared), function, binding, queue });
    let mut stopping = shared.stopping.subscribe();
    let mut running: JoinSet<()> = JoinSet::new();
    loop {
        // From before the look, so that a message that comes after it is not missed.
        let changed = shared.queues.0.changed.notified();
        if running.len() <= new_batch_threshold {
            let lease = shared.timer_clock.shortened(LEASE);
            for message in shared.queues.take(&listener.queue, batch_size, lease) {
                let listener = Arc::clone(&listener);
                running.spawn(async move { listener.process(message).await });
            }
        }
        let visible = shared.queues.next_visible(&listener.queue);
        let look = visible.unwrap_or_else(|| Instant::now() + REST_MAX);
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(look), if running.len() <= new_batch_threshold => {}
            Some(_) = running.join_next() => {}
            _ = stopping.wait_for(|stopping| *stopping) => break,
        }
    }
    while running.join_next().await.is_some() {}
}

struct Listener {
    shared: Arc<Shared>,
    function: String,
    binding: String,
    queue: String,
}

impl Listener {
    async fn process(&self, message: Stored) {
        let options = self.shared.app.queues;
        let text = if options.decodes_base64 { decoded(&message.text) } else { Some(message.text.clone()) };
        // What can't be decoded never becomes better; what was handed out too often ended its host each time.
        let Some(text) = text.filter(|_| message.dequeue_count <= options.max_dequeue_count) else {
            return self.poison(&message);
        };
        if self.invoke(&message, &text).await {
            self.shared.queues.delete(&self.queue, &message);
        } else if message.dequeue_count >= options.max_dequeue_count {
            self.poison(&message);
        } else {
            let after = self.shared.timer_clock.shortened(options.visibility_timeout);
            self.shared.queues.release(&self.queue, &message, after);
        }
    }

    async fn invoke(&self, message: &Stored, text: &str) -> bool {
        let now = super::wall_clock();
        let lease = SignedDuration::try_from(LEASE).unwrap_or_default();
        let told = QueueMessage {
            dequeue_count: message.dequeue_count,
            id: message.id.clone(),
            pop_receipt: message.pop_receipt.clone(),
            inserted: message.inserted,
            expires: message.inserted.saturating_add(KEPT).unwrap_or(message.inserted),
            next_visible: now.saturating_add(lease).unwrap_or(now),
        };
        let sys = envelope::sys(&self.function, now);
        let body = envelope::queue(&self.binding, text, &told, sys);
        let reason = "New queue message detected";
        let call = Call { function: self.function.clone(), reason, body, trace: TraceContext::default() };
        let _running = self.shared.background_calls.enter();
        self.shared.call(call).await.is_ok()
    }

    fn poison(&self, message: &Stored) {
        let poison = format!("{}-poison", self.queue);
        let max = self.shared.app.queues.max_dequeue_count;
        let warning =
            format!("Message has reached MaxDequeueCount of {max}. Moving message to queue '{poison}'.");
        self.shared.log.warn(log::QUEUES, warning);
        self.shared.queues.put(&poison, message.text.clone());
        self.shared.queues.delete(&self.queue, message);
    }
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()
}
