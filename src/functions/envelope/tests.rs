use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn texts(body: &str) -> Vec<String> {
    events(body.as_bytes()).unwrap().iter().map(|event| event.as_str().to_owned()).collect()
}

fn refusal(body: &str) -> String {
    events(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_event_is_found_whatever_its_binding_is_called() {
    for name in ["eventGridEvent", "event", "", "Data", "zażółć"] {
        let body = json!({"Data": {name: {"id": 1}}, "Metadata": {}}).to_string();
        assert_eq!(texts(&body), [r#"{"id":1}"#], "{name}");
    }
}

#[test]
fn an_event_inside_one_two_or_three_strings_is_the_same_event() {
    let mut value = json!({"id": 1}).to_string();
    for _ in 0..3 {
        value = json!(value).to_string();
        assert_eq!(texts(&format!(r#"{{"Data":{{"e":{value}}}}}"#)), [r#"{"id":1}"#]);
    }
    value = json!(value).to_string();
    assert_eq!(
        refusal(&format!(r#"{{"Data":{{"e":{value}}}}}"#)),
        "the envelope's `Data` holds a string where an event or a request is expected"
    );
}

#[test]
fn a_batch_is_split_in_order_and_an_odd_element_costs_the_others_nothing() {
    let batch = r#"[{"n":1}, 4, "plain", "{\"n\":2}", null, [1], {"n":3}]"#;
    let expected = [r#"{"n":1}"#, "4", r#""plain""#, r#"{"n":2}"#, "null", "[1]", r#"{"n":3}"#];
    assert_eq!(texts(&format!(r#"{{"Data":{{"e":{batch}}}}}"#)), expected);
    assert_eq!(texts(&json!({"Data": {"e": batch}}).to_string()), expected);
}

#[test]
fn an_empty_batch_is_no_fault() {
    assert_eq!(texts(r#"{"Data":{"e":[]},"Metadata":{}}"#), [""; 0]);
}

#[test]
fn several_bindings_all_count() {
    assert_eq!(texts(r#"{"Data":{"a":null,"b":{"n":1},"c":[{"n":2}]}}"#), [r#"{"n":1}"#, r#"{"n":2}"#]);
}

#[test]
fn the_text_of_an_event_is_kept_to_the_byte() {
    let event = r#"{"b":1.10,"a":"\u0041\u202e","b":1e999}"#;
    assert_eq!(texts(&format!(r#"{{"Data":{{"e":{event}}}}}"#)), [event]);
}

#[test]
fn a_batch_is_taken_whole_up_to_the_limit_and_refused_whole_beyond() {
    let batch = |n: usize| format!(r#"{{"Data":{{"e":[{}]}}}}"#, vec!["{}"; n].join(","));
    assert_eq!(events(batch(EVENTS_MAX).as_bytes()).unwrap().len(), EVENTS_MAX);
    assert_eq!(
        refusal(&batch(10_000)),
        "the body holds 10000 events, more than the 5000 of the largest batch that Event Grid sends"
    );
    assert_eq!(
        events(batch(EVENTS_MAX + 1).as_bytes()).unwrap_err(),
        Unreadable::TooManyEvents { found: EVENTS_MAX + 1 }
    );
}

#[test]
fn a_hundred_thousand_levels_of_nesting_cost_no_stack() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let object = format!(r#"{{"x":{deep}}}"#);
    assert_eq!(texts(&format!(r#"{{"Data":{{"e":{object}}}}}"#)), std::slice::from_ref(&object));
    assert_eq!(texts(&json!({"Data": {"e": object}}).to_string()), std::slice::from_ref(&object));
    assert_eq!(texts(&format!(r#"{{"Metadata":{deep},"Data":{{"e":{{}}}}}}"#)), ["{}"]);
    assert!(events(deep.as_bytes()).is_err());
    assert!(http_request(format!(r#"{{"Data":{{"req":{object}}}}}"#).as_bytes()).is_err());
}

#[test]
fn what_holds_no_event_is_refused_without_quoting_it() {
    insta::assert_snapshot!(
        [
            "",
            "secret",
            r#"{"Data":{"e":{"secret":"#,
            r#""secret""#,
            r#"[{"e":{"secret":1}}]"#,
            "{}",
            r#"{"Data":null}"#,
            r#"{"Data":{}}"#,
            r#"{"Data":"secret"}"#,
            r#"{"Data":{"e":null}}"#,
            r#"{"Data":{"e":"null"}}"#,
            r#"{"Data":{"e":4}}"#,
            r#"{"Data":{"e":"secret"}}"#,
            r#"{"Data":{"e":""}}"#,
            r#"{"Data":{"e":"{\"secret\":"}}"#,
        ]
        .map(refusal)
        .join("\n"),
        @r"
    the body is not an envelope of the Functions host (it ends too early at line 1, column 0)
    the body is not an envelope of the Functions host (a syntax error at line 1, column 1)
    the body is not an envelope of the Functions host (it ends too early at line 1, column 23)
    the body is not an envelope of the Functions host (an unexpected value at line 1, column 8)
    the body is not an envelope of the Functions host (an unexpected value at line 1, column 1)
    the envelope's `Data` holds no value
    the envelope's `Data` holds no value
    the envelope's `Data` holds no value
    the body is not an envelope of the Functions host (an unexpected value at line 1, column 16)
    the envelope's `Data` holds null where an event or a request is expected
    the envelope's `Data` holds null where an event or a request is expected
    the envelope's `Data` holds a number where an event or a request is expected
    the envelope's `Data` holds plain text where an event or a request is expected
    the envelope's `Data` holds an empty string where an event or a request is expected
    the body is not an envelope of the Functions host (it ends too early at line 1, column 10)
    "
    );
    assert_eq!(events(b"{\"Data\":{\"e\":\"\xff\"}}").unwrap_err(), Unreadable::NotUtf8);
}

/// A message as the host passes it on: its text as JSON in a string.
fn queued(message: &str) -> Result<Vec<String>, Unreadable> {
    let body = json!({"Data": {"message": json!(message).to_string()}, "Metadata": {"DequeueCount": "1"}});
    let events = queued_events(body.to_string().as_bytes())?;
    Ok(events.iter().map(|event| event.as_str().to_owned()).collect())
}

#[test]
fn a_message_of_a_queue_is_an_event_or_several_in_plain_text_or_in_base64() {
    let one = [r#"{"id":1}"#].as_slice();
    for message in [
        r#"{"id":1}"#,
        "\u{feff}{\"id\":1}\r\n",
        r#"[{"id":1}]"#,
        r#""{\"id\":1}""#,
        // {"id":1} with its padding, without, with a mark before it and with white space around
        "eyJpZCI6MX0=",
        "eyJpZCI6MX0",
        "77u/eyJpZCI6MX0=",
        " eyJpZCI6MX0=\r\n",
        // [{"id":1}] and "{\"id\":1}"
        "W3siaWQiOjF9XQ==",
        "IntcImlkXCI6MX0i",
    ] {
        assert_eq!(queued(message).unwrap(), one, "{message}");
    }
    assert_eq!(queued(r#"[{"id":1},{"id":2}]"#).unwrap(), [r#"{"id":1}"#, r#"{"id":2}"#]);
    // A binding with `dataType: binary` has the message in base64, in one string only.
    let binary = queued_events(br#"{"Data":{"message":"eyJpZCI6MX0="}}"#).unwrap();
    assert_eq!(binary.len(), 1);
}

#[test]
fn a_message_that_holds_no_event_is_refused_without_quoting_it() {
    insta::assert_snapshot!(
        // The last three are base64 of "secret", of bytes that are no text, and of base64 of an event.
        ["", "secret", "null", "4", r#"{"secret":"#, r#""secret""#, "c2VjcmV0", "//79/A==", "ZXlKcFpDSTZNWDA9"]
            .map(|message| queued(message).unwrap_err().to_string())
            .join("\n"),
        @r"
    the envelope's `Data` holds an empty string where an event or a request is expected
    the envelope's `Data` holds plain text where an event or a request is expected
    the envelope's `Data` holds null where an event or a request is expected
    the envelope's `Data` holds a number where an event or a request is expected
    the body is not an envelope of the Functions host (it ends too early at line 1, column 10)
    the envelope's `Data` holds plain text where an event or a request is expected
    the envelope's `Data` holds plain text where an event or a request is expected
    the envelope's `Data` holds plain text where an event or a request is expected
    the envelope's `Data` holds plain text where an event or a request is expected
    "
    );
}

#[test]
fn base64_counts_for_messages_of_a_queue_only() {
    assert_eq!(
        refusal(r#"{"Data":{"event":"eyJpZCI6MX0="}}"#),
        "the envelope's `Data` holds plain text where an event or a request is expected"
    );
}

#[test]
fn an_http_request_is_read_without_headers_and_without_its_key() {
    let body = json!({"Data": {"req": {
        "Url": "https://x/api/Evaluate?code=SECRET", "Method": "POST",
        "Query": {"code": "SECRET", "CODE": "SECRET", "output": "json", "n": 4},
        "Headers": {"x-functions-key": ["SECRET"]}, "Body": "{\"a\":1}"}}, "Metadata": {"Query": {"code": "SECRET"}}});
    let request = http_request(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        request,
        HttpRequest {
            method: "POST".to_owned(),
            query: vec![("output".to_owned(), "json".to_owned()), ("n".to_owned(), "4".to_owned())],
            body: Some(r#"{"a":1}"#.to_owned()),
            bearer: None,
        }
    );
}

#[test]
fn a_bearer_token_is_taken_from_the_headers_if_there_is_exactly_one_and_is_never_shown() {
    let bearer_of = |headers: serde_json::Value| {
        let body = json!({"Data": {"req": {"Method": "POST", "Headers": headers}}});
        http_request(body.to_string().as_bytes()).unwrap().bearer
    };
    for headers in [
        json!({"Authorization": ["Bearer t.o.k"]}),
        json!({"authorization": ["bearer  t.o.k "], "x": ["y"]}),
        json!({"Authorization": "Bearer t.o.k"}),
    ] {
        let bearer = bearer_of(headers).unwrap();
        assert_eq!(bearer.expose(), "t.o.k");
        assert!(!format!("{bearer:?}").contains("t.o.k"));
    }
    for headers in [
        json!(null),
        json!({}),
        json!({"Authorization": ["Bearer a", "Bearer b"]}),
        json!({"Authorization": ["Bearer a"], "authorization": ["Bearer b"]}),
        json!({"Authorization": ["Basic dTpw"]}),
        json!({"Authorization": ["Bearer"]}),
        json!({"Authorization": ["Bearer "]}),
        json!({"Authorization": [4]}),
        json!({"Authorization": {"Bearer": "a"}}),
    ] {
        assert_eq!(bearer_of(headers.clone()), None, "{headers}");
    }
}

#[test]
fn an_http_body_may_be_absent_empty_or_json_itself() {
    let body_of = |members: &str| {
        let envelope = format!(r#"{{"Data":{{"req":{{"Method":"POST"{members}}}}}}}"#);
        http_request(envelope.as_bytes()).unwrap().body
    };
    assert_eq!(body_of(""), None);
    assert_eq!(body_of(r#","Body":null"#), None);
    assert_eq!(body_of(r#","Body":"""#).as_deref(), Some(""));
    assert_eq!(body_of(r#","Body":{"a": 1}"#).as_deref(), Some(r#"{"a": 1}"#));
    assert_eq!(body_of(r#","Query":null,"Body":"x""#).as_deref(), Some("x"));
}

#[test]
fn what_is_no_http_request_is_refused() {
    for data in ["[]", "\"\"", "null", "4", "{}", r#"{"Method":4}"#, r#"{"Method":"GET","Query":[]}"#] {
        assert!(http_request(format!(r#"{{"Data":{{"req":{data}}}}}"#).as_bytes()).is_err(), "{data}");
    }
}

/// JSON that resembles what the host sends, down to its faults.
fn envelope_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|text| json!(text).to_string()),
    ];
    let value = leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec((any::<String>(), inner.clone()), 0..4).prop_map(|all| {
                let members: Vec<_> = all.iter().map(|(k, v)| format!("{}:{v}", json!(k))).collect();
                format!("{{{}}}", members.join(","))
            }),
            inner.prop_map(|text| json!(text).to_string()),
        ]
    });
    ("Data|data|", value, 0usize..9).prop_map(|(name, value, cut)| {
        let mut body = format!(r#"{{"{name}":{{"e":{value}}},"Metadata":{{}}}}"#);
        if let Some((at, _)) = body.char_indices().rev().nth(cut) {
            body.truncate(if cut == 0 { body.len() } else { at });
        }
        body
    })
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = events(&body);
        let _ = queued_events(&body);
        let _ = http_request(&body);
    }

    #[test]
    fn no_json_makes_decoding_panic_and_what_comes_out_is_json(body in envelope_like()) {
        for event in events(body.as_bytes()).unwrap_or_default() {
            prop_assert!(serde_json::from_str::<IgnoredAny>(event.as_str()).is_ok());
        }
        let _ = http_request(body.as_bytes());
    }

    #[test]
    fn no_message_of_a_queue_makes_decoding_panic_and_what_comes_out_is_json(body in envelope_like(), encoded: bool) {
        let message = if encoded { BASE64.encode(&body) } else { body };
        for event in queued(&message).unwrap_or_default() {
            prop_assert!(serde_json::from_str::<IgnoredAny>(&event).is_ok());
        }
    }

    #[test]
    fn any_batch_of_objects_comes_out_as_it_went_in(numbers in prop::collection::vec(any::<u32>(), 0..20), encoded: bool) {
        let objects: Vec<_> = numbers.iter().map(|n| format!(r#"{{"n":{n}}}"#)).collect();
        let array = format!("[{}]", objects.join(","));
        let value = if encoded { json!(array).to_string() } else { array };
        prop_assert_eq!(texts(&format!(r#"{{"Data":{{"e":{value}}}}}"#)), objects);
    }
}
