//! The receiver's URL. Its path and query may hold a token, so only its host is ever shown.

use std::net::IpAddr;

use http::Uri;
use url::{Host, Url};

/// Longest URL that is accepted, in bytes. Receivers' URLs with a token have a few hundred.
const URL_BYTES_MAX: usize = 2_048;

/// Why a text can't be the receiver's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    /// Not a URL, or far too long for one.
    #[error("is not a URL")]
    Malformed,
    /// Anybody on the way could read and change the messages.
    #[error("must be https, or http to this machine")]
    Insecure,
    /// Credentials in front of the host are shown by many tools.
    #[error("must not hold a user name or password")]
    Credentials,
}

/// A URL that messages may be sent to.
pub(super) struct Address {
    uri: Uri,
    host: String,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > URL_BYTES_MAX {
            return Err(AddressError::Malformed);
        }
        let mut url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
        let host = url.host().ok_or(AddressError::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&host) => {}
            _ => return Err(AddressError::Insecure),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        let host = host.to_string();
        url.set_fragment(None);
        let uri = url.as_str().parse().map_err(|_| AddressError::Malformed)?;
        Ok(Self { uri, host })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(ip) => IpAddr::from(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::from(*ip).is_loopback(),
    }
}
