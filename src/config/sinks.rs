//! Where people are told.

use std::sync::Arc;

use super::fault::{Fault, FaultKind};
use super::reader::{Reader, meant, words};
use super::routes::name_of;
use super::{SINKS_SETTING, WEBHOOK_SECRET_SETTING, WEBHOOK_URL_SETTING};
use crate::incident::webhook::WebhookError;
use crate::incident::{HttpSend, Webhook};

/// The sink's name.
pub(super) const WEBHOOK: &str = "webhook";

/// The sinks that this version knows.
const KNOWN: [&str; 1] = [WEBHOOK];

/// Sets up the sink `webhook` if it is named.
pub(super) fn read(reader: &mut Reader<'_>, http: &Arc<dyn HttpSend>) -> Option<Webhook> {
    let names: Vec<&str> = reader.get(SINKS_SETTING).map(words).into_iter().flatten().map(name_of).collect();
    for name in names.iter().filter(|name| !KNOWN.contains(name)) {
        let problem = match meant(name, &KNOWN) {
            Some(meant) => format!("is no sink: did you mean `{meant}`?"),
            None => format!("is no sink of this version: it knows `{WEBHOOK}`"),
        };
        reader.invalid(SINKS_SETTING, name, &problem);
    }
    let url = reader.get(WEBHOOK_URL_SETTING);
    let secret = reader.get(WEBHOOK_SECRET_SETTING);
    if !names.contains(&WEBHOOK) {
        let given = url.map(|_| WEBHOOK_URL_SETTING).or(secret.map(|_| WEBHOOK_SECRET_SETTING));
        if let Some(setting) = given {
            let told =
                format!("is not used: {SINKS_SETTING} doesn't name `{WEBHOOK}`; add it there or remove this");
            reader.fault(Fault::about(setting, FaultKind::Invalid, &told));
        }
        return None;
    }
    let Some(url) = url else {
        let remedy = format!("{SINKS_SETTING} names `{WEBHOOK}`, so write the address that gets incidents");
        reader.missing(WEBHOOK_URL_SETTING, &remedy);
        return None;
    };
    // Once without the secret, so that a wrong address is told beside a wrong secret.
    for tried in [Webhook::new(url, None, Arc::clone(http)), Webhook::new(url, secret, Arc::clone(http))] {
        match tried {
            Ok(_) => {}
            Err(WebhookError::Address(error)) => broken(reader, WEBHOOK_URL_SETTING, &error),
            Err(WebhookError::Secret(error)) => broken(reader, WEBHOOK_SECRET_SETTING, &error),
        }
    }
    Webhook::new(url, secret, Arc::clone(http)).ok()
}

/// Says what is wrong without the value: it may be, or hold, a secret.
fn broken(reader: &mut Reader<'_>, setting: &str, error: &dyn std::error::Error) {
    reader.fault(Fault::about(setting, FaultKind::Invalid, &error.to_string()));
}
