//! E-mail: one message to a mail server, over TLS (RFC 5321 and 8314).
//!
//! Threads of a mail client are made of `Message-ID` and `References`, so the messages of one incident name its first. Texts reach
//! headers only as a subject, which the library encodes.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::{Host, Url};

use super::{Delivered, DeliveryError};
use crate::domain::text::clean;

/// Longest time for one exchange with the server, as for a request over HTTP.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// Recipients of one message: a list of people is the mail server's matter.
const RECIPIENTS_MAX: usize = 20;
/// Longest subject in characters: what a list of mails shows.
const SUBJECT_CHARS_MAX: usize = 200;
/// Longest reason in characters.
const REASON_CHARS_MAX: usize = 200;
/// Port for TLS from the first byte (RFC 8314, 3.3).
const SUBMISSIONS_PORT: u16 = 465;
/// Port for STARTTLS (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// Tells other programs not to answer (RFC 3834, 5), and Exchange the same in its own words.
const AUTOMATIC: [(&str, &str); 2] =
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

/// Why a setting can't be used. No text shows the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmtpFault {
    /// The server's address is none.
    #[error(
        "must be `smtps://user:password@host` or, for STARTTLS, `smtp://user:password@host`, with a port if it is another"
    )]
    Server,
    /// The sender's address is none.
    #[error("must be one e-mail address, with or without a name: `Stop guard <stop-guard@contoso.com>`")]
    Sender,
    /// The recipients' addresses are none, or too many.
    #[error("must be 1 to {RECIPIENTS_MAX} e-mail addresses, comma separated")]
    Recipients,
}

/// A mail server, and between whom it carries messages.
#[derive(Debug, Clone)]
pub struct MailServer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter<'a> {
    /// The subject: the same for all messages of an incident, or mail clients don't keep them together.
    pub subject: &'a str,
    /// As plain text.
    pub text: &'a str,
    /// The same as HTML.
    pub html: &'a str,
    /// Names this message among all.
    pub id: &'a str,
    /// The id of the first message of the incident, if this is a later one.
    pub first: Option<&'a str>,
    /// Whether a phone should make noise.
    pub is_urgent: bool,
    /// When it was written.
    pub at: Timestamp,
}

impl MailServer {
    /// A server by its URL, a sender, and recipients. `smtps` is TLS from the first byte; `smtp` is STARTTLS, which the server must offer,
    /// but to this machine, where it is neither.
    ///
    /// # Errors
    /// Which of the three can't be used.
    pub fn new(server: &str, from: &str, to: &str) -> Result<Self, SmtpFault> {
        let transport = transport(server).ok_or(SmtpFault::Server)?;
        Ok(Self { transport, from: sender(from)?, to: recipients(to)? })
    }

    /// Hands a message to the server. Its answer is that it took it: whether people get it is between servers from there.
    ///
    /// # Errors
    /// Whether another try can help. The text names neither the server nor the user.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<Delivered, DeliveryError> {
        let message = self.message(letter).map_err(|error| DeliveryError::GiveUp { why: reason(&error) })?;
        match self.transport.send(message).await {
            Ok(answer) => {
                Ok(Delivered { status: answer.code().into(), reference: Some(self.message_id(letter.id)) })
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Connects, logs in and hangs up: nothing is sent.
    ///
    /// # Errors
    /// Why not, in words that may quote the server.
    pub async fn check(&self) -> Result<(), String> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("the server hung up".to_owned()),
            Err(error) => Err(reason(&error)),
        }
    }

    fn message(&self, letter: &Letter<'_>) -> Result<Message, lettre::error::Error> {
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(subject(letter.subject))
            .message_id(Some(self.message_id(letter.id)))
            .date(SystemTime::from(letter.at));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        if let Some(first) = letter.first {
            let first = self.message_id(first);
            builder = builder.in_reply_to(first.clone()).references(first);
        }
        let urgent = letter.is_urgent.then_some(("Importance", "high"));
        for (name, value) in AUTOMATIC.into_iter().chain(urgent) {
            if let Ok(name) = HeaderName::new_from_ascii(name.to_owned()) {
                builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
            }
        }
        builder.multipart(MultiPart::alternative_plain_html(letter.text.to_owned(), letter.html.to_owned()))
    }

    /// `<id@domain of the sender>`, of characters that need no quotes there (RFC 5322, 3.6.4).
    fn message_id(&self, id: &str) -> String {
        let id: String =
            id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        format!("<{id}@{}>", self.from.email.domain())
    }
}

/// Whether a text is a server's URL.
pub(super) fn check_server(text: &str) -> Result<(), SmtpFault> {
    transport(text).map(|_| ()).ok_or(SmtpFault::Server)
}

/// Whether a text is a sender.
pub(super) fn check_sender(text: &str) -> Result<(), SmtpFault> {
    sender(text).map(|_| ())
}

/// Whether a text is a list of recipients.
pub(super) fn check_recipients(text: &str) -> Result<(), SmtpFault> {
    recipients(text).map(|_| ())
}

fn sender(text: &str) -> Result<Mailbox, SmtpFault> {
    text.trim().parse().map_err(|_| SmtpFault::Sender)
}

fn recipients(text: &str) -> Result<Vec<Mailbox>, SmtpFault> {
    let parsed = text.split(',').map(|address| address.trim().parse().map_err(|_| SmtpFault::Recipients));
    let recipients: Vec<Mailbox> = parsed.collect::<Result<_, _>>()?;
    if recipients.len() <= RECIPIENTS_MAX { Ok(recipients) } else { Err(SmtpFault::Recipients) }
}

/// A subject as people read it. One that looks encoded already (RFC 2047) would be sent as it is, and be decoded by the reader's client into
/// whatever its author wrote there.
fn subject(text: &str) -> String {
    clean(&text.replace("=?", "= ?"), SUBJECT_CHARS_MAX)
}

fn transport(server: &str) -> Option<AsyncSmtpTransport<Tokio1Executor>> {
    let url = Url::parse(server.trim()).ok()?;
    let host = url.host()?;
    let is_bare = url.query().is_none() && url.fragment().is_none() && matches!(url.path(), "" | "/");
    let tls = || TlsParameters::new(host.to_string()).ok();
    let (tls, port) = match (url.scheme(), is_bare) {
        ("smtps", true) => (Tls::Wrapper(tls()?), SUBMISSIONS_PORT),
        ("smtp", true) if is_this_machine(&host) => (Tls::None, SUBMISSION_PORT),
        ("smtp", true) => (Tls::Required(tls()?), SUBMISSION_PORT),
        _ => return None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(bare(&host))
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(EXCHANGE_TIMEOUT));
    let decoded = |part: &str| percent_decoded(part).filter(|part| !part.chars().any(char::is_control));
    match (url.username(), url.password()) {
        ("", None) => {}
        ("", Some(_)) | (_, None) => return None,
        (user, Some(password)) => {
            builder = builder.credentials(Credentials::new(decoded(user)?, decoded(password)?));
        }
    }
    Some(builder.build())
}

fn percent_decoded(part: &str) -> Option<String> {
    // Of a form, in which a plus sign would be a space.
    let pair = format!("x={}", part.replace('+', "%2B"));
    let decoded: String =
        url::form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect();
    (!decoded.contains(char::REPLACEMENT_CHARACTER)).then_some(decoded)
}

/// A host as a socket wants it: an IPv6 address without its brackets.
fn bare(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => (*name).to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    }
}

/// The URL's parser leaves the host of a scheme that it doesn't know as a name, even if it is an address.
fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

/// A 4xx is the server's own "later". Of the 5xx, those about logging in and encryption pass when somebody has mended a setting; the others
/// are about this message or its recipients, and stay.
fn failure(error: &lettre::transport::smtp::Error) -> DeliveryError {
    let Some(status) = error.status().map(u16::from) else {
        let what = match (error.is_tls(), error.is_timeout()) {
            (true, _) => "no TLS with the mail server",
            (false, true) => "the mail server did not answer in time",
            (false, false) => "no conversation with the mail server",
        };
        return DeliveryError::Retry { after: None, why: format!("{what}: {}", reason(error)) };
    };
    let said = std::error::Error::source(error).map(reason).unwrap_or_default();
    let why = format!("the mail server answered {status} {said}");
    match status {
        530 | 534 | 535 | 538 => DeliveryError::Retry { after: None, why },
        500.. => DeliveryError::GiveUp { why },
        _ => DeliveryError::Retry { after: None, why },
    }
}

/// What a library says, in one bounded line. Certificates' and sockets' faults name hosts at most.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    clean(&error.to_string().replace('\n', " "), REASON_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::{MailServer, SmtpFault};

    fn fault(server: &str, from: &str, to: &str) -> Option<SmtpFault> {
        MailServer::new(server, from, to).err()
    }

    #[test]
    fn settings_that_would_send_in_the_clear_or_to_nobody_are_refused() {
        let (from, to) = ("guard@contoso.com", "soc@contoso.com");
        for server in [
            "smtps://user:p%40ss@mail.contoso.com",
            "smtp://mail.contoso.com:2525",
            "smtp://127.0.0.1:1025",
            "smtp://[::1]:25",
            "smtp://user:pass@localhost",
        ] {
            assert_eq!(fault(server, from, to), None, "{server}");
        }
        for server in [
            "",
            "mail.contoso.com",
            "https://mail.contoso.com",
            "smtp://mail.contoso.com?tls=none",
            "smtps://mail.contoso.com/x",
            "smtps://user@mail.contoso.com",
            "smtps://us%0D%0Aer:pass@mail.contoso.com",
            "smtps://us%FFer:pass@mail.contoso.com",
        ] {
            assert_eq!(fault(server, from, to), Some(SmtpFault::Server), "{server}");
        }
        let server = "smtps://mail.contoso.com";
        for from in ["", "guard", "a@contoso.com, b@contoso.com", "guard@contoso.com\r\nBcc: x@y.z"] {
            assert_eq!(fault(server, from, to), Some(SmtpFault::Sender), "{from}");
        }
        let many = vec![to; 21].join(",");
        for to in ["", "soc", "soc@contoso.com,", "soc@contoso.com\r\nBcc: x@y.z", &many] {
            assert_eq!(fault(server, from, to), Some(SmtpFault::Recipients), "{to}");
        }
        assert_eq!(
            fault(server, "Stop guard <guard@contoso.com>", "SOC <soc@contoso.com>, dana@contoso.com"),
            None
        );
    }
}
