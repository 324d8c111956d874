//! The function app on disk: `host.json` and one `function.json` a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::cron::Schedule;

/// Functions read at most, so that a wrong folder does not become an endless scan.
const MAX_FUNCTIONS: usize = 200;
/// `initializationTimeout` when `host.json` names none.
const DEFAULT_INITIALIZATION_TIMEOUT: Duration = Duration::from_secs(30);
/// `functionTimeout` when `host.json` names none: the default of all plans but Consumption.
const DEFAULT_FUNCTION_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Why an app cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not JSON.
    #[error("`{path}` is not JSON: {source}")]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: serde_json::Error,
    },
}

/// A function app.
#[derive(Debug, Clone)]
pub struct App {
    /// The folder of `host.json`.
    pub root: PathBuf,
    /// What to start.
    pub handler: Handler,
    /// By name, which is the folder's name.
    pub functions: BTreeMap<String, Function>,
    /// Folders whose `function.json` the host refuses, with the reason. The others work on.
    pub refused: Vec<(String, String)>,
    /// How long the handler may take until it answers `GET /`.
    pub initialization_timeout: Duration,
    /// How long an invocation may take.
    pub function_timeout: Duration,
    /// First segment of HTTP triggers' routes, `api` by default.
    pub route_prefix: String,
    /// `extensions.queues`.
    pub queues: QueueOptions,
}

/// How the host treats queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueOptions {
    /// Whether messages are base64, which is the default, and are decoded before the handler sees them.
    pub decodes_base64: bool,
    /// Messages taken at once.
    pub batch_size: usize,
    /// More are taken as soon as no more than these are worked on.
    pub new_batch_threshold: usize,
    /// How long a message that failed stays invisible.
    pub visibility_timeout: Duration,
    /// A message that failed so often becomes poison.
    pub max_dequeue_count: u64,
}

/// `customHandler.description`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// A command the host can try to start.
    Command(Command),
    /// The host stays in an error state and answers 503.
    Faulty(String),
}

/// The command line of the handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Path or name on `PATH`.
    pub program: PathBuf,
    /// Arguments, already split.
    pub arguments: Vec<String>,
    /// The folder of `host.json`.
    pub app_root: PathBuf,
    /// Where it starts.
    pub working_directory: PathBuf,
    /// `useStdErrorStreamForErrorsOnly`.
    pub stderr_is_errors_only: bool,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name of the trigger's binding, the key in `Data`.
    pub binding: String,
    /// What starts it.
    pub trigger: Trigger,
    /// Name of its `http` output binding, if any.
    pub http_output: Option<String>,
    /// `AzureWebJobs.<name>.Disabled` is `true`: webhooks and routes answer 404, a manual run still works.
    pub disabled: bool,
}

/// What starts a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// `eventGridTrigger`.
    EventGrid(Cardinality),
    /// `queueTrigger`: the name of the queue.
    Queue(String),
    /// `timerTrigger`.
    Timer(Timer),
    /// `httpTrigger`.
    Http(Route),
}

/// How many events one invocation gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// One: a delivery of several is several invocations.
    One,
    /// All of a delivery.
    Many,
}

/// A timer's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// When it fires.
    pub schedule: Schedule,
    /// `useMonitor`, true by default.
    pub monitored: bool,
    /// `runOnStartup`.
    pub on_startup: bool,
}

/// An HTTP trigger's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Upper case; empty means any.
    pub methods: Vec<String>,
    /// Segments after the prefix.
    pub segments: Vec<Segment>,
    /// Which key is asked for.
    pub level: AuthLevel,
}

/// A segment of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Compared without case.
    Literal(String),
    /// `{name}`.
    Parameter(String),
}

/// `authLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthLevel {
    /// No key.
    Anonymous,
    /// A function key or the master key. The default.
    Function,
    /// The master key.
    Admin,
}

impl App {
    /// Reads the app in `root`. `settings` are the app settings (environment) that `%NAME%` and `…Disabled` refer to.
    pub fn read(root: &Path, settings: &BTreeMap<String, String>) -> Result<App, AppError> {
        let host = read_json(&root.join("host.json"))?;
        let custom = host.get("customHandler").unwrap_or(&Value::Null);
        let mut app = App {
            root: root.to_owned(),
            handler: handler(root, custom, settings),
            functions: BTreeMap::new(),
            refused: Vec::new(),
            initialization_timeout: span(custom.get("initializationTimeout"))
                .unwrap_or(DEFAULT_INITIALIZATION_TIMEOUT),
            function_timeout: span(host.get("functionTimeout")).unwrap_or(DEFAULT_FUNCTION_TIMEOUT),
            route_prefix: text(host.pointer("/extensions/http/routePrefix")).unwrap_or("api").to_owned(),
            queues: queues(host.pointer("/extensions/queues").unwrap_or(&Value::Null)),
        };
        for (name, path) in function_files(root)? {
            match function(&name, &read_json(&path)?, settings) {
                Ok(function) => drop(app.functions.insert(name, function)),
                Err(reason) => app.refused.push((name, reason)),
            }
        }
        Ok(app)
    }
}

fn function_files(root: &Path) -> Result<Vec<(String, PathBuf)>, AppError> {
    let unreadable = |source| AppError::Unreadable { path: root.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root).map_err(unreadable)?.take(MAX_FUNCTIONS * 10) {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().join("function.json");
        if let Some(name) = entry.file_name().to_str().filter(|_| path.is_file()) {
            files.push((name.to_owned(), path));
        }
    }
    files.sort();
    files.truncate(MAX_FUNCTIONS);
    Ok(files)
}

fn read_json(path: &Path) -> Result<Value, AppError> {
    let bytes =
        std::fs::read(path).map_err(|source| AppError::Unreadable { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| AppError::NotJson { path: path.to_owned(), source })
}

fn handler(root: &Path, custom: &Value, settings: &BTreeMap<String, String>) -> Handler {
    let Some(description) = custom.get("description") else {
        return Handler::Faulty("host.json has no `customHandler.description`".to_owned());
    };
    let part = |name: &str| expand(text(description.get(name)).unwrap_or_default(), settings);
    let executable = part("defaultExecutablePath");
    if executable.is_empty() {
        return Handler::Faulty("`defaultExecutablePath` is empty".to_owned());
    }
    let in_worker_directory = root.join(part("workerDirectory")).join(&executable);
    // The host adds no arguments, joins these with spaces unquoted, and the system splits them again: one that
    // holds a space arrives as two. Only the worker path is quoted.
    let list = |name: &str| -> Vec<String> {
        let values = description.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let joined: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        expand(&joined.join(" "), settings).split_whitespace().map(str::to_owned).collect()
    };
    let worker_path = Some(part("defaultWorkerPath")).filter(|path| !path.is_empty());
    Handler::Command(Command {
        program: if in_worker_directory.is_file() { in_worker_directory } else { executable.into() },
        arguments: list("arguments").into_iter().chain(worker_path).chain(list("workerArguments")).collect(),
        app_root: root.to_owned(),
        working_directory: Some(part("workingDirectory"))
            .filter(|folder| !folder.is_empty())
            .map_or_else(|| root.to_owned(), |folder| root.join(folder)),
        stderr_is_errors_only: description
            .get("useStdErrorStreamForErrorsOnly")
            .and_then(Value::as_bool)
            .unwrap_or(true),
    })
}

fn function(name: &str, file: &Value, settings: &BTreeMap<String, String>) -> Result<Function, String> {
    let bindings = file.get("bindings").and_then(Value::as_array).ok_or("no `bindings`")?;
    let kind = |binding: &Value| text(binding.get("type")).unwrap_or_default().to_ascii_lowercase();
    let mut triggers = bindings.iter().filter(|binding| kind(binding).ends_with("trigger"));
    let (Some(binding), None) = (triggers.next(), triggers.next()) else {
        return Err("not exactly one trigger".to_owned());
    };
    let trigger = match kind(binding).as_str() {
        "eventgridtrigger" => Trigger::EventGrid(cardinality(binding)?),
        "queuetrigger" => Trigger::Queue(queue(name, binding, settings)?),
        "timertrigger" => Trigger::Timer(timer(binding, settings)?),
        "httptrigger" => Trigger::Http(route(name, binding)?),
        other => return Err(format!("this stand-in knows no `{other}`")),
    };
    let output = bindings.iter().find(|binding| kind(binding) == "http");
    let disabled = settings.get(&format!("AzureWebJobs.{name}.Disabled"));
    Ok(Function {
        binding: text(binding.get("name")).ok_or("the trigger has no `name`")?.to_owned(),
        trigger,
        http_output: output.and_then(|binding| text(binding.get("name"))).map(str::to_owned),
        disabled: disabled.is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1"),
    })
}

fn cardinality(binding: &Value) -> Result<Cardinality, String> {
    match text(binding.get("cardinality")).unwrap_or("one").to_ascii_lowercase().as_str() {
        "one" => Ok(Cardinality::One),
        "many" => Ok(Cardinality::Many),
        other => Err(format!("cardinality `{other}` is neither one nor many")),
    }
}

/// The host's defaults (`QueuesOptions`). The default of the threshold is half a batch for each processor.
fn queues(section: &Value) -> QueueOptions {
    let number = |name: &str| section.get(name).and_then(Value::as_u64);
    let count = |name: &str| number(name).and_then(|number| usize::try_from(number).ok());
    let batch_size = count("batchSize").unwrap_or(16);
    QueueOptions {
        decodes_base64: !text(section.get("messageEncoding"))
            .is_some_and(|name| name.eq_ignore_ascii_case("none")),
        batch_size,
        new_batch_threshold: count("newBatchThreshold").unwrap_or(batch_size / 2),
        visibility_timeout: span(section.get("visibilityTimeout")).unwrap_or_default(),
        max_dequeue_count: number("maxDequeueCount").unwrap_or(5),
    }
}

/// The queue's name. A function that is on needs a setting for its connection: a connection string, or where it is.
fn queue(name: &str, binding: &Value, settings: &BTreeMap<String, String>) -> Result<String, String> {
    let connection = text(binding.get("connection")).unwrap_or("AzureWebJobsStorage");
    let has = |suffix: &str| settings.contains_key(&format!("{connection}{suffix}"));
    let disabled = settings.get(&format!("AzureWebJobs.{name}.Disabled"));
    let is_off = disabled.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !is_off && !["", "__queueServiceUri", "__accountName", "__serviceUri"].into_iter().any(has) {
        return Err(format!("the connection `{connection}` has no setting"));
    }
    text(binding.get("queueName"))
        .map(str::to_owned)
        .ok_or_else(|| "the trigger has no `queueName`".to_owned())
}

fn timer(binding: &Value, settings: &BTreeMap<String, String>) -> Result<Timer, String> {
    let schedule = text(binding.get("schedule")).ok_or("the timer has no `schedule`")?;
    let setting = schedule.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
    let schedule = match setting {
        Some(name) => settings.get(name).ok_or_else(|| format!("`%{name}%` does not resolve to a value"))?,
        None => schedule,
    };
    let flag = |name: &str, default| binding.get(name).and_then(Value::as_bool).unwrap_or(default);
    Ok(Timer {
        schedule: Schedule::parse(schedule).map_err(|bad| bad.to_string())?,
        monitored: flag("useMonitor", true),
        on_startup: flag("runOnStartup", false),
    })
}

fn route(name: &str, binding: &Value) -> Result<Route, String> {
    let methods = binding.get("methods").and_then(Value::as_array).cloned().unwrap_or_default();
    let segments = text(binding.get("route")).unwrap_or(name).split('/').filter(|part| !part.is_empty());
    let parameter = |part: &str| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned());
    Ok(Route {
        methods: methods.iter().filter_map(Value::as_str).map(str::to_ascii_uppercase).collect(),
        segments: segments
            .map(|part| parameter(part).map_or_else(|| Segment::Literal(part.to_owned()), Segment::Parameter))
            .collect(),
        level: match text(binding.get("authLevel")).unwrap_or("function").to_ascii_lowercase().as_str() {
            "anonymous" => AuthLevel::Anonymous,
            "function" => AuthLevel::Function,
            "admin" => AuthLevel::Admin,
            other => return Err(format!("authLevel `{other}` is unknown")),
        },
    })
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str)
}

/// `hh:mm:ss`; `-1` is unlimited, taken as a year.
fn span(value: Option<&Value>) -> Option<Duration> {
    let text = text(value)?;
    if text == "-1" {
        return Some(Duration::from_secs(365 * 24 * 3600));
    }
    match Schedule::parse(text).ok()? {
        Schedule::Every(span) => Duration::try_from(span).ok(),
        Schedule::Cron(_) => None,
    }
}

/// Replaces `%NAME%` by the setting's value, and by nothing when there is none.
fn expand(text: &str, settings: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (index, part) in text.split('%').enumerate() {
        if index % 2 == 0 {
            out.push_str(part);
        } else {
            out.push_str(settings.get(part).map_or("", String::as_str));
        }
    }
    out
}
