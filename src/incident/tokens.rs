//! Entra tokens for sinks, and the only hosts that each may be sent to.

use async_trait::async_trait;
use url::{Host, Url};

/// Where tokens come from.
#[async_trait]
pub trait SinkTokens: Send + Sync {
    /// A token for a scope, good for a minute at least.
    ///
    /// # Errors
    /// Why there is none, safe to show.
    async fn token(&self, scope: &str) -> Result<String, String>;

    /// The receiver answered 401 to this token: the next call gets another.
    fn reject(&self, scope: &str, token: &str);
}

/// A scope with its home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The word for it in sinks' files.
    pub word: &'static str,
    /// The scope itself, in the configured cloud.
    pub scope: String,
    /// Where its tokens may go.
    pub home: Home,
}

/// Where tokens of a scope may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// To this origin: scheme, host and port.
    Origin(String),
    /// By https to hosts that end so (`.ingest.monitor.azure.com`).
    Hosts(&'static str),
    /// To this machine: where ARM itself is an emulator here, every service is.
    Loopback,
}

/// The scopes that there are tokens for, and the address of ARM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Azure {
    /// ARM's origin, `azure.arm` in templates.
    pub arm: String,
    /// The table.
    pub scopes: Vec<Scope>,
}

impl Azure {
    /// The scope that a file means.
    pub(super) fn scope(&self, named: &str) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.word == named || scope.scope == named)
    }
}

impl Scope {
    /// Whether a token of this scope may go to `url`.
    pub(super) fn is_home(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        match &self.home {
            Home::Origin(origin) => url.origin().ascii_serialization() == *origin,
            Home::Hosts(suffix) => {
                let is_host = matches!(url.host(), Some(Host::Domain(host)) if host.to_ascii_lowercase().ends_with(suffix));
                url.scheme() == "https" && url.port().is_none() && is_host
            }
            Home::Loopback => match url.host() {
                Some(Host::Domain(host)) => host == "localhost",
                Some(Host::Ipv4(ip)) => ip.is_loopback(),
                Some(Host::Ipv6(ip)) => ip.is_loopback(),
                None => false,
            },
        }
    }
}
