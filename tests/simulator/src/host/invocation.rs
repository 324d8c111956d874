//! One invocation: wait for the handler, post, read the answer, mind the time.

use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::answer::{Answer, Outcome, interpret};
use super::json::Value;
use super::trace::TraceContext;
use super::worker::Phase;
use super::{log, wire};

/// After `functionTimeout` the host waits this long before it kills the handler; here at most half of `functionTimeout`,
/// which makes no difference for limits of 4 s and more.
const TIMEOUT_GRACE: Duration = Duration::from_secs(2);
/// Invocations wait for a handler that is not ready for (3 errors + 1) times `initializationTimeout`.
const INITIALIZATIONS_WAITED_FOR: u32 = 4;

/// A call of a function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) function: String,
    /// What the log gives as the reason.
    pub(crate) reason: &'static str,
    pub(crate) body: Value,
    pub(crate) trace: TraceContext,
}

/// Why a call failed; the text is what the host's webhook answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The handler failed, died or answered nonsense.
    #[error("Exception while executing function: Functions.{0}")]
    Failed(String),
    /// `functionTimeout` passed.
    #[error("Timeout value of {limit} was exceeded by function: Functions.{function}")]
    TimedOut {
        /// The function.
        function: String,
        /// The limit as `hh:mm:ss`.
        limit: String,
    },
}

impl Shared {
    /// Runs a call to its end. The caller going away does not stop it: run it in a task of its own.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, CallError> {
        let id = wire::invocation_id();
        let name = call.function.clone();
        let category = format!("Function.{name}");
        let started = Instant::now();
        let begin = format!("Executing 'Functions.{name}' (Reason='{}', Id={id})", call.reason);
        self.log.info(&category, begin);
        let result = self.run_in_time(&call, &id).await;
        let took = started.elapsed().as_millis();
        match &result {
            Ok(answer) => {
                for line in &answer.logs {
                    self.log.info(&format!("{category}.User"), line.clone());
                }
                let end = format!("Executed 'Functions.{name}' (Succeeded, Id={id}, Duration={took}ms)");
                self.log.info(&category, end);
            }
            Err((_, detail)) => {
                let end =
                    format!("Executed 'Functions.{name}' (Failed, Id={id}, Duration={took}ms)\n{detail}");
                self.log.fail(&category, end);
            }
        }
        result.map_err(|(error, _)| error)
    }

    async fn run_in_time(&self, call: &Call, id: &str) -> Result<Answer, (CallError, String)> {
        let limit = self.timings.function;
        if let Ok(result) = tokio::time::timeout(limit, self.run(call, id)).await {
            return result.map_err(|detail| (CallError::Failed(call.function.clone()), detail));
        }
        let error = CallError::TimedOut { function: call.function.clone(), limit: clock(limit) };
        let (name, shown) = (&call.function, clock(limit));
        let message = format!(
            "Timeout value of {shown} exceeded by function 'Functions.{name}' (Id: '{id}'). Initiating cancellation."
        );
        self.log.fail(&format!("Function.{name}"), message);
        tokio::time::sleep(TIMEOUT_GRACE.min(limit / 2)).await;
        let warning = format!(
            "A function timeout has occurred. Restarting worker process executing invocationId '{id}'."
        );
        self.log.warn(log::GENERAL, warning);
        // One stuck call takes all others with it: there is only one process.
        self.worker.restart().await;
        let detail = error.to_string();
        Err((error, detail))
    }

    async fn run(&self, call: &Call, id: &str) -> Result<Answer, String> {
        self.wait_for_worker().await?;
        let trace = self.telemetry.headers(&call.trace);
        let sent = self.worker.client.invoke(&call.function, id, &trace, &call.body.compact()).await;
        let response = sent.map_err(|error| error.to_string())?;
        match interpret(&response) {
            Outcome::Success(answer) => Ok(answer),
            Outcome::Failure(why) => Err(why),
            Outcome::Hang => std::future::pending().await,
        }
    }

    async fn wait_for_worker(&self) -> Result<(), String> {
        let patience = self.timings.initialization * INITIALIZATIONS_WAITED_FOR;
        match tokio::time::timeout(patience, self.worker.settled()).await {
            Ok(Phase::Ready) => Ok(()),
            Ok(Phase::NotReady | Phase::Stopped) => Err("the host is shutting down".to_owned()),
            Err(_) => {
                let message = "Final functionDispatcher state: WorkerProcessRestarting. \
                               Initialization timed out and host is shutting down";
                self.log.fail(log::GENERAL, message);
                self.stopping.send_replace(true);
                Err(message.to_owned())
            }
        }
    }
}

/// A limit as .NET prints it, `00:05:00`; fractions only when there are some.
fn clock(limit: Duration) -> String {
    let seconds = limit.as_secs();
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match limit.subsec_nanos() / 100 {
        0 => whole,
        ticks => format!("{whole}.{ticks:07}"),
    }
}
