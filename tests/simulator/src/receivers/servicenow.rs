//! ServiceNow's Table API, table `incident` (ServiceNow product documentation, *Table API*; lengths from the base system's dictionary).

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::check::{self, Check, Need};
use super::desk::{Answer, Service};
use super::limit::Limit;

/// Paths of the table: the version may be named.
const TABLES: [&str; 3] =
    ["/api/now/table/incident", "/api/now/v1/table/incident", "/api/now/v2/table/incident"];
/// Columns of the base system that a message may set, and how many characters each holds; what is longer is cut in silence.
const COLUMNS: [(&str, usize); 15] = [
    ("short_description", 160),
    ("description", 4_000),
    ("work_notes", 4_000),
    ("comments", 4_000),
    ("correlation_id", 100),
    ("correlation_display", 100),
    ("urgency", 1),
    ("impact", 1),
    ("state", 2),
    ("close_code", 40),
    ("close_notes", 4_000),
    ("category", 40),
    ("subcategory", 40),
    ("assignment_group", 100),
    ("caller_id", 100),
];
/// States in which an incident is not active: resolved, closed, canceled. (Resolved is active in some versions of the base system; a sink
/// that looks for active ones must then not find it either, so the strict reading is the one here.)
const OVER: [&str; 3] = ["6", "7", "8"];

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its columns as they stand.
    pub columns: Map<String, Value>,
    /// `work_notes` and `comments`, oldest first: a journal is added to, not replaced.
    pub journal: Vec<String>,
}

impl Record {
    /// A column's text; empty if it has none.
    pub fn text(&self, column: &str) -> &str {
        self.columns.get(column).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether people still have it on their list.
    pub fn active(&self) -> bool {
        self.text("active") == "true"
    }
}

/// One instance with one user.
#[derive(Debug)]
pub struct ServiceNow {
    user_and_password: String,
    records: Vec<Record>,
}

impl ServiceNow {
    /// An instance that knows this user alone, as `user:password`.
    pub fn new(user_and_password: &str) -> Self {
        Self { user_and_password: user_and_password.to_owned(), records: Vec::new() }
    }

    /// All incidents, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    fn look_up(&self, request: &Request<Bytes>, broken: &mut Vec<String>) -> Answer {
        let query = check::query(request, "sysparm_query").unwrap_or_default();
        let limit = check::query(request, "sysparm_limit").and_then(|limit| limit.parse().ok());
        let Some(limit) = limit else {
            broken.push("sysparm_limit: is missing: up to 10,000 records are answered".to_owned());
            return Answer::json(200, &json!({"result": []}));
        };
        let fields = check::query(request, "sysparm_fields");
        let found = self.records.iter().rev().filter(|record| matches(record, &query, broken));
        let found: Vec<_> = found.take(limit).map(|record| selected(record, fields.as_deref())).collect();
        Answer::json(200, &json!({"result": found}))
    }

    fn create(&mut self, columns: &Map<String, Value>, broken: &mut Vec<String>) -> Answer {
        let number = self.records.len() + 1;
        let mut record = Record { columns: Map::new(), journal: Vec::new() };
        let set = [
            ("sys_id", format!("{number:032x}")),
            ("number", format!("INC{number:07}")),
            ("active", "true".to_owned()),
            ("state", "1".to_owned()),
        ];
        record.columns.extend(set.map(|(name, value)| (name.to_owned(), Value::String(value))));
        apply(&mut record, columns);
        if record.text("short_description").is_empty() {
            broken.push("/short_description: is missing: nobody can read the list".to_owned());
        }
        let twin = self.records.iter().find(|other| {
            other.active()
                && !record.text("correlation_id").is_empty()
                && other.text("correlation_id") == record.text("correlation_id")
        });
        if twin.is_some() {
            broken.push("/correlation_id: an active incident has it, so this is a duplicate".to_owned());
        }
        if record.text("correlation_id").is_empty() {
            broken.push("/correlation_id: is missing: no later message can find this incident".to_owned());
        }
        let answer = Answer::json(201, &json!({"result": record.columns}))
            .with("location", format!("/api/now/table/incident/{}", record.text("sys_id")));
        self.records.push(record);
        answer
    }

    fn update(&mut self, id: &str, columns: &Map<String, Value>, broken: &mut Vec<String>) -> Answer {
        let Some(record) = self.records.iter_mut().find(|record| record.text("sys_id") == id) else {
            broken.push(format!("there is no incident `{id}`"));
            return failure(
                404,
                "No Record found",
                "Record doesn't exist or ACL restricts the record retrieval",
            );
        };
        if !record.active() {
            broken.push("the incident is over already".to_owned());
        }
        apply(record, columns);
        Answer::json(200, &json!({"result": record.columns}))
    }
}

impl Service for ServiceNow {
    /// Rules are an instance's own; this is a strict one.
    fn limit(&self) -> Limit {
        Limit { requests: 120, within: SignedDuration::from_mins(1) }
    }

    fn throttled(&self) -> Answer {
        failure(429, "Rate limit exceeded", "Number of requests per hour exceeded the limit")
    }

    fn receive(&mut self, request: &Request<Bytes>, _now: Timestamp, broken: &mut Vec<String>) -> Answer {
        if check::basic(request).as_deref() != Some(&self.user_and_password) {
            broken.push("authorization: the user is not known".to_owned());
            return failure(401, "User Not Authenticated", "Required to provide Auth information");
        }
        if check::header(request, "accept") != "application/json" {
            broken.push("accept: without application/json the answer may be XML".to_owned());
        }
        let path = request.uri().path();
        let Some(rest) = TABLES.iter().find_map(|table| path.strip_prefix(table)) else {
            broken.push(format!("there is no `{path}`"));
            return failure(400, "Invalid table", path);
        };
        let id = rest.strip_prefix('/').unwrap_or(rest);
        if request.method() == Method::GET && id.is_empty() {
            return self.look_up(request, broken);
        }
        let columns = match check::json(request) {
            Ok(Value::Object(columns)) => columns,
            Ok(_) => return refused("the body is not an object".to_owned(), broken),
            Err(wrong) => return refused(wrong, broken),
        };
        broken.extend(faults(&Value::Object(columns.clone())));
        match (request.method(), id) {
            (&Method::POST, "") => self.create(&columns, broken),
            (&Method::PATCH | &Method::PUT, id) if !id.is_empty() => self.update(id, &columns, broken),
            (method, _) => {
                broken.push(format!("{method}: is not for this path"));
                failure(405, "Method not supported", "")
            }
        }
    }
}

fn failure(status: u16, message: &str, detail: &str) -> Answer {
    Answer::json(status, &json!({"error": {"message": message, "detail": detail}, "status": "failure"}))
}

fn refused(wrong: String, broken: &mut Vec<String>) -> Answer {
    let answer = failure(400, "Exception while reading request", &wrong);
    broken.push(wrong);
    answer
}

fn faults(columns: &Value) -> Vec<String> {
    let mut check = Check::new(columns);
    check.only("", &COLUMNS.map(|(name, _)| name));
    for (name, chars_max) in COLUMNS {
        check.text(&format!("/{name}"), Need::May, chars_max);
    }
    for name in ["urgency", "impact"] {
        check.word(&format!("/{name}"), Need::May, &["1", "2", "3"]);
    }
    let state = check.word("/state", Need::May, &["1", "2", "3", "6", "7", "8"]);
    if OVER.contains(&state) {
        // The base system's data policy asks for both.
        check.text("/close_code", Need::Must, 40);
        check.text("/close_notes", Need::Must, 4_000);
    }
    check.end()
}

fn apply(record: &mut Record, columns: &Map<String, Value>) {
    for (name, value) in columns {
        if name == "work_notes" || name == "comments" {
            record.journal.extend(value.as_str().map(str::to_owned));
        } else {
            record.columns.insert(name.clone(), value.clone());
        }
    }
    let active = !OVER.contains(&record.text("state"));
    record.columns.insert("active".to_owned(), Value::String(active.to_string()));
}

/// An encoded query of equalities joined by `^`. ServiceNow ignores what it can't read, which then finds everything.
fn matches(record: &Record, query: &str, broken: &mut Vec<String>) -> bool {
    query.split('^').all(|term| match term.split_once('=') {
        Some((column, value)) => record.text(column) == value,
        None if term.starts_with("ORDERBY") => true,
        None => {
            broken.push(format!("sysparm_query: `{term}` is ignored, so that any incident is found"));
            true
        }
    })
}

fn selected(record: &Record, fields: Option<&str>) -> Value {
    let wanted = |name: &str| fields.is_none_or(|fields| fields.split(',').any(|field| field.trim() == name));
    Value::Object(
        record
            .columns
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}
