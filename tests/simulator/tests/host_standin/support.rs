//! A handler that writes down what it gets, a caller that says exactly what it is told, and an app on disk.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::host::{Host, HostConfig, Keys};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The recordings whose name begins with `prefix`, in order of their names.
pub(crate) fn recordings(prefix: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(prefix) && name.ends_with(".json"))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), recording(&name))).collect()
}

pub(crate) fn recording(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// One HTTP message: a request at the handler, or the host's answer to a caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    /// Request line or status line, split at spaces.
    pub(crate) start: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) chunk_sizes: Vec<usize>,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        &self.start[1]
    }

    pub(crate) fn status(&self) -> u16 {
        self.start[1].parse().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Message> {
        let start = line(stream).await?.split(' ').map(str::to_owned).collect();
        let mut message = Message { start, ..Message::default() };
        loop {
            let header = line(stream).await?;
            match header.split_once(": ") {
                Some((name, value)) => message.headers.push((name.to_owned(), value.to_owned())),
                None => break,
            }
        }
        if message.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&line(stream).await?, 16).ok()?;
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk).await.ok()?;
                if size == 0 {
                    break;
                }
                message.chunk_sizes.push(size);
                message.body.extend(&chunk[..size]);
            }
        } else if let Some(length) = message.header("content-length").map(|value| value.parse().unwrap()) {
            message.body = vec![0; length];
            stream.read_exact(&mut message.body).await.ok()?;
        }
        Some(message)
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    Some(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Sends a recorded request as it was and returns the answer; `None` when the connection is refused or breaks.
pub(crate) async fn send(url: &str, request: &Value) -> Option<Message> {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = BufReader::new(TcpStream::connect(address).await.ok()?);
    let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
    let body = request["body"].as_str();
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in request["headers"].as_object().unwrap() {
        text.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
    }
    if let Some(body) = body.filter(|_| request["headers"]["transfer-encoding"].is_null()) {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    stream.get_mut().write_all(text.as_bytes()).await.ok()?;
    Message::read(&mut stream).await
}

/// An Event Grid delivery of one event with this `data`, to the cardinality-one function.
pub(crate) fn delivery(data: Value) -> Value {
    let event = json!([{"id": "1", "subject": "s", "eventType": "t", "eventTime": "2026-09-14T18:04:29Z",
        "data": data, "dataVersion": "2", "metadataVersion": "1", "topic": "t"}]);
    json!({
        "method": "POST",
        "path": "/runtime/webhooks/eventgrid?functionName=StopActionHandler&code=system",
        "headers": {"content-type": "application/json; charset=utf-8", "aeg-event-type": "Notification"},
        "body": event.to_string(),
    })
}

/// Fixed keys, so that a recorded request can name them.
pub(crate) fn keys() -> Keys {
    Keys { master: "master".to_owned(), system: "system".to_owned(), function: "function".to_owned() }
}

/// Puts real keys where a recording has a placeholder.
pub(crate) fn fill(recorded: &Value) -> Value {
    let text = recorded.to_string();
    let text = text.replace("<system-key>", "system").replace("<function-key>", "function");
    serde_json::from_str(&text.replace("<master-key>", "master")).unwrap()
}

/// What a scripted handler does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A complete HTTP answer.
    Bytes(Vec<u8>),
    /// The same, later.
    After(Duration, Vec<u8>),
    /// Closes the connection.
    Close,
}

impl Reply {
    pub(crate) fn json(body: &str) -> Reply {
        Reply::scripted(
            &json!({"status": 200, "headers": [["Content-Type", "application/json"]], "body": body}),
        )
    }

    /// A recorded `handler_answer`. Without `headers` it means JSON.
    pub(crate) fn scripted(answer: &Value) -> Reply {
        if answer["action"] == "close" {
            return Reply::Close;
        }
        let status = answer["status"].as_u64().unwrap_or(200);
        let mut out = format!("HTTP/1.1 {status} X\r\n");
        match answer["headers"].as_array() {
            Some(headers) => {
                for header in headers {
                    let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
                    out.push_str(&format!("{name}: {value}\r\n"));
                }
            }
            None => out.push_str("Content-Type: application/json\r\n"),
        }
        let body = answer["body"].as_str().unwrap_or_default();
        if answer["chunked"] == true {
            let chunk =
                if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
            out.push_str(&format!("Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"));
        } else if answer["no_length"] == true {
            out.push_str(&format!("Connection: close\r\n\r\n{body}"));
        } else if matches!(status, 204 | 304) {
            out.push_str("\r\n");
        } else {
            out.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        }
        Reply::Bytes(out.into_bytes())
    }
}

/// A handler that listens, writes down every request but pings, and answers by script.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Message>>>,
}

impl Handler {
    pub(crate) async fn start(script: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> Handler {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handler = Handler { port: listener.local_addr().unwrap().port(), received: Arc::default() };
        let (received, script) = (Arc::clone(&handler.received), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (received, script) = (Arc::clone(&received), Arc::clone(&script));
                tokio::spawn(async move { serve(stream, &received, script.as_ref()).await });
            }
        });
        handler
    }

    /// The requests since the last call of this.
    pub(crate) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

async fn serve(
    stream: TcpStream,
    received: &Mutex<Vec<Message>>,
    script: &(dyn Fn(&Message) -> Reply + Send + Sync),
) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = Message::read(&mut stream).await {
        let mut reply = script(&request);
        if request.path() != "/" {
            received.lock().unwrap().push(request);
        }
        if let Reply::After(delay, bytes) = reply {
            tokio::time::sleep(delay).await;
            reply = Reply::Bytes(bytes);
        }
        match reply {
            Reply::Bytes(bytes) => {
                let ends = bytes.windows(17).any(|window| window == b"Connection: close");
                stream.get_mut().write_all(&bytes).await.unwrap();
                if ends {
                    return;
                }
            }
            Reply::After(..) | Reply::Close => return,
        }
    }
}

/// The app the recordings were made with.
pub(crate) fn recorded_app(folder: &Path) {
    let http = |route: Option<&str>, output: &str, methods: &[&str], level: &str| {
        let mut trigger = json!({"type": "httpTrigger", "name": "req", "direction": "in", "authLevel": level, "methods": methods});
        if let Some(route) = route {
            trigger["route"] = route.into();
        }
        json!([trigger, {"type": "http", "name": output, "direction": "out"}])
    };
    let events = |name: &str, cardinality: &str| json!([{"type": "eventGridTrigger", "name": name, "direction": "in", "cardinality": cardinality}]);
    let custom = json!({"description": {"defaultExecutablePath": "handler"}});
    write_app(
        folder,
        &json!({"version": "2.0", "customHandler": custom}),
        &[
            ("StopActionHandler", events("event", "one")),
            ("StopActionHandlerMany", events("events", "many")),
            ("Evaluate", http(None, "res", &["post"], "function")),
            ("EvaluateRoute", http(Some("stop/{name}"), "res", &["get", "post"], "anonymous")),
            ("EvaluateReturn", http(None, "$return", &["post"], "anonymous")),
        ],
    );
}

/// Writes `host.json` and the functions' bindings.
pub(crate) fn write_app(folder: &Path, host_json: &Value, functions: &[(&str, Value)]) {
    std::fs::write(folder.join("host.json"), host_json.to_string()).unwrap();
    for (name, bindings) in functions {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        let file = json!({ "bindings": bindings }).to_string();
        std::fs::write(folder.join(name).join("function.json"), file).unwrap();
    }
}

/// A host in front of a scripted handler, with the app of the recordings.
pub(crate) async fn host_before(
    handler: &Handler,
    change: impl FnOnce(&mut HostConfig),
) -> (Host, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    recorded_app(folder.path());
    let mut config = HostConfig::new(folder.path());
    config.handler = simulator::host::HandlerSource::Listening(handler.port);
    config.keys = keys();
    change(&mut config);
    let host = Host::start(config).await.unwrap();
    assert!(host.ready().await);
    (host, folder)
}
