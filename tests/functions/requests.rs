//! The copied requests, each with what it must decode to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use Expected::{Described, Events, Forwarded, Http, Probe, Queue, Shortened, Timer};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Requests of an Event Grid function, with so many events each.
    Events(&'static [usize]),
    /// Requests of an HTTP function.
    Http,
    /// Requests of a timer function, whose bodies nobody reads.
    Timer,
    /// A request of a queue function whose message holds so many events; `None` if it is refused.
    Queue(Option<usize>),
    /// The raw request of a caller, as the host forwards it in a mode that host.json does not switch on.
    Forwarded,
    /// The readiness probe.
    Probe,
    /// A body of 1 MB of which the recording keeps the beginning only.
    Shortened,
    /// No request to the handler but the description of one.
    Described,
}

/// A request as the host sends it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) file: &'static str,
    pub(crate) expected: Expected,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which one of its file's requests it is.
    pub(crate) nth: usize,
}

/// All requests, golden and recorded.
pub(crate) fn all() -> Vec<Sent> {
    let golden = table("golden", GOLDEN).into_iter().map(|(file, expected, text)| {
        let path = match expected {
            Http => "/Evaluate",
            Timer => "/Sweep",
            Queue(_) => "/StopActionQueue",
            Events(_) | Forwarded | Probe | Shortened | Described => "/StopActionHandler",
        };
        let (method, path) = ("POST".to_owned(), path.to_owned());
        Sent { file, expected, method, path, headers: Vec::new(), body: text.trim_end().to_owned(), nth: 0 }
    });
    let recorded = table("recorded", RECORDED).into_iter().flat_map(|(file, expected, text)| {
        let file_json: Value = serde_json::from_str(&text).unwrap();
        let requests = file_json["requests"].as_array().unwrap().clone();
        assert!(!requests.is_empty(), "{file}");
        requests.into_iter().enumerate().map(move |(nth, request)| {
            let text = |name: &str| request[name].as_str().unwrap().to_owned();
            let headers = request["headers"].as_array().unwrap().iter().map(|header| {
                (header[0].as_str().unwrap().to_owned(), header[1].as_str().unwrap().to_owned())
            });
            let headers = headers.collect();
            Sent {
                file,
                expected,
                method: text("method"),
                // The placeholder of a key would be no valid target.
                path: text("path").replace("<function-key>", "key"),
                headers,
                body: text("body"),
                nth,
            }
        })
    });
    golden.chain(recorded).collect()
}

/// The files of a folder beside what is expected of them; a file without an expectation, or the reverse, is a fault.
fn table(
    folder: &str,
    expectations: &'static [(&'static str, Expected)],
) -> Vec<(&'static str, Expected, String)> {
    let folder = folder_of(folder);
    let files: BTreeSet<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let expected: BTreeSet<_> = expectations.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(files, expected, "every file needs an expectation");
    let read = |file: &str| std::fs::read_to_string(folder.join(format!("{file}.json"))).unwrap();
    expectations.iter().map(|(file, expected)| (*file, *expected, read(file))).collect()
}

/// A folder of copied inputs.
pub(crate) fn folder_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/functions").join(name)
}

/// What each file of `tests/functions/golden` must decode to.
#[rustfmt::skip]
pub(crate) const GOLDEN: &[(&str, Expected)] = &[
    ("eventgrid_many_cloudevents", Events(&[2])),
    ("eventgrid_many_eventgridschema", Events(&[2])),
    ("eventgrid_many_eventgridschema_single_event", Events(&[1])),
    ("eventgrid_one_admin_invoke", Events(&[1])),
    ("eventgrid_one_cloudevents", Events(&[1])),
    ("eventgrid_one_cloudevents_data_base64_traceparent", Events(&[1])),
    ("eventgrid_one_data_is_array", Events(&[1])),
    ("eventgrid_one_data_is_null", Events(&[1])),
    ("eventgrid_one_data_is_string", Events(&[1])),
    ("eventgrid_one_data_missing", Events(&[1])),
    ("eventgrid_one_eventgridschema", Events(&[1])),
    ("eventgrid_one_eventgridschema_ext_before_3_4_3", Events(&[1])),
    ("eventgrid_one_retry_first_attempt", Events(&[1])),
    ("host_admin_invoke", Described),
    ("host_webhook_cloudevents_validation", Described),
    ("host_webhook_eventgrid_validation", Described),
    ("host_webhook_notification", Described),
    ("http_default_get_no_body", Http),
    ("http_default_post", Http),
    ("http_default_post_octet_stream", Http),
    ("queue_datatype_binary", Queue(None)),
    ("queue_holding_eventgrid_event", Queue(Some(1))),
    ("queue_json", Queue(Some(1))),
    ("queue_json_array", Queue(Some(3))),
    ("queue_text", Queue(None)),
    ("timer", Timer),
    ("timer_first_run", Timer),
    ("timer_no_monitor", Timer),
    ("timer_past_due_with_retry", Timer),
    ("wire_default_mode", Described),
    ("wire_http_forwarding", Described),
    ("wire_http_proxying", Described),
    ("wire_readiness_probe", Described),
];

/// What each file of `tests/functions/recorded` must decode to.
#[rustfmt::skip]
pub(crate) const RECORDED: &[(&str, Expected)] = &[
    ("admin_invoke_cloudevent_string", Events(&[1])),
    ("admin_invoke_event_string", Events(&[1])),
    ("answer_slow_40s", Events(&[1])),
    ("batch3_one_fails", Events(&[1, 1, 1])),
    ("edge_batch_two_clusters", Events(&[1, 1])),
    ("edge_cloudevent_batch_array", Events(&[1, 1])),
    ("edge_cloudevent_specversion_0_3", Events(&[1])),
    ("edge_cloudevent_with_extensions_and_datacontenttype", Events(&[1])),
    ("edge_duplicate_same_id_twice", Events(&[1, 1])),
    ("edge_hostile_resource_uri_absolute_url", Events(&[1])),
    ("edge_hostile_resource_uri_path_traversal", Events(&[1])),
    ("edge_malformed_bad_time", Events(&[1])),
    ("edge_malformed_data_is_string", Events(&[1])),
    ("edge_malformed_missing_id_and_type", Events(&[1])),
    ("edge_not_array_single_object", Events(&[1])),
    ("edge_stop_mixed_case_type_segment", Events(&[1])),
    ("edge_stop_no_claims_no_evidence", Events(&[1])),
    ("edge_stop_no_httprequest_evidence_role_only", Events(&[1])),
    ("edge_stop_no_operationname_only_authorization_action", Events(&[1])),
    ("edge_stop_null_claims_authorization_httprequest", Events(&[1])),
    ("edge_stop_resource_uri_is_resource_group", Events(&[1])),
    ("edge_stop_status_accepted", Events(&[1])),
    ("edge_stop_unknown_extra_fields", Events(&[1])),
    ("edge_subject_differs_from_resourceuri", Events(&[1])),
    ("forwarding_on_eventgrid", Events(&[1])),
    ("host_endpoints", Timer),
    ("http_default_chunked_body", Http),
    ("http_default_empty_body", Http),
    ("http_default_invalid_json_body", Http),
    ("http_default_json_array_body", Http),
    ("http_default_master_key", Http),
    ("http_default_octet", Http),
    ("http_default_post", Http),
    ("http_default_post_query_key", Http),
    ("http_default_route_get", Http),
    ("http_default_text_body", Http),
    ("http_forward_204", Forwarded),
    ("http_forward_302", Forwarded),
    ("http_forward_500", Forwarded),
    ("http_forward_close", Forwarded),
    ("http_forward_empty200", Forwarded),
    ("http_forward_get_route", Forwarded),
    ("http_forward_not_simple", Http),
    ("http_forward_post", Forwarded),
    ("http_forward_query", Forwarded),
    ("http_forward_traceparent", Forwarded),
    ("invoke_cloudevents_data_base64_traceparent", Events(&[1])),
    ("invoke_cloudevents_many_1", Events(&[1])),
    ("invoke_cloudevents_one", Events(&[1])),
    ("invoke_eventgrid_500kb", Shortened),
    ("invoke_eventgrid_batch3", Events(&[1, 1, 1])),
    ("invoke_eventgrid_data_is_array", Events(&[1])),
    ("invoke_eventgrid_data_is_null", Events(&[1])),
    ("invoke_eventgrid_data_is_number", Events(&[1])),
    ("invoke_eventgrid_data_is_string", Events(&[1])),
    ("invoke_eventgrid_data_is_string_date", Events(&[1])),
    ("invoke_eventgrid_data_missing", Events(&[1])),
    ("invoke_eventgrid_dates_numbers", Events(&[1])),
    ("invoke_eventgrid_many_1", Events(&[1])),
    ("invoke_eventgrid_many_3", Events(&[3])),
    ("invoke_eventgrid_one", Events(&[1])),
    ("invoke_eventgrid_one_warm", Events(&[1])),
    ("invoke_eventgrid_traceparent_in", Events(&[1])),
    ("invoke_eventgrid_unicode", Events(&[1])),
    ("invoke_eventgrid_unicode_escaped", Events(&[1])),
    ("probe_dates_as_strings_one", Events(&[1])),
    ("retry_eventgrid_fails", Events(&[1])),
    ("retry_eventgrid_ok", Events(&[1])),
    ("start_child_process", Probe),
    ("timer_run1", Timer),
    ("timer_run2_past_due", Timer),
    ("trace_appinsights_eventgrid", Events(&[1])),
    ("trace_appinsights_eventgrid_traceparent_in", Events(&[1])),
    ("trace_appinsights_http_traceparent_in", Http),
    ("trace_appinsights_timer", Timer),
    ("trace_opentelemetry_eventgrid", Events(&[1])),
    ("trace_opentelemetry_eventgrid_traceparent_in", Events(&[1])),
    ("trace_opentelemetry_http_traceparent_in", Http),
    ("trace_opentelemetry_timer", Timer),
    ("webhook_data_schema_wrong_ct", Events(&[1])),
    ("webhook_key_in_header", Events(&[1])),
    ("webhook_master_key", Events(&[1])),
];
