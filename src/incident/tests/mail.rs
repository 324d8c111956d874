//! Files of e-mail. What arrives in a mailbox is in tests/real_receivers.

use super::samples::opened;
use super::{file, prepared, shipped};

const SETTINGS: [(&str, &str); 3] = [
    ("STOP_GUARD_SMTP_URL", "smtps://guard:T0K3N@mail.example"),
    ("STOP_GUARD_EMAIL_FROM", "guard@contoso.example"),
    ("STOP_GUARD_EMAIL_TO", "soc@contoso.example"),
];

/// What is wrong with the shipped file when this is replaced by that.
fn faults(from: &str, to: &str) -> String {
    let text = file("email");
    assert!(text.contains(from), "{from}");
    prepared("email", &text.replacen(from, to, 1), &SETTINGS).unwrap_err().join("\n")
}

#[test]
fn a_file_of_e_mail_that_is_not_whole_is_told_with_its_line() {
    assert_eq!(
        faults("transport = \"smtp\"", ""),
        "sinks/email.toml:23: a `[mail]` needs `transport = \"smtp\"`"
    );
    assert_eq!(
        faults("kind = \"sender\"", "kind = \"text\""),
        "sinks/email.toml:24: the mail wants a setting `from` of kind `sender`"
    );
    assert_eq!(
        faults("to = \"to\"", "to = \"too\""),
        "sinks/email.toml:25: the mail wants a setting `too` of kind `recipients`"
    );
    let step = "[[step]]\nname = \"x\"\nurl = \"https://x.example\"\n\n[mail]";
    assert_eq!(faults("[mail]", step), "sinks/email.toml:1: a sink over `smtp` has a `[mail]` and no steps");
    assert!(faults("{{ fact.name }}", "{{ fact.nam.e }}").starts_with("sinks/email.toml:"));
    assert!(faults("{{ fact.name }}", "{{ settings.server }}").contains("undefined"));
}

#[test]
fn settings_of_e_mail_are_checked_and_not_shown() {
    let with = |at: usize, value: &'static str| {
        let mut settings = SETTINGS;
        settings[at].1 = value;
        prepared("email", &file("email"), &settings).unwrap_err().join("\n")
    };
    for (at, value, begins) in [
        (0, "http://guard:T0K3N@mail.example", "STOP_GUARD_SMTP_URL must be `smtps://"),
        (1, "guard", "STOP_GUARD_EMAIL_FROM must be one e-mail address"),
        (2, "soc@contoso.example,", "STOP_GUARD_EMAIL_TO must be 1 to 20 e-mail addresses"),
    ] {
        let told = with(at, value);
        assert!(told.starts_with(begins) && !told.contains("T0K3N"), "{told}");
    }
}

#[test]
fn what_would_be_sent_is_shown_without_the_server() {
    let shown = shipped("email").show(&opened()).unwrap().remove(0);
    let shown = serde_json::to_string(&shown).unwrap();
    assert!(shown.contains("soc@contoso.example") && shown.contains("<table>"), "{shown}");
    assert!(!shown.contains("T0K3N") && !shown.contains("mail.example\""), "{shown}");
}
