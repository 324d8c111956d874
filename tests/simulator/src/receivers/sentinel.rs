//! Microsoft Sentinel's incidents and their comments through ARM (Azure/azure-rest-api-specs, `Microsoft.SecurityInsights`).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::check::{self, Check, Need};
use super::desk::{Answer, Service};
use super::limit::Limit;

/// The version that the rules here are of.
const API_VERSION: &str = "2025-09-01";
/// Characters of a description.
const DESCRIPTION_CHARS_MAX: usize = 5_000;
/// Characters of a comment, and comments of an incident (learn.microsoft.com, *Microsoft Sentinel service limits*).
const COMMENT_CHARS_MAX: usize = 30_000;
const COMMENTS_MAX: usize = 100;
/// Characters of a title: none is documented; a longer one is no title.
const TITLE_CHARS_MAX: usize = 256;
/// Characters of an explanation.
const CLASSIFICATION_CHARS_MAX: usize = 1_000;

/// One incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its properties as they were last put.
    pub properties: Value,
    /// What the next write has to send back.
    pub etag: String,
    /// Comments by their names.
    pub comments: BTreeMap<String, String>,
}

impl Incident {
    /// Whether it is still on people's list.
    pub fn open(&self) -> bool {
        self.properties.pointer("/status").and_then(Value::as_str) != Some("Closed")
    }
}

/// One workspace with Sentinel.
#[derive(Debug)]
pub struct Sentinel {
    workspace: String,
    token: String,
    incidents: BTreeMap<String, Incident>,
    writes: u32,
}

impl Sentinel {
    /// A workspace by its resource id, that takes this ARM token.
    pub fn new(workspace: &str, token: &str) -> Self {
        Self {
            workspace: workspace.to_owned(),
            token: token.to_owned(),
            incidents: BTreeMap::new(),
            writes: 0,
        }
    }

    /// All incidents by their names.
    pub fn incidents(&self) -> &BTreeMap<String, Incident> {
        &self.incidents
    }

    /// An analyst changes an incident meanwhile, so that its tag is another.
    pub fn touch(&mut self, name: &str) {
        let etag = self.next_etag();
        if let Some(incident) = self.incidents.get_mut(name) {
            incident.etag = etag;
        }
    }

    fn next_etag(&mut self) -> String {
        self.writes += 1;
        format!("\"0300bf09-0000-0000-0000-{:012x}\"", self.writes)
    }

    fn shown(&self, name: &str, incident: &Incident, number: usize) -> Value {
        let id = format!("{}/providers/Microsoft.SecurityInsights/incidents/{name}", self.workspace);
        let mut properties = incident.properties.clone();
        if let Some(members) = properties.as_object_mut() {
            members.insert("incidentNumber".to_owned(), json!(number));
            let url =
                format!("https://portal.azure.com/#asset/Microsoft_Azure_Security_Insights/Incident{id}");
            members.insert("incidentUrl".to_owned(), json!(url));
            members.entry("owner").or_insert(json!({"objectId": null, "email": null, "assignedTo": null}));
            for label in members.get_mut("labels").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(label) = label.as_object_mut() {
                    label.insert("labelType".to_owned(), json!("User"));
                }
            }
        }
        json!({"id": id, "name": name, "type": "Microsoft.SecurityInsights/Incidents", "etag": incident.etag,
               "properties": properties})
    }

    fn get(&self, name: &str) -> Answer {
        match self.incidents.get(name) {
            Some(incident) => Answer::json(200, &self.shown(name, incident, 1)),
            None => error(404, "NotFound", "Incident not found"),
        }
    }

    fn put(&mut self, name: &str, body: &Value, broken: &mut Vec<String>) -> Answer {
        let wrong = incident_faults(body);
        if !wrong.is_empty() {
            broken.extend(wrong);
            return error(400, "BadRequest", "Invalid data model");
        }
        let given = body.get("etag").and_then(Value::as_str);
        let before = self.incidents.get(name);
        match (before, given) {
            (Some(incident), Some(given)) if given != incident.etag => {
                return error(
                    409,
                    "Conflict",
                    "Newer instance of incident exists. Supplied Etag does not match.",
                );
            }
            (Some(_), None) => {
                broken.push("/etag: is missing: what an analyst changed is overwritten".to_owned());
            }
            (Some(_) | None, _) => {}
        }
        let status = if before.is_some() { 200 } else { 201 };
        let comments = before.map(|incident| incident.comments.clone()).unwrap_or_default();
        let properties = body.get("properties").cloned().unwrap_or_default();
        let incident = Incident { properties, etag: self.next_etag(), comments };
        self.incidents.insert(name.to_owned(), incident.clone());
        Answer::json(status, &self.shown(name, &incident, self.incidents.len()))
    }

    fn comment(&mut self, name: &str, comment: &str, body: &Value, broken: &mut Vec<String>) -> Answer {
        let mut check = Check::new(body);
        check.only("", &["properties", "etag"]);
        check.only("/properties", &["message"]);
        let message = check.text("/properties/message", Need::Must, COMMENT_CHARS_MAX).to_owned();
        check.rule(is_guid(comment), "a comment's name is not a GUID");
        let wrong = check.end();
        if !wrong.is_empty() {
            broken.extend(wrong);
            return error(400, "BadRequest", "Invalid data model");
        }
        let Some(incident) = self.incidents.get_mut(name) else {
            broken.push("there is no incident to comment on".to_owned());
            return error(404, "NotFound", "Incident not found");
        };
        let status = if incident.comments.contains_key(comment) { 200 } else { 201 };
        if incident.comments.len() >= COMMENTS_MAX && status == 201 {
            broken.push("an incident takes 100 comments".to_owned());
            return error(400, "BadRequest", "Too many comments");
        }
        incident.comments.insert(comment.to_owned(), message.clone());
        Answer::json(status, &json!({"name": comment, "properties": {"message": message}}))
    }
}

impl Service for Sentinel {
    /// ARM's: writes of one principal in one subscription refill at 10 a second; a bucket of 200.
    fn limit(&self) -> Limit {
        Limit { requests: 200, within: SignedDuration::from_secs(20) }
    }

    fn throttled(&self) -> Answer {
        error(429, "TooManyRequests", "The request is being throttled.")
    }

    fn receive(&mut self, request: &Request<Bytes>, _now: Timestamp, broken: &mut Vec<String>) -> Answer {
        if check::bearer(request) != Some(&self.token) {
            broken.push("authorization: is no token for ARM".to_owned());
            return error(401, "AuthenticationFailed", "Authentication failed.");
        }
        if check::query(request, "api-version").as_deref() != Some(API_VERSION) {
            broken.push(format!("api-version: is not {API_VERSION}"));
            return error(400, "InvalidApiVersionParameter", "The api-version is invalid.");
        }
        let base = format!("{}/providers/Microsoft.SecurityInsights/incidents/", self.workspace);
        let Some(rest) = request.uri().path().strip_prefix(&base).map(str::to_owned) else {
            broken.push("there is no such workspace".to_owned());
            return error(404, "ResourceNotFound", "The resource was not found.");
        };
        let segments: Vec<_> = rest.split('/').collect();
        if let (&Method::GET, [name]) = (request.method(), segments.as_slice()) {
            return self.get(name);
        }
        let body = match check::json(request) {
            Ok(body) => body,
            Err(wrong) => {
                broken.push(wrong);
                return error(400, "InvalidRequestContent", "The request content was invalid.");
            }
        };
        match (request.method(), segments.as_slice()) {
            (&Method::PUT, [name]) => self.put(name, &body, broken),
            (&Method::PUT, [name, "comments", comment]) => self.comment(name, comment, &body, broken),
            (method, _) => {
                broken.push(format!("{method}: is not for this path"));
                error(405, "MethodNotAllowed", "The method is not allowed.")
            }
        }
    }
}

fn incident_faults(body: &Value) -> Vec<String> {
    let mut check = Check::new(body);
    check.only("", &["etag", "properties"]);
    check.only(
        "/properties",
        &[
            "title",
            "description",
            "severity",
            "status",
            "labels",
            "owner",
            "firstActivityTimeUtc",
            "lastActivityTimeUtc",
            "classification",
            "classificationReason",
            "classificationComment",
        ],
    );
    check.text("/properties/title", Need::Must, TITLE_CHARS_MAX);
    check.text("/properties/description", Need::May, DESCRIPTION_CHARS_MAX);
    check.word("/properties/severity", Need::Must, &["High", "Medium", "Low", "Informational"]);
    let status = check.word("/properties/status", Need::Must, &["New", "Active", "Closed"]);
    check.time("/properties/firstActivityTimeUtc", Need::May);
    check.time("/properties/lastActivityTimeUtc", Need::May);
    for at in 0..check.list("/properties/labels", Need::May, usize::MAX).len() {
        check.text(&format!("/properties/labels/{at}/labelName"), Need::Must, TITLE_CHARS_MAX);
        // The type is read-only: it comes back from a client that writes what it has read.
        check.only(&format!("/properties/labels/{at}"), &["labelName", "labelType"]);
    }
    let closing = if status == "Closed" { Need::Must } else { Need::May };
    let classes = ["Undetermined", "TruePositive", "BenignPositive", "FalsePositive"];
    let class = check.word("/properties/classification", closing, &classes);
    let reasons: &[&str] = match class {
        "TruePositive" => &["SuspiciousActivity"],
        "BenignPositive" => &["SuspiciousButExpected"],
        "FalsePositive" => &["IncorrectAlertLogic", "InaccurateData"],
        _ => &[],
    };
    check.word("/properties/classificationReason", Need::May, reasons);
    check.text("/properties/classificationComment", Need::May, CLASSIFICATION_CHARS_MAX);
    check.end()
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"error": {"code": code, "message": message}}))
}
