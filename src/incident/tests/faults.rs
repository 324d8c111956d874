//! What is wrong with a file is found before anything is sent, with its line.

use super::*;

const HEAD: &str = "about = \"a\"\n[settings.url]\nenv = \"STOP_GUARD_X_URL\"\nabout = \"an address\"\nkind = \"url\"\n[[step]]\nname = \"x\"\nurl = \"{{ settings.url }}\"\n";
const SET: [(&str, &str); 1] = [("STOP_GUARD_X_URL", "https://x.example")];

fn faults(rest: &str) -> String {
    prepared("x", &format!("{HEAD}{rest}"), &SET).unwrap_err().join("\n")
}

#[test]
fn a_file_in_order_has_none() {
    assert!(prepared("x", &format!("{HEAD}body = '{{}}'\n"), &SET).is_ok());
}

#[test]
fn each_fault_of_a_file_is_told_with_its_line() {
    insta::assert_snapshot!(faults("colour = 1\n"), @"sinks/x.toml:9: unknown field `colour`, expected one of `name`, `states`, `when`, `method`, `url`, `headers`, `body`, `auth`, `answers`, `example`");
    insta::assert_snapshot!(faults("body = '''\n{\n  \"a\": {{ titel }}\n}'''\n"), @"sinks/x.toml:11: undefined value");
    insta::assert_snapshot!(faults("body = '{ \"a\": \"{{ title }}\" }'\n"), @r#"sinks/x.toml:9: the body is no JSON: expected `,` or `}` at line 1 column 10, near `{ "a": ""[sample] aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it"" }`"#);
    insta::assert_snapshot!(faults("body = '{{ title'\n"), @"sinks/x.toml:9: syntax error: unexpected end of input, expected end of variable block");
    insta::assert_snapshot!(faults("body = '''\n\n{{ title | shout }}'''\n"), @"sinks/x.toml:11: unknown filter: filter shout is unknown");
    insta::assert_snapshot!(faults("when = 'title =='\n"), @"sinks/x.toml:9: syntax error: unexpected end of block");
    insta::assert_snapshot!(faults("headers.x = \"{{ policies }}\"\n"), @"sinks/x.toml:9: invalid operation: a sequence can't be in a URL, a header or a text");
    insta::assert_snapshot!(faults("headers.'a b' = \"x\"\n"), @"sinks/x.toml:9: `a b` is no header");
    insta::assert_snapshot!(faults("auth = { basic = { user = \"a\", password = \"b\" } }\n"), @r#"
    sinks/x.toml:7: step `x` authenticates with a setting `a`, which there is not
    sinks/x.toml:7: step `x` authenticates with a setting `b`, which there is not
    "#);
    insta::assert_snapshot!(faults("example = '{'\n"), @"sinks/x.toml:9: the example is no JSON: EOF while parsing an object at line 1 column 1");
    insta::assert_snapshot!(faults("answers.delivered = [\"9xx\"]\n"), @r#"sinks/x.toml:9: a class is one of "1xx" to "5xx""#);
    insta::assert_snapshot!(faults("body = '{% for i in range(100000000) %} {% endfor %}{}'\n"), @"sinks/x.toml:9: invalid operation: range has too many elements");
}

#[test]
fn escaping_can_not_be_turned_off() {
    insta::assert_snapshot!(faults("body = '{{ title | safe }}'\n"), @"sinks/x.toml:9: unknown filter: filter safe is unknown");
    insta::assert_snapshot!(faults("body = '\"{% autoescape false %}{{ title }}{% endautoescape %}\"'\n"), @"sinks/x.toml:9: invalid operation: escaping can't be turned off");
}

#[test]
fn a_sink_reads_no_setting_of_the_guard_or_of_the_platform() {
    for (env, told) in [
        (
            "AZURE_CLIENT_SECRET",
            "`AZURE_CLIENT_SECRET` is no name for a setting of a sink: it must begin with STOP_GUARD_ and be of A-Z, 0-9 and _",
        ),
        (
            "IDENTITY_HEADER",
            "`IDENTITY_HEADER` is no name for a setting of a sink: it must begin with STOP_GUARD_ and be of A-Z, 0-9 and _",
        ),
        ("STOP_GUARD_STATE", "STOP_GUARD_STATE is a setting of the guard itself: a sink may not read it"),
    ] {
        let text = HEAD.replace("STOP_GUARD_X_URL", env);
        assert_eq!(prepared("x", &text, &SET).unwrap_err(), [format!("sinks/x.toml:3: {told}")]);
    }
}

#[test]
fn settings_and_templates_are_told_together() {
    let text = format!("{HEAD}body = '{{{{ titel }}}}'\n");
    let told = prepared("x", &text, &[]).unwrap_err();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "STOP_GUARD_X_URL is missing: an address");
    assert!(told[1].starts_with("sinks/x.toml:9: "), "{told:?}");
    let insecure =
        prepared("x", &format!("{HEAD}body = '{{}}'\n"), &[("STOP_GUARD_X_URL", "http://x.example")]);
    assert_eq!(insecure.unwrap_err(), ["STOP_GUARD_X_URL must be https, or http to this machine"]);
    let plain = prepared("x", &HEAD.replace("{{ settings.url }}", "http://x.example"), &SET);
    assert_eq!(plain.unwrap_err(), ["sinks/x.toml:8: the URL must be https, or http to this machine"]);
}
