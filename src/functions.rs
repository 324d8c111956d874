//! The Azure Functions custom handler: the only code that knows the protocol of the Functions host.
//!
//! The host starts this process, asks `GET /` until it gets an answer, and then sends each invocation as a
//! `POST /<function>` on 127.0.0.1 (learn.microsoft.com, "Azure Functions custom handlers"; details were read from
//! Azure/azure-functions-host and checked on a running host 4.1037). Three of its habits shape this module:
//!
//! * **A 2xx without a JSON object hangs the invocation** until the function's time-out, whereupon the host kills the whole
//!   process. So all answers are made in one place, which can't make another kind.
//! * **Only 2xx or not counts.** Anything else is a failed invocation, its body is thrown away, and Event Grid delivers again.
//!   So what a redelivery can't mend is answered 200 and logged, and 5xx means "bring it again".
//! * **The host limits nothing**: neither how many invocations it sends at once nor how long it waits. The limits
//!   are here.

mod answer;
mod app;
mod body;
pub mod envelope;
mod invocation;
mod listener;
mod permission;
mod server;

pub use self::answer::{LOG_BYTES_MAX, LOGS_MAX};
pub use self::app::{App, PARALLEL_WORK_MAX};
pub use self::body::BODY_BYTES_MAX;
pub use self::invocation::{HttpOutput, Invocations, Outcome, Status};
pub use self::listener::{
    CONNECTION_IDLE_MAX, CONNECTIONS_MAX, Listener, Unbindable, bind, outlive_signals, serve, serve_router,
};
pub use self::permission::Announced;
pub use self::server::{
    INVOCATION_BUDGET, PARALLEL_EVALUATIONS_MAX, PARALLEL_INVOCATIONS_MAX, PARALLEL_SWEEPS_MAX, WORK_MAX,
};
