//! Every golden and every recorded request decodes to what it holds.

use aks_stop_guard::functions::envelope::{events, http_request, queued_events};
use serde_json::Value;

use crate::requests::{Expected, all};

/// The value of `Data`, found the slow way: by building everything.
fn value(body: &str) -> Value {
    let envelope: Value = serde_json::from_str(body).unwrap();
    let mut value = envelope["Data"].as_object().unwrap().values().next().unwrap().clone();
    while let Value::String(text) = value {
        value = serde_json::from_str(&text).unwrap();
    }
    value
}

#[test]
fn every_request_of_the_host_decodes_to_what_it_holds() {
    let mut counted = 0;
    for sent in all() {
        let found = events(sent.body.as_bytes());
        let request = http_request(sent.body.as_bytes());
        match sent.expected {
            Expected::Events(counts) => {
                let slow = match value(&sent.body) {
                    Value::Array(events) => events,
                    event => vec![event],
                };
                let found: Vec<Value> = found
                    .unwrap()
                    .iter()
                    .map(|event| serde_json::from_str(event.as_str()).unwrap())
                    .collect();
                assert_eq!(found, slow, "{}", sent.file);
                assert_eq!(found.len(), counts[sent.nth], "{}", sent.file);
                counted += found.len();
            }
            Expected::Http => {
                let slow = value(&sent.body);
                let request = request.unwrap();
                assert_eq!(Some(request.method.as_str()), slow["Method"].as_str(), "{}", sent.file);
                assert_eq!(request.body.as_deref(), slow["Body"].as_str(), "{}", sent.file);
                assert!(!format!("{request:?}").contains("<function-key>"), "{}: {request:?}", sent.file);
            }
            Expected::Queue(count) => {
                let found = queued_events(sent.body.as_bytes());
                assert_eq!(found.as_ref().ok().map(Vec::len), count, "{}: {found:?}", sent.file);
                counted += count.unwrap_or_default();
            }
            Expected::Timer => {
                // Decoding must end; what it says is of no interest.
                assert!(found.is_ok() || found.is_err_and(|fault| !fault.to_string().is_empty()));
            }
            Expected::Forwarded | Expected::Probe | Expected::Shortened | Expected::Described => {
                assert!(found.is_err(), "{}: {found:?}", sent.file);
                assert!(request.is_err(), "{}: {request:?}", sent.file);
            }
        }
    }
    // So that an empty folder or a loop that never enters can't pass.
    assert!(counted > 70, "{counted}");
}

#[test]
fn a_query_is_read_without_its_key() {
    let sent = all().into_iter().find(|sent| sent.file == "http_default_post_query_key").unwrap();
    let request = http_request(sent.body.as_bytes()).unwrap();
    let expected = [("a", "1,2"), ("b", "ü x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(request.query, expected);
}
