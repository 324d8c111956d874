use proptest::prelude::*;

use super::*;

fn respelled(text: &str) -> String {
    Value::parse(text).unwrap().compact()
}

#[test]
fn members_keep_their_order_and_numbers_their_digits() {
    let text =
        r#"{"z":1,"a":{"i":9007199254740993,"big":123456789012345678901234567890},"m":[true,false,null]}"#;
    assert_eq!(respelled(text), text);
}

#[test]
fn fractions_and_separators_are_written_as_the_host_writes_them() {
    assert_eq!(respelled("[1.10, -0.0, 1e3, 5]"), "[1.1,-0.0,1000.0,5]");
    assert_eq!(
        respelled("\"\u{2028} </script> \\u0001 \\ud83d\\ude00 \u{e9}\""),
        "\"\\u2028 </script> \\u0001 \u{1f600} \u{e9}\""
    );
}

#[test]
fn a_repeated_member_keeps_its_place_and_takes_the_last_value() {
    assert_eq!(respelled(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
}

#[test]
fn what_follows_a_complete_value_is_handed_back() {
    assert_eq!(Value::parse_first("{} garbage").unwrap(), (Value::Object(Vec::new()), " garbage"));
    assert_eq!(Value::parse("{} garbage"), Err(JsonError::Syntax(2)));
}

#[test]
fn what_is_not_json_is_refused_where_it_breaks() {
    for text in
        ["", "{", "[1,", "[1 2]", "{\"a\"}", "nul", "01", "1.", "-", "\"\\x\"", "\"\\ud800\"", "'a'", "{a:1}"]
    {
        assert!(matches!(Value::parse(text), Err(JsonError::Syntax(_))), "{text}");
    }
}

#[test]
fn nesting_has_a_limit_and_never_overflows_the_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Value::parse(&nested(MAX_DEPTH)).is_ok());
    assert!(matches!(Value::parse(&nested(100_000)), Err(JsonError::Depth(_))));
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        // Quarters, since the reader this is compared with rounds long fractions.
        any::<i32>().prop_map(|quarters| (f64::from(quarters) / 4.0).into()),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in any::<String>()) {
        let ours = Value::parse(&text).is_ok();
        prop_assert!(ours || serde_json::from_str::<serde_json::Value>(&text).is_err());
    }

    #[test]
    fn what_is_written_means_what_was_read(value in value()) {
        let ours = Value::parse(&value.to_string()).unwrap();
        for text in [ours.compact(), ours.pretty()] {
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value.clone());
        }
    }
}
