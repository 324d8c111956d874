//! `bare-requests`: reads lists of requests from its standard input, one list a line, sends each list's requests one after another over
//! one `reqwest` client, and writes what that took as a line. An event of the guard is measured against it: what the guard takes beyond
//! this is its own.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A request of a list.
#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// What a list took.
#[derive(Serialize)]
struct Took {
    /// From the first request until the last one was about to be sent.
    wall_us: f64,
    /// This process's CPU clock before the first request. Who gets the last one reads it again then.
    cpu_began_ns: u64,
    /// The answers' statuses, the last one's included.
    statuses: Vec<u16>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let _only_the_first_counts = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for line in std::io::stdin().lock().lines() {
        let requests: Vec<Request> = serde_json::from_str(&line?)?;
        let took = runtime.block_on(send(&client, requests))?;
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &took)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

async fn send(client: &reqwest::Client, requests: Vec<Request>) -> Result<Took, Box<dyn Error>> {
    let last = requests.len().saturating_sub(1);
    let mut took =
        Took { wall_us: 0.0, cpu_began_ns: u64::try_from(cpu().as_nanos())?, statuses: Vec::new() };
    let began = Instant::now();
    for (number, request) in requests.into_iter().enumerate() {
        let mut builder = client.request(request.method.parse()?, request.url);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let request = builder.body(request.body).build()?;
        if number == last {
            took.wall_us = began.elapsed().as_secs_f64() * 1e6;
        }
        let answer = client.execute(request).await?;
        took.statuses.push(answer.status().as_u16());
        answer.bytes().await?;
    }
    Ok(took)
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
