//! HTTP/1.1 to the handler, byte for byte as the host writes it.
//!
//! An HTTP client library would send a Content-Length, its own header order and lower-case names; the handler has to
//! cope with what the real host sends, so this is written by hand.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::chance;

/// The version the recorded host gave.
pub const HOST_VERSION: &str = "4.1037.0.0";
/// Units of UTF-16 in a chunk: the host's text writer flushes that many, so a chunk of plain ASCII is 1,024 bytes.
const CHUNK_UTF16_UNITS: usize = 1_024;
/// The host drops connections idle this long.
const IDLE_LIMIT: Duration = Duration::from_secs(72);
/// Longest header line, and most of them, that a handler may answer with.
const MAX_LINE_BYTES: u64 = 16 * 1_024;
const MAX_HEADERS: usize = 200;
/// Longest answer read. The host has no limit; the stand-in protects its own memory.
const MAX_BODY_BYTES: u64 = 64 * 1_024 * 1_024;
/// Redirects followed before the invocation fails.
const MAX_REDIRECTS: usize = 50;
/// Idle connections kept. The host limits them by their age only; the stand-in protects its own memory.
const MAX_IDLE: usize = 10_000;

/// Why an exchange with the handler failed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Nobody listens.
    #[error("cannot connect to the handler: {0}")]
    Connect(std::io::Error),
    /// The connection broke, or ended before the answer was complete.
    #[error("the connection to the handler broke: {0}")]
    Broken(#[from] std::io::Error),
    /// The answer is not HTTP, or longer than this stand-in reads.
    #[error("the handler's answer is not HTTP/1.1: {0}")]
    Malformed(&'static str),
}

/// An answer of the handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer encoding.
    pub body: Vec<u8>,
}

impl Response {
    /// A header's value by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A pool of connections to one handler. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    port: u16,
    idle: Arc<Mutex<Vec<Idle>>>,
}

/// A connection and since when nothing is asked on it.
type Idle = (BufReader<TcpStream>, Instant);

impl Client {
    /// A client for the handler on this loopback port.
    #[must_use]
    pub fn new(port: u16) -> Client {
        Client { port, idle: Arc::default() }
    }

    /// `GET /`, the readiness ping. Any answer, or a connection the handler closes, means that it listens.
    pub async fn ping(&self, trace: &[(&'static str, String)]) -> Result<(), WireError> {
        let mut head = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        push_headers(&mut head, trace);
        head.push_str("\r\n");
        match self.exchange(head.as_bytes(), "GET").await {
            Err(error @ WireError::Connect(_)) => Err(error),
            Ok(_) | Err(WireError::Broken(_) | WireError::Malformed(_)) => Ok(()),
        }
    }

    /// Posts an invocation and follows redirects.
    pub async fn invoke(
        &self,
        function: &str,
        invocation_id: &str,
        trace: &[(&'static str, String)],
        body: &str,
    ) -> Result<Response, WireError> {
        let mut path = format!("/{function}");
        let mut method = "POST";
        for _ in 0..MAX_REDIRECTS {
            let request = self.request(method, &path, invocation_id, trace, body);
            let response = self.exchange(request.as_bytes(), method).await?;
            match self.redirect(&response) {
                Some(target) => path = target,
                None => return Ok(response),
            }
            if matches!(response.status, 301..=303) {
                method = "GET";
            }
        }
        Err(WireError::Malformed("too many redirects"))
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        invocation_id: &str,
        trace: &[(&'static str, String)],
        body: &str,
    ) -> String {
        let mut out = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nX-Azure-Functions-HostVersion: {HOST_VERSION}\r\n\
             X-Azure-Functions-InvocationId: {invocation_id}\r\nUser-Agent: Azure-Functions-Host/{HOST_VERSION}\r\n",
            self.port
        );
        if method == "GET" {
            push_headers(&mut out, trace);
            out.push_str("\r\n");
            return out;
        }
        out.push_str("Transfer-Encoding: chunked\r\n");
        push_headers(&mut out, trace);
        out.push_str("Content-Type: application/json; charset=utf-8\r\n\r\n");
        for chunk in chunks(body) {
            out.push_str(&format!("{:X}\r\n{chunk}\r\n", chunk.len()));
        }
        out.push_str("0\r\n\r\n");
        out
    }

    /// Where to go on, for a redirect to this handler; one to anywhere else is left as the answer it is.
    fn redirect(&self, response: &Response) -> Option<String> {
        let location =
            response.header("location").filter(|_| matches!(response.status, 301..=303 | 307 | 308))?;
        let own = format!("http://127.0.0.1:{}", self.port);
        let path = location.strip_prefix(&own).unwrap_or(location);
        path.starts_with('/').then(|| path.to_owned())
    }

    async fn exchange(&self, request: &[u8], method: &str) -> Result<Response, WireError> {
        let mut connection = match self.pooled() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
                let stream = stream.map_err(WireError::Connect)?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        connection.get_mut().write_all(request).await?;
        let (response, reusable) = read_response(&mut connection, method).await?;
        if reusable && connection.buffer().is_empty() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                idle.push((connection, Instant::now()));
            }
        }
        Ok(response)
    }

    /// An idle connection that the handler has not closed, as far as can be seen before writing to it.
    fn pooled(&self) -> Option<BufReader<TcpStream>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_LIMIT);
        while let Some((connection, _)) = idle.pop() {
            let silent = connection.get_ref().try_read(&mut [0]);
            if silent.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
                return Some(connection);
            }
        }
        None
    }
}

/// A fresh invocation id.
#[must_use]
pub(crate) fn invocation_id() -> String {
    chance::guid()
}

fn push_headers(out: &mut String, headers: &[(&'static str, String)]) {
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// Cuts a text after every 1,024 units of UTF-16, never inside a character.
fn chunks(body: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let (mut start, mut units) = (0, 0);
    for (at, character) in body.char_indices() {
        let width = character.len_utf16();
        if units + width > CHUNK_UTF16_UNITS {
            chunks.extend(body.get(start..at));
            (start, units) = (at, 0);
        }
        units += width;
    }
    chunks.extend(body.get(start..).filter(|rest| !rest.is_empty()));
    chunks
}

async fn read_response(
    connection: &mut BufReader<TcpStream>,
    method: &str,
) -> Result<(Response, bool), WireError> {
    let (mut status, mut reason, mut headers) = read_head(connection).await?;
    while (100..200).contains(&status) {
        (status, reason, headers) = read_head(connection).await?;
    }
    let mut response = Response { status, reason, headers, body: Vec::new() };
    let has_body = method != "HEAD" && !matches!(status, 204 | 304);
    let mut reusable =
        !response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let chunked =
        response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    if !has_body {
        return Ok((response, reusable));
    }
    if chunked {
        response.body = read_chunks(connection).await?;
    } else if let Some(length) = response.header("content-length") {
        let length = length.trim().parse::<u64>().map_err(|_| WireError::Malformed("Content-Length"))?;
        response.body = read_exactly(connection, length).await?;
    } else {
        reusable = false;
        (&mut *connection).take(MAX_BODY_BYTES).read_to_end(&mut response.body).await?;
    }
    Ok((response, reusable))
}

async fn read_head(
    connection: &mut BufReader<TcpStream>,
) -> Result<(u16, String, Vec<(String, String)>), WireError> {
    let status_line = read_line(connection).await?;
    let rest = status_line.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' '));
    let (_, rest) = rest.ok_or(WireError::Malformed("status line"))?;
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = code.parse().map_err(|_| WireError::Malformed("status code"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(connection).await?;
        if line.is_empty() {
            return Ok((status, reason.to_owned(), headers));
        }
        let (name, value) = line.split_once(':').ok_or(WireError::Malformed("header"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
        if headers.len() > MAX_HEADERS {
            return Err(WireError::Malformed("too many headers"));
        }
    }
}

async fn read_line(connection: &mut BufReader<TcpStream>) -> Result<String, WireError> {
    let mut line = Vec::new();
    (&mut *connection).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Err(WireError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

async fn read_exactly(connection: &mut BufReader<TcpStream>, length: u64) -> Result<Vec<u8>, WireError> {
    if length > MAX_BODY_BYTES {
        return Err(WireError::Malformed("the body is too long"));
    }
    let mut body = Vec::new();
    let read = (&mut *connection).take(length).read_to_end(&mut body).await?;
    if u64::try_from(read).is_ok_and(|read| read == length) {
        Ok(body)
    } else {
        Err(WireError::Broken(std::io::ErrorKind::UnexpectedEof.into()))
    }
}

async fn read_chunks(connection: &mut BufReader<TcpStream>) -> Result<Vec<u8>, WireError> {
    let mut body = Vec::new();
    let mut left = MAX_BODY_BYTES;
    loop {
        let line = read_line(connection).await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| WireError::Malformed("chunk size"))?;
        if size == 0 {
            while !read_line(connection).await?.is_empty() {}
            return Ok(body);
        }
        left = left.checked_sub(size).ok_or(WireError::Malformed("the body is too long"))?;
        body.extend(read_exactly(connection, size).await?);
        if !read_line(connection).await?.is_empty() {
            return Err(WireError::Malformed("chunk end"));
        }
    }
}
