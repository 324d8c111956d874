//! What a sink's file says: its settings, and the requests that tell an incident. docs/SINKS.md is its reference.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::fault::{SinkFault, line_of};
use crate::domain::IncidentState;

/// Longest file in bytes: ten times the longest shipped one.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Most requests of one sink: a message is told within one delivery's time.
const STEPS_MAX: usize = 8;
/// What a body may have if the file doesn't say.
const BODY_BYTES_DEFAULT: usize = 256 * 1024;
/// Settings of sinks begin so; those of the guard itself are not theirs to read.
const ENV_PREFIX: &str = "STOP_GUARD_";

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SinkFile {
    /// What it is, in a line.
    pub about: String,
    /// How messages leave.
    #[serde(default)]
    pub transport: Transport,
    /// Its settings, by the names that templates use.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// Longest body in bytes that the receiver takes. Longer ones lose entries of their lists.
    #[serde(default = "body_bytes_default")]
    pub body_bytes_max: usize,
    /// The requests, in order.
    #[serde(rename = "step", default)]
    pub steps: Vec<Step>,
    /// The e-mail, if messages leave by SMTP.
    pub mail: Option<Mail>,
}

fn body_bytes_default() -> usize {
    BODY_BYTES_DEFAULT
}

/// How messages leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// As HTTP requests.
    #[default]
    Http,
    /// As e-mail to a server.
    Smtp,
}

/// An e-mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mail {
    /// The setting with the server, of kind `mail-server`.
    pub server: Spanned<String>,
    /// The setting with the sender, of kind `sender`.
    pub from: Spanned<String>,
    /// The setting with the recipients, of kind `recipients`.
    pub to: Spanned<String>,
    /// A condition: whether a phone should make noise.
    pub urgent: Option<Spanned<String>>,
    /// The subject. Mail clients keep messages together whose subjects are the same.
    pub subject: Spanned<String>,
    /// The message as plain text.
    pub text: Spanned<String>,
    /// The same as HTML.
    pub html: Spanned<String>,
}

impl Mail {
    /// Its settings, with the kinds that they must have.
    fn settings(&self) -> [(&Spanned<String>, SettingKind); 3] {
        [
            (&self.server, SettingKind::MailServer),
            (&self.from, SettingKind::Sender),
            (&self.to, SettingKind::Recipients),
        ]
    }
}

/// A setting that people fill in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// The environment variable.
    pub env: Spanned<String>,
    /// What to write there, in a line.
    pub about: String,
    /// Whether nobody may see it. A URL with a secret in it is one.
    #[serde(default)]
    pub secret: bool,
    /// What it is.
    #[serde(default)]
    pub kind: SettingKind,
    /// Used if nothing is written.
    pub default: Option<String>,
    /// Whether the sink works without.
    #[serde(default)]
    pub optional: bool,
    /// Its length in characters, if there is only one.
    pub chars: Option<usize>,
}

/// What a setting is: how it is checked, and how it may be put into URLs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// Any text.
    #[default]
    Text,
    /// https, or http to this machine; goes into URLs as it is.
    Url,
    /// Ids and names between slashes, beginning with one; goes into URLs as it is.
    Path,
    /// A secret as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in base64.
    SigningKey,
    /// A mail server's URL, `smtps://user:password@host`; no template sees it.
    MailServer,
    /// One e-mail address, with or without a name.
    Sender,
    /// E-mail addresses, comma separated.
    Recipients,
}

impl SettingKind {
    /// The word for it in files.
    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "url",
            Self::Path => "path",
            Self::SigningKey => "signing-key",
            Self::MailServer => "mail-server",
            Self::Sender => "sender",
            Self::Recipients => "recipients",
        }
    }
}

/// One request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// Its name: later steps find the answer by it.
    pub name: Spanned<String>,
    /// For which states of an incident; all if not written.
    #[serde(default = "all_states")]
    pub states: Vec<IncidentState>,
    /// A condition over the incident and earlier answers.
    pub when: Option<Spanned<String>>,
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// The URL.
    pub url: Spanned<String>,
    /// Headers beside `content-type`, which is JSON's if not written, and those that authentication brings.
    #[serde(default)]
    pub headers: BTreeMap<String, Spanned<String>>,
    /// The body: JSON.
    pub body: Option<Spanned<String>>,
    /// How the guard says who it is.
    #[serde(default)]
    pub auth: Auth,
    /// What answers mean.
    #[serde(default)]
    pub answers: Answers,
    /// An answer's body as the receiver gives it, for checks and for `sink render`, where later steps need one.
    pub example: Option<Spanned<String>>,
}

fn all_states() -> Vec<IncidentState> {
    vec![IncidentState::Opened, IncidentState::Updated, IncidentState::Resolved]
}

/// A request's method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Looks something up.
    Get,
    /// Tells.
    #[default]
    Post,
    /// Makes or replaces.
    Put,
    /// Changes.
    Patch,
}

/// How the guard says who it is. Secrets in headers and URLs are written there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Auth {
    /// Not, or by what is in the URL or the headers.
    #[default]
    None,
    /// HTTP Basic, with the names of two settings.
    Basic {
        /// The setting with the user's name.
        user: String,
        /// The setting with the password.
        password: String,
    },
    /// Signed as Standard Webhooks has it, with the setting of this name; unsigned if that is optional and not there.
    StandardWebhooks(String),
    /// An Entra token: `arm`, `monitor`, or one of their scopes. It is sent to no host but those that the scope belongs to.
    Entra(String),
}

/// What answers mean. Rules come first, in order; then the statuses. What is left is tried again: often enough to be quick once people
/// have mended it, seldom enough not to be taken for an attack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Answers {
    /// The receiver has it.
    pub delivered: Vec<Status>,
    /// No try will succeed.
    pub give_up: Vec<Status>,
    /// What an answer's body says otherwise.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
    /// JSON pointer to what the receiver calls what it made.
    pub reference: Option<String>,
    /// JSON pointer to what the receiver says is wrong.
    pub error: Option<String>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            delivered: vec![Status::Class(2)],
            give_up: vec![Status::Code(410)],
            rules: Vec::new(),
            reference: None,
            error: None,
        }
    }
}

/// One status, or all of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// This one.
    Code(u16),
    /// `2xx` and the like.
    Class(u16),
}

impl Status {
    /// Whether a status is meant.
    pub fn covers(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Status;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status from 100 to 599, or a class like \"5xx\"")
            }

            fn visit_i64<E: serde::de::Error>(self, code: i64) -> Result<Status, E> {
                let code = u16::try_from(code).ok().filter(|code| (100..=599).contains(code));
                code.map(Status::Code).ok_or_else(|| E::custom("a status is from 100 to 599"))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Status, E> {
                let class = text.strip_suffix("xx").and_then(|class| class.parse().ok());
                let class = class.filter(|class| (1..=5).contains(class));
                class.map(Status::Class).ok_or_else(|| E::custom("a class is one of \"1xx\" to \"5xx\""))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What an answer means whose status and body are such. A condition that is not written holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// Its status is one of these.
    #[serde(default)]
    pub status: Vec<Status>,
    /// JSON pointer to the part of the body that is looked at; the whole body as text if not written.
    pub pointer: Option<String>,
    /// It is this.
    pub is: Option<String>,
    /// It is anything but this.
    pub is_not: Option<String>,
    /// It holds this.
    pub contains: Option<String>,
    /// What that means.
    pub outcome: Outcome,
    /// Why, for people.
    pub why: Option<String>,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// Another try may succeed.
    Retry,
    /// No try will succeed.
    GiveUp,
}

impl SinkFile {
    /// Reads a file and checks what it says of itself. `own` are the guard's own settings.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn parse(name: &str, text: &str, own: &[&str]) -> Result<Self, Vec<SinkFault>> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            vec![SinkFault::new(name, line, error.message())]
        })?;
        let faults = file.faults(name, text, own);
        if faults.is_empty() { Ok(file) } else { Err(faults) }
    }

    fn faults(&self, name: &str, text: &str, own: &[&str]) -> Vec<SinkFault> {
        let mut faults = Vec::new();
        let mut fault = |at: usize, message: String| {
            faults.push(SinkFault::new(name, Some(line_of(text, at)), &message));
        };
        for setting in self.settings.values() {
            let (env, at) = (setting.env.get_ref(), setting.env.span().start);
            let is_name =
                env.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
            if !env.starts_with(ENV_PREFIX) || !is_name {
                fault(
                    at,
                    format!(
                        "`{env}` is no name for a setting of a sink: it must begin with {ENV_PREFIX} and be of A-Z, 0-9 and _"
                    ),
                );
            } else if own.contains(&env.as_str()) {
                fault(at, format!("{env} is a setting of the guard itself: a sink may not read it"));
            }
        }
        match (self.transport, &self.mail) {
            (Transport::Smtp, Some(mail)) if self.steps.is_empty() => {
                for (setting, kind) in mail.settings() {
                    let named = self.settings.get(setting.get_ref());
                    if named.is_none_or(|setting| setting.kind != kind || setting.optional) {
                        let told = format!(
                            "the mail wants a setting `{}` of kind `{}`",
                            setting.get_ref(),
                            kind.word()
                        );
                        fault(setting.span().start, told);
                    }
                }
            }
            (Transport::Smtp, _) => fault(0, "a sink over `smtp` has a `[mail]` and no steps".to_owned()),
            (Transport::Http, Some(mail)) => {
                fault(mail.server.span().start, "a `[mail]` needs `transport = \"smtp\"`".to_owned());
            }
            (Transport::Http, None) if self.steps.is_empty() || self.steps.len() > STEPS_MAX => {
                fault(0, format!("a sink has 1 to {STEPS_MAX} steps"));
            }
            (Transport::Http, None) => {}
        }
        let mut seen: Vec<&str> = Vec::new();
        for step in &self.steps {
            let (step_name, at) = (step.name.get_ref().as_str(), step.name.span().start);
            if seen.contains(&step_name) {
                fault(at, format!("there are two steps `{step_name}`"));
            }
            seen.push(step_name);
            let named = match &step.auth {
                Auth::None | Auth::Entra(_) => vec![],
                Auth::Basic { user, password } => vec![user, password],
                Auth::StandardWebhooks(key) => vec![key],
            };
            for setting in named {
                if !self.settings.contains_key(setting) {
                    fault(
                        at,
                        format!(
                            "step `{step_name}` authenticates with a setting `{setting}`, which there is not"
                        ),
                    );
                }
            }
            if let Some(example) = &step.example
                && let Err(error) = serde_json::from_str::<serde_json::Value>(example.get_ref())
            {
                fault(example.span().start, format!("the example is no JSON: {error}"));
            }
        }
        faults
    }
}
