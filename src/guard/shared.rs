//! One answer for all who ask the same at the same time.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// A question that many ask at once. An answer is shared only by those who asked before it was *put*, so that nobody gets to hear
/// what was true before they asked: whoever comes while one is under way gets the answer of the next.
#[derive(Debug)]
pub(super) struct Shared<T> {
    /// How often it was put.
    put: AtomicU64,
    /// The last answer, and the how many-th it is.
    last: Mutex<Option<(u64, T)>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { put: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T: Clone> Shared<T> {
    /// The answer to a question that was put after this call.
    pub(super) async fn ask(&self, question: impl Future<Output = T>) -> T {
        let before = self.put.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number > before
        {
            return answer.clone();
        }
        let number = self.put.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = question.await;
        *last = Some((number, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use futures::FutureExt as _;
    use futures::future::join_all;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_get_two_answers_at_most() {
        let shared = Arc::new(Shared::default());
        let asked = Arc::new(AtomicUsize::new(0));
        let question = |asked: Arc<AtomicUsize>| async move {
            tokio::task::yield_now().await;
            asked.fetch_add(1, Ordering::SeqCst)
        };
        join_all((0..100).map(|_| shared.ask(question(Arc::clone(&asked))))).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_comes_while_one_is_under_way_does_not_get_its_answer() {
        let shared = Shared::default();
        let (go, gone) = oneshot::channel();
        let mut first = Box::pin(shared.ask(async { gone.await.unwrap() }));
        assert!(first.as_mut().now_or_never().is_none(), "its question is put");
        let mut second = Box::pin(shared.ask(async { "second" }));
        assert!(second.as_mut().now_or_never().is_none());
        go.send("first").unwrap();
        assert_eq!(first.await, "first");
        assert_eq!(second.await, "second");
    }

    #[tokio::test]
    async fn a_question_that_is_dropped_keeps_nobody_waiting() {
        let shared = Shared::default();
        let mut dropped = Box::pin(shared.ask(std::future::pending::<u8>()));
        assert!(dropped.as_mut().now_or_never().is_none());
        let mut waiting = Box::pin(shared.ask(async { 2 }));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(dropped);
        assert_eq!(waiting.await, 2);
    }
}
