//! A process under measurement, and what the kernel says of it.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use serde::Serialize;

/// Pause between two tries to connect: small beside the milliseconds that a start takes.
const CONNECT_PAUSE: Duration = Duration::from_micros(50);

/// A process that does not answer within this is broken.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Most of the answer to `GET /` that is read, in bytes: its first line.
const STATUS_BYTES_MAX: u64 = 1024;

/// The child. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// From just before the spawn to the first byte of the first answer to `GET /`.
    pub(crate) start: Duration,
}

/// What a process holds, KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// All that is resident, the pages of the program's file included.
    pub(crate) rss_kib: u64,
    /// Of that, what belongs to this process alone: heap and stacks.
    pub(crate) anonymous_kib: u64,
}

impl Memory {
    /// All that is resident, MiB.
    pub(crate) fn rss_mib(self) -> f64 {
        mib(self.rss_kib)
    }

    /// What belongs to the process alone, MiB.
    pub(crate) fn anonymous_mib(self) -> f64 {
        mib(self.anonymous_kib)
    }
}

impl Process {
    /// Starts it and waits until it has answered `GET /` on this port.
    pub(crate) fn start(mut command: Command, port: u16) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        // Owned from here on, so that it is killed if it doesn't answer.
        let mut process = Self { child, start: Duration::ZERO };
        process.first_answer(port, began).with_context(|| format!("{:?}", command.get_program()))?;
        process.start = began.elapsed();
        Ok(process)
    }

    /// Starts it and waits for the first line that it prints.
    pub(crate) fn speaking(mut command: Command) -> Result<(Self, String)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut process = Self { child, start: Duration::ZERO };
        let mut said = String::new();
        let out = process.child.stdout.take().context("its output is piped")?;
        BufReader::new(out).read_line(&mut said)?;
        process.start = began.elapsed();
        Ok((process, said.trim_end().to_owned()))
    }

    fn first_answer(&mut self, port: u16, began: Instant) -> Result<()> {
        let mut stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(stream) => break stream,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error).context("cannot connect"),
            }
            ensure!(began.elapsed() < START_TIMEOUT, "it did not listen within {START_TIMEOUT:?}");
            std::thread::sleep(CONNECT_PAUSE);
        };
        stream.set_read_timeout(Some(START_TIMEOUT))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        // A line, since one `read` with a timeout fails (EINTR) where the machine is stopped and goes on.
        let mut status = String::new();
        BufReader::new(stream.take(STATUS_BYTES_MAX)).read_line(&mut status)?;
        ensure!(status.starts_with("HTTP/1.1 200 "), "its first answer was not a 200");
        Ok(())
    }

    /// CPU time of all its threads so far, those that have ended included.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.id())
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most that was ever resident, MiB.
    pub(crate) fn peak_rss_mib(&self) -> Result<f64> {
        let kib = peak_kib_of(self.child.id()).context("/proc/<pid>/status lacks VmHWM")?;
        Ok(mib(kib))
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |name| kib_of(&status, name).with_context(|| format!("/proc/<pid>/status lacks {name}"));
        Ok(Memory { rss_kib: kib("VmRSS:")?, anonymous_kib: kib("RssAnon:")? })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most that was ever resident of a process, KiB. `None` if it is over.
pub(crate) fn peak_kib_of(process: u32) -> Option<u64> {
    kib_of(&std::fs::read_to_string(format!("/proc/{process}/status")).ok()?, "VmHWM:")
}

/// CPU time of this process so far.
pub(crate) fn own_cpu() -> Result<Duration> {
    cpu_of(std::process::id())
}

/// CPU time of all threads of a process so far, by the clock that the kernel keeps for it: to the nanosecond, but that a thread which is
/// running right now may lack some microseconds.
pub(crate) fn cpu_of(process: u32) -> Result<Duration> {
    let id = Pid::from_raw(i32::try_from(process)?);
    let clock = clock_getcpuclockid(id).context("the process has no CPU clock")?;
    Ok(Duration::from(clock.now()?))
}

/// KiB in MiB.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn kib_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use simulator::ports::free_port;

    use super::*;

    #[test]
    fn memory_is_read_by_its_whole_name() {
        let status = "VmRSS:\t    5120 kB\nRssAnon:\t     640 kB\n";
        assert_eq!(kib_of(status, "VmRSS:"), Some(5120));
        assert_eq!(kib_of(status, "RssAnon:"), Some(640));
        assert_eq!(kib_of(status, "VmHWM:"), None);
    }

    #[test]
    fn a_process_is_measured_from_its_spawn_to_its_answer() {
        let port = free_port().unwrap();
        let mut command = Command::new("python3");
        let server = "import http.server,sys;h=http.server.BaseHTTPRequestHandler;h.protocol_version='HTTP/1.1';\
             h.do_GET=lambda s:(s.send_response(200),s.send_header('content-length','0'),s.end_headers());\
             http.server.HTTPServer(('127.0.0.1',int(sys.argv[1])),h).serve_forever()";
        command.arg("-c").arg(server).arg(port.to_string());
        let process = Process::start(command, port).unwrap();
        assert!(process.start > Duration::ZERO);
        assert!(process.memory().unwrap().rss_kib > process.memory().unwrap().anonymous_kib);
        assert!(process.cpu().unwrap() > Duration::ZERO);
    }
}
