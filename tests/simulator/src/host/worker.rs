//! The handler's process: started, watched, restarted and killed as the host does it.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Timings;
use super::app::Command;
use super::child::{self, Leash};
use super::log::{self, Log};
use super::trace::{Telemetry, TraceContext};
use super::wire::Client;

/// Exit code by which a handler asks for a restart that is not counted as an error.
const RESTART_EXIT_CODE: i32 = 200;
/// Errors after which the host gives up.
const MAX_ERRORS: usize = 3;
/// Errors further apart than this are not added up.
const ERROR_MEMORY: Duration = Duration::from_secs(30 * 60);

/// Where the handler comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A process that the host starts.
    Process { command: Command, env: Vec<(String, String)> },
    /// Something that listens already, for tests of the wire. It cannot be killed.
    Listening,
    /// No handler: an app without functions, or one whose `host.json` describes none.
    Nothing,
}

/// What invocations need to know of the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Invocations wait: being started or restarted, or impossible to start.
    NotReady,
    /// Invocations are sent. Remains so after a handler that was ready exits with code 0: the host takes no notice.
    Ready,
    /// The host has given up or is gone.
    Stopped,
}

enum Order {
    Kill,
    Restart,
    Stop(oneshot::Sender<()>),
    Orphan(oneshot::Sender<()>),
}

/// The way to speak to the supervisor of the handler. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) client: Client,
    pub(crate) port: u16,
    phase: watch::Receiver<Phase>,
    orders: mpsc::Sender<Order>,
    starts: Arc<AtomicUsize>,
    pid: watch::Receiver<Option<u32>>,
}

/// Everything the supervisor needs.
pub(crate) struct Setting {
    pub(crate) source: Source,
    pub(crate) port: u16,
    pub(crate) timings: Timings,
    pub(crate) log: Log,
    pub(crate) telemetry: Telemetry,
    /// Set when the host gives up.
    pub(crate) stopping: watch::Sender<bool>,
}

impl Worker {
    /// Starts the supervisor.
    pub(crate) fn supervise(setting: Setting) -> Worker {
        let (phase_sender, phase) = watch::channel(Phase::NotReady);
        let (pid_sender, pid) = watch::channel(None);
        let (orders, received) = mpsc::channel(16);
        let client = Client::new(setting.port);
        let worker = Worker { client, port: setting.port, phase, orders, starts: Arc::default(), pid };
        let supervisor = Supervisor {
            client: worker.client.clone(),
            setting,
            phase: phase_sender,
            pid: pid_sender,
            orders: received,
            starts: Arc::clone(&worker.starts),
        };
        tokio::spawn(supervisor.run());
        worker
    }

    /// Waits until invocations may be sent; `Stopped` when they never will be.
    pub(crate) async fn settled(&self) -> Phase {
        let mut phase = self.phase.clone();
        let settled = phase.wait_for(|phase| *phase != Phase::NotReady).await;
        settled.map_or(Phase::Stopped, |phase| *phase)
    }

    /// How many processes were started so far.
    pub(crate) fn starts(&self) -> usize {
        self.starts.load(Ordering::Relaxed)
    }

    /// The process that runs now.
    pub(crate) fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    /// Kills the process as a crash would; counted as an error.
    pub(crate) async fn kill(&self) {
        // A supervisor that is gone has no process left.
        let _ = self.orders.send(Order::Kill).await;
    }

    /// Kills the process and starts another, not counted.
    pub(crate) async fn restart(&self) {
        let _ = self.orders.send(Order::Restart).await;
    }

    /// Kills the process for good.
    pub(crate) async fn stop(&self) {
        self.finish(Order::Stop).await;
    }

    /// Leaves the process alone, with broken pipes.
    pub(crate) async fn orphan(&self) {
        self.finish(Order::Orphan).await;
    }

    /// Kills the process for good without waiting; does nothing once the supervisor has ended.
    pub(crate) fn abandon(&self) {
        let _ = self.orders.try_send(Order::Stop(oneshot::channel().0));
    }

    async fn finish(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, finished) = oneshot::channel();
        if self.orders.send(order(done)).await.is_ok() {
            // An error means that the supervisor is gone, which is what was wanted.
            let _ = finished.await;
        }
    }
}

/// How the life of one process ended.
enum End {
    /// Not counted.
    Restart,
    /// Counted.
    Error(String),
    /// The host ends.
    Finished,
}

struct Supervisor {
    client: Client,
    setting: Setting,
    phase: watch::Sender<Phase>,
    pid: watch::Sender<Option<u32>>,
    orders: mpsc::Receiver<Order>,
    starts: Arc<AtomicUsize>,
}

impl Supervisor {
    async fn run(mut self) {
        let mut errors: Vec<Instant> = Vec::new();
        loop {
            let end = match self.setting.source.clone() {
                Source::Process { command, env } => self.one_process(&command, &env).await,
                Source::Listening => self.listener().await,
                Source::Nothing => self.unstartable().await,
            };
            self.pid.send_replace(None);
            match end {
                End::Finished => break,
                End::Restart => {}
                End::Error(message) => {
                    self.setting.log.fail(log::DISPATCHER, message);
                    if add_error(&mut errors, Instant::now()) >= MAX_ERRORS {
                        let message =
                            "Exceeded http worker restart retry count. Shutting down Functions Host";
                        self.setting.log.fail(log::DISPATCHER, message);
                        break;
                    }
                }
            }
            self.phase.send_replace(Phase::NotReady);
        }
        self.phase.send_replace(Phase::Stopped);
        self.setting.stopping.send_replace(true);
    }

    async fn one_process(&mut self, command: &Command, env: &[(String, String)]) -> End {
        let mut child = match child::spawn(command, env, self.setting.port) {
            Ok(child) => child,
            Err(error) => {
                let program = command.program.display();
                let message = format!("Failed to start Worker Channel. Process fileName: {program}\n{error}");
                self.setting.log.fail(log::GENERAL, message);
                return self.unstartable().await;
            }
        };
        self.starts.fetch_add(1, Ordering::Relaxed);
        self.pid.send_replace(child.id());
        let mut leash = Leash::on(&child);
        let mut console = child::read_console(&mut child, &self.setting.log, command.stderr_is_errors_only);
        let end = self.watch(&mut child, &mut leash, &mut console).await;
        if leash.holds() {
            // SIGKILL, and the process waited for.
            let _ = child.kill().await;
            leash.release();
        }
        end
    }

    /// No error event is raised for a process that cannot be started, so nothing is retried: invocations wait.
    async fn unstartable(&mut self) -> End {
        loop {
            match self.orders.recv().await {
                Some(Order::Kill | Order::Restart) => {}
                Some(Order::Stop(done) | Order::Orphan(done)) => {
                    let _ = done.send(());
                    return End::Finished;
                }
                None => return End::Finished,
            }
        }
    }

    async fn listener(&mut self) -> End {
        let ready = Box::pin(probe(self.client.clone(), &self.setting));
        if !ready.await {
            return End::Error("Initializing HttpWorker timed out".to_owned());
        }
        self.ready();
        match self.orders.recv().await {
            Some(Order::Kill | Order::Restart) => End::Restart,
            Some(Order::Stop(done) | Order::Orphan(done)) => {
                let _ = done.send(());
                End::Finished
            }
            None => End::Finished,
        }
    }

    async fn watch(&mut self, child: &mut Child, leash: &mut Leash, console: &mut JoinSet<()>) -> End {
        let mut probing = Box::pin(probe(self.client.clone(), &self.setting));
        let (mut is_ready, mut exited) = (false, false);
        loop {
            tokio::select! {
                answered = &mut probing, if !is_ready => {
                    if !answered {
                        return End::Error("Initializing HttpWorker timed out".to_owned());
                    }
                    is_ready = true;
                    self.ready();
                }
                status = child.wait(), if !exited => {
                    leash.release();
                    self.pid.send_replace(None);
                    match exit_outcome(status) {
                        Some(end) => return end,
                        None => exited = true,
                    }
                }
                order = self.orders.recv() => match order {
                    Some(Order::Kill) => drop(child.start_kill()),
                    Some(Order::Restart) => return End::Restart,
                    Some(Order::Stop(done)) => {
                        if !exited {
                            let _ = child.kill().await;
                        }
                        leash.release();
                        let _ = done.send(());
                        return End::Finished;
                    }
                    Some(Order::Orphan(done)) => {
                        leash.release();
                        console.shutdown().await;
                        let _ = done.send(());
                        return End::Finished;
                    }
                    None => return End::Finished,
                },
            }
        }
    }

    fn ready(&self) {
        self.phase.send_replace(Phase::Ready);
        self.setting.log.info(log::DISPATCHER, "Worker process started and initialized.");
    }
}

/// `GET /` until anything answers; `false` when that takes too long. The limit is looked at between two polls only.
fn probe(client: Client, setting: &Setting) -> impl Future<Output = bool> + use<> {
    let (timings, telemetry) = (setting.timings, setting.telemetry);
    async move {
        let started = Instant::now();
        while client.ping(&telemetry.headers(&TraceContext::default())).await.is_err() {
            if started.elapsed() > timings.initialization {
                return false;
            }
            tokio::time::sleep(timings.ping_interval).await;
        }
        true
    }
}

/// Nothing for exit code 0: the host does not react to it.
fn exit_outcome(status: std::io::Result<ExitStatus>) -> Option<End> {
    match status.as_ref().map(ExitStatus::code) {
        Ok(Some(0)) => None,
        Ok(Some(RESTART_EXIT_CODE)) => Some(End::Restart),
        Ok(Some(code)) => Some(End::Error(format!("Language Worker Process exited with code {code}."))),
        Ok(None) => Some(End::Error("Language Worker Process was ended by a signal.".to_owned())),
        Err(error) => Some(End::Error(format!("Language Worker Process cannot be waited for: {error}"))),
    }
}

/// Counts an error together with those before it, unless the last one is long ago.
fn add_error(errors: &mut Vec<Instant>, now: Instant) -> usize {
    if errors.last().is_some_and(|last| now.duration_since(*last) > ERROR_MEMORY) {
        errors.clear();
    }
    errors.push(now);
    errors.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn errors_far_apart_are_not_added_up() {
        let start = Instant::now();
        let mut errors = Vec::new();
        assert_eq!(add_error(&mut errors, start), 1);
        assert_eq!(add_error(&mut errors, start + Duration::from_secs(29 * 60)), 2);
        assert_eq!(add_error(&mut errors, start + Duration::from_secs(60 * 60)), 1);
    }
}
