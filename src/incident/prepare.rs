//! From a sink's file and its settings to a sink that is ready: compiled, and tried out on sample incidents.

use std::collections::BTreeMap;

use ::http::{HeaderName, HeaderValue, Method as HttpMethod};
use base64::Engine as _;
use jiff::tz::TimeZone;
use minijinja::value::Value;
use serde_json::Value as Json;
use toml::Spanned;

use super::address::Address;
use super::fault::{SinkFault, first_line, line_of};
use super::file::{self, Auth, Method, Setting, SettingKind, SinkFile, Step};
use super::mail::Mail;
use super::request::{Part, Proof, Request, reason};
use super::samples;
use super::signature::Secret;
use super::sink::PreparedSink;
use super::smtp::{self, MailServer};
use super::template::{Kind, Templates, checked, value};
use super::tokens::Azure;

/// Longest value of a setting in bytes: as long as a certificate's.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// What is wrong with a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareFault {
    /// Something in its file.
    File(SinkFault),
    /// A setting that it needs is not there.
    Missing {
        /// The environment variable.
        env: String,
        /// What to write there.
        about: String,
    },
    /// A setting can't be used. The text shows nothing of its value.
    Invalid {
        /// The environment variable.
        env: String,
        /// Continues a sentence that begins with it.
        problem: String,
    },
}

/// What a sink is made of.
pub struct Parts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its file, as people can open it.
    pub path: &'a str,
    /// What is in there.
    pub text: &'a str,
    /// The same, read.
    pub file: &'a SinkFile,
    /// Reads an environment variable; an empty one counts as none.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The zone of times that people read.
    pub zone: TimeZone,
    /// What Azure is.
    pub azure: Azure,
}

/// The values of the settings, as templates and proofs want them.
struct Values {
    /// As texts. What is missing is made up, so that the file is checked all the same.
    texts: BTreeMap<String, Option<String>>,
    for_templates: Value,
    keys: BTreeMap<String, Option<Secret>>,
    secrets: Vec<String>,
    is_whole: bool,
}

/// Makes a sink ready.
///
/// # Errors
/// All that is wrong with it, in the order of the file.
pub fn prepare(parts: Parts<'_>) -> Result<PreparedSink, Vec<PrepareFault>> {
    let (sink, faults) = sample_ready(parts);
    match sink {
        Some(sink) if faults.is_empty() => Ok(sink),
        _ => Err(faults),
    }
}

/// The same for samples: a sink whose settings are missing is there as well, with made-up values; it must not deliver anything.
pub fn sample_ready(parts: Parts<'_>) -> (Option<PreparedSink>, Vec<PrepareFault>) {
    let mut faults = Vec::new();
    let values = values(&parts, &mut faults);
    let mut templates = Templates::new();
    let mut requests = Vec::new();
    let mut compiler =
        Compiler { parts: &parts, values: &values, templates: &mut templates, faults: Vec::new() };
    for step in &parts.file.steps {
        requests.extend(compiler.request(step));
    }
    let mail = parts.file.mail.as_ref().and_then(|mail| compiler.mail(mail));
    let compiled = compiler.faults;
    let is_compiled = compiled.is_empty();
    faults.extend(compiled.into_iter().map(PrepareFault::File));
    if !is_compiled {
        return (None, faults);
    }
    let azure = value(BTreeMap::from([("arm", checked(&parts.azure.arm))]));
    let sink = PreparedSink {
        name: parts.name.to_owned(),
        about: parts.file.about.clone(),
        requests,
        mail,
        templates,
        settings: values.for_templates,
        azure,
        body_bytes_max: parts.file.body_bytes_max,
        zone: parts.zone.clone(),
        secrets: values.secrets,
    };
    // In a thread of its own: what a thread's end leaves free in its arena of the allocator goes back to the system. The largest
    // incident would leave megabytes.
    let tried =
        std::thread::scope(|scope| scope.spawn(|| sink.try_out(samples::all(), values.is_whole)).join());
    let tried: Vec<PrepareFault> = tried
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        .into_iter()
        .map(|error| PrepareFault::File(SinkFault::new(parts.path, Some(error.line), &error.message)))
        .collect();
    faults.extend(tried);
    (Some(sink), faults)
}

fn values(parts: &Parts<'_>, faults: &mut Vec<PrepareFault>) -> Values {
    let mut values = Values {
        texts: BTreeMap::new(),
        for_templates: Value::from(()),
        keys: BTreeMap::new(),
        secrets: Vec::new(),
        is_whole: true,
    };
    let mut shown: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, setting) in &parts.file.settings {
        let env = setting.env.get_ref();
        let given = (parts.env)(env).or_else(|| setting.default.clone());
        let text = match given {
            Some(text) => match check(setting, &text) {
                Ok(()) => {
                    values.secrets.extend(setting.secret.then(|| text.clone()));
                    Some(text)
                }
                Err(problem) => {
                    faults.push(PrepareFault::Invalid { env: env.clone(), problem });
                    values.is_whole = false;
                    Some(made_up(setting))
                }
            },
            None if setting.optional => None,
            None => {
                faults.push(PrepareFault::Missing { env: env.clone(), about: setting.about.clone() });
                values.is_whole = false;
                Some(made_up(setting))
            }
        };
        let for_templates = match (&text, setting.kind) {
            (None, _) => Value::from(()),
            (Some(_), SettingKind::SigningKey | SettingKind::MailServer) => Value::UNDEFINED,
            (Some(text), SettingKind::Url | SettingKind::Path) => checked(text.trim_end_matches('/')),
            (Some(text), SettingKind::Text | SettingKind::Sender | SettingKind::Recipients) => {
                Value::from(text.as_str())
            }
        };
        match setting.kind {
            SettingKind::SigningKey => {
                values.keys.insert(name.clone(), text.as_deref().and_then(|text| Secret::parse(text).ok()));
            }
            SettingKind::MailServer => {}
            SettingKind::Text
            | SettingKind::Url
            | SettingKind::Path
            | SettingKind::Sender
            | SettingKind::Recipients => {
                shown.insert(name, for_templates);
            }
        }
        values.texts.insert(name.clone(), text);
    }
    values.for_templates = value(shown);
    values
}

/// What is wrong with a value, without the value: it may be, or hold, a secret.
fn check(setting: &Setting, text: &str) -> Result<(), String> {
    if text.len() > VALUE_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("must be one line of at most {VALUE_BYTES_MAX} bytes"));
    }
    if let Some(chars) = setting.chars
        && text.chars().count() != chars
    {
        return Err(format!("must have {chars} characters, not {}", text.chars().count()));
    }
    match setting.kind {
        SettingKind::Text => Ok(()),
        SettingKind::Url => Address::parse(text).map(|_| ()).map_err(|error| error.to_string()),
        SettingKind::SigningKey => Secret::parse(text).map(|_| ()).map_err(|error| error.to_string()),
        SettingKind::MailServer => smtp::check_server(text).map_err(|error| error.to_string()),
        SettingKind::Sender => smtp::check_sender(text).map_err(|error| error.to_string()),
        SettingKind::Recipients => smtp::check_recipients(text).map_err(|error| error.to_string()),
        SettingKind::Path => {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.()/".contains(&byte));
            let climbs = text.split('/').any(|part| part == "." || part == "..");
            let is_path = text.starts_with('/') && is_plain && !climbs && !text.contains("//");
            is_path.then_some(()).ok_or_else(|| "must be a resource id like `/subscriptions/...`".to_owned())
        }
    }
}

/// A value of the right form for a setting that is not there.
fn made_up(setting: &Setting) -> String {
    match setting.kind {
        SettingKind::Text => "x".repeat(setting.chars.unwrap_or(8)),
        SettingKind::Url => "https://sink.example.invalid".to_owned(),
        SettingKind::Path => "/x".to_owned(),
        SettingKind::SigningKey => String::new(),
        SettingKind::MailServer => "smtps://mail.example.invalid".to_owned(),
        SettingKind::Sender | SettingKind::Recipients => "stop-guard@example.invalid".to_owned(),
    }
}

struct Compiler<'a, 'p> {
    parts: &'a Parts<'p>,
    values: &'a Values,
    templates: &'a mut Templates,
    faults: Vec<SinkFault>,
}

impl Compiler<'_, '_> {
    fn request(&mut self, step: &Step) -> Option<Request> {
        let name = step.name.get_ref();
        let when =
            step.when.as_ref().map(|source| self.part(&format!("{name}/when"), Kind::Condition, source));
        let url = self.part(&format!("{name}/url"), Kind::Url, &step.url);
        let headers: Vec<_> =
            step.headers.iter().map(|(header, source)| self.header(name, header, source)).collect();
        let body = step.body.as_ref().map(|source| self.part(&format!("{name}/body"), Kind::Json, source));
        let auth = self.proof(step);
        Some(Request {
            name: name.clone(),
            states: step.states.clone(),
            when: optional(when)?,
            method: match step.method {
                Method::Get => HttpMethod::GET,
                Method::Post => HttpMethod::POST,
                Method::Put => HttpMethod::PUT,
                Method::Patch => HttpMethod::PATCH,
            },
            url: url?,
            is_url_secret: self.names_secret(step.url.get_ref()),
            headers: headers.into_iter().collect::<Option<_>>()?,
            body: optional(body)?,
            auth: auth?,
            answers: step.answers.clone(),
            example: step
                .example
                .as_ref()
                .and_then(|text| serde_json::from_str(text.get_ref()).ok())
                .unwrap_or(Json::Null),
        })
    }

    fn mail(&mut self, mail: &file::Mail) -> Option<Mail> {
        let urgent = mail.urgent.as_ref().map(|source| self.part("mail/urgent", Kind::Condition, source));
        let subject = self.part("mail/subject", Kind::Text, &mail.subject);
        let text = self.part("mail/text", Kind::Text, &mail.text);
        let html = self.part("mail/html", Kind::Html, &mail.html);
        let setting = |name: &Spanned<String>| {
            self.values.texts.get(name.get_ref()).cloned().flatten().unwrap_or_default()
        };
        let (server, from, to) = (setting(&mail.server), setting(&mail.from), setting(&mail.to));
        let server = match MailServer::new(&server, &from, &to) {
            Ok(server) => server,
            // A default that is none: values of the environment were checked.
            Err(fault) => {
                return self.fault(mail.server.span().start, format!("a setting of the mail {fault}"));
            }
        };
        Some(Mail {
            server,
            from,
            to,
            urgent: optional(urgent)?,
            subject: subject?,
            text: text?,
            html: html?,
        })
    }

    fn part(&mut self, name: &str, kind: Kind, source: &Spanned<String>) -> Option<Part> {
        let line = first_line(self.parts.text, source.span().start);
        match self.templates.add(name, kind, source.get_ref()) {
            Ok(template) => Some(Part { template, line }),
            Err(error) => {
                let error = reason(&error, line, &self.values.secrets);
                self.faults.push(SinkFault::new(self.parts.path, Some(error.line), &error.message));
                None
            }
        }
    }

    fn header(&mut self, step: &str, name: &str, source: &Spanned<String>) -> Option<(HeaderName, Part)> {
        let part = self.part(&format!("{step}/{name}"), Kind::Header, source);
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(header) => Some((header, part?)),
            Err(_) => self.fault(source.span().start, format!("`{name}` is no header")),
        }
    }

    fn proof(&mut self, step: &Step) -> Option<Proof> {
        let text = |name: &str| self.values.texts.get(name).cloned().flatten().unwrap_or_default();
        match &step.auth {
            Auth::None => Some(Proof::None),
            Auth::Basic { user, password } => {
                let both = format!("{}:{}", text(user), text(password));
                let header = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both));
                // Base64 is always a header's value.
                let mut header = HeaderValue::from_str(&header).ok()?;
                header.set_sensitive(true);
                Some(Proof::Basic(header))
            }
            Auth::StandardWebhooks(name) => match self.values.texts.get(name) {
                Some(Some(key)) => Some(Proof::Signature(Secret::parse(key).ok())),
                Some(None) | None => Some(Proof::Signature(None)),
            },
            Auth::Entra(scope) => match self.parts.azure.scope(scope) {
                Some(scope) => Some(Proof::Token(scope.clone())),
                None => {
                    let known: Vec<String> =
                        self.parts.azure.scopes.iter().map(|scope| format!("`{}`", scope.word)).collect();
                    let told =
                        format!("there are no tokens for `{scope}`: there are for {}", known.join(" and "));
                    self.fault(step.name.span().start, told)
                }
            },
        }
    }

    fn fault<T>(&mut self, at: usize, message: String) -> Option<T> {
        self.faults.push(SinkFault::new(self.parts.path, Some(line_of(self.parts.text, at)), &message));
        None
    }

    fn names_secret(&self, source: &str) -> bool {
        let mut secrets = self.parts.file.settings.iter().filter(|(_, setting)| setting.secret);
        secrets.any(|(name, _)| source.contains(&format!("settings.{name}")) || source.contains("settings["))
    }
}

/// Nothing, if there is nothing to compile; `None` if it could not be compiled.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether it worked, the inner one whether there is one"
)]
fn optional<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => part.map(Some),
    }
}
