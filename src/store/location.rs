//! Where the state is: read from the settings, with secrets that can't be shown.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::{Host, Url};

use super::connection_string::ConnectionString;
use crate::domain::text;

/// The setting that says where the state is.
pub const STATE_SETTING: &str = "STOP_GUARD_STATE";
/// The setting that names the container, where [`STATE_SETTING`] doesn't.
pub const CONTAINER_SETTING: &str = "STOP_GUARD_STATE_CONTAINER";
/// The setting that moves the emulator.
pub const EMULATOR_SETTING: &str = "AZURITE_BLOB_STORAGE_URL";
/// The setting that says where Event Grid's dead letters are.
pub const DEAD_LETTERS_SETTING: &str = "STOP_GUARD_DEAD_LETTERS";
/// The container's name if no setting gives one.
const CONTAINER_DEFAULT: &str = "stop-guard";
/// What the name of the container for closed cases has after the state container's name.
const CASES_SUFFIX: &str = "-cases";

/// Host suffix of blob endpoints in the public cloud (source: "Storage account endpoints", Azure documentation).
pub const BLOB_SUFFIX_PUBLIC: &str = "blob.core.windows.net";
/// The same in Azure Government (source: "Compare Azure Government and global Azure").
pub const BLOB_SUFFIX_US_GOV: &str = "blob.core.usgovcloudapi.net";
/// The same in Azure operated by 21Vianet (source: "Azure China developer guide").
pub const BLOB_SUFFIX_CHINA: &str = "blob.core.chinacloudapi.cn";

/// The emulator's account and key, the same for everybody and so no secret (source: "Use the Azurite emulator for local
/// Azure Storage development", well-known storage account and key).
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Where the emulator listens unless it is moved (source: as above).
const EMULATOR_URL: &str = "http://127.0.0.1:10000";

/// Longest name of a container (source: "Naming and referencing containers, blobs, and metadata"), and so the longest
/// wrong name that is shown: an account's key has 88 characters.
const NAME_BYTES_MAX: usize = 63;

/// The settings that say where the state is, as they stand in the environment.
#[derive(Clone, Copy)]
pub struct LocationSettings<'a> {
    /// `STOP_GUARD_STATE`. May hold an account key.
    pub state: &'a str,
    /// `STOP_GUARD_STATE_CONTAINER`.
    pub container: Option<&'a str>,
    /// `AZURITE_BLOB_STORAGE_URL`.
    pub emulator_url: Option<&'a str>,
    /// The blob endpoints' host suffix in the cloud chosen, such as [`BLOB_SUFFIX_PUBLIC`].
    pub blob_suffix: &'a str,
}

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In this process, gone with it.
    Memory,
    /// In two containers of a storage account or of the emulator.
    Blobs(BlobLocation),
}

/// Two containers of a storage account, and how to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobLocation {
    /// The account's name.
    pub account: String,
    /// The account's blob endpoint.
    pub endpoint: Endpoint,
    /// The state container; the cases container is named after it.
    pub container: ContainerName,
    /// How requests are signed.
    pub access: Access,
}

/// How requests to the store are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// With the guard's Entra identity.
    Identity,
    /// With the account's key.
    AccountKey(Secret),
    /// With a shared access signature.
    Sas(Secret),
}

/// A text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The name of a state container, short enough for the cases container's name to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerName(String);

/// A blob endpoint: https, or plain http to this machine or to the emulator. Never ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why the settings don't say where the state is. Names the setting to mend; never prints a key or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Of no known form. The value isn't shown, it may hold a key.
    #[error(
        "{STATE_SETTING} is not `memory`, `azure://<account>/<container>`, `UseDevelopmentStorage=true` or a connection string"
    )]
    Form,
    /// Not the name of a container.
    #[error(
        "{setting}: `{name}` is not a container name (3 to 57 lower-case letters, digits and single hyphens)"
    )]
    Container {
        /// Which setting has it.
        setting: &'static str,
        /// The name, cut.
        name: String,
    },
    /// Not the name of a storage account.
    #[error("{STATE_SETTING}: `{0}` is not a storage account's name (3 to 24 lower-case letters and digits)")]
    Account(String),
    /// A part of a connection string is missing or given twice.
    #[error("{STATE_SETTING}: the connection string {0}")]
    ConnectionString(&'static str),
    /// Not a URL to which requests may go.
    #[error("{setting}: the blob endpoint is not a plain https URL{}", if *.http { " (http only to this machine or to the emulator)" } else { "" })]
    Endpoint {
        /// Which setting has it.
        setting: &'static str,
        /// It is one, but of http.
        http: bool,
    },
}

impl Location {
    /// Reads the settings. Does no I/O.
    pub fn parse(settings: LocationSettings<'_>) -> Result<Self, LocationError> {
        let state = settings.state.trim();
        if state.eq_ignore_ascii_case("memory") {
            return Ok(Self::Memory);
        }
        let location = match state.strip_prefix("azure://") {
            Some(rest) => identity(rest, settings.blob_suffix),
            None => signed(&ConnectionString::parse(state)?, settings),
        };
        location.map(Self::Blobs)
    }
}

impl BlobLocation {
    /// Reads where Event Grid's dead letters are: `azure://<account>/<container>`, or the name of a container in the account of
    /// the state. Does no I/O.
    ///
    /// # Errors
    /// It is neither, or the state is in memory and so in no account.
    pub fn dead_letters(given: &str, state: &Location, blob_suffix: &str) -> Result<Self, LocationError> {
        let given = given.trim();
        match (given.strip_prefix("azure://"), state) {
            (Some(rest), Location::Memory | Location::Blobs(_)) => identity(rest, blob_suffix),
            (None, Location::Blobs(state)) => {
                let container = ContainerName::parse(given, DEAD_LETTERS_SETTING)?;
                Ok(Self { container, ..state.clone() })
            }
            (None, Location::Memory) => Err(LocationError::Form),
        }
    }
}

fn identity(rest: &str, blob_suffix: &str) -> Result<BlobLocation, LocationError> {
    let (account, container) = rest.trim_end_matches('/').split_once('/').ok_or(LocationError::Form)?;
    let account = account_name(account)?;
    let endpoint = Endpoint::parse(&format!("https://{account}.{blob_suffix}"), STATE_SETTING)?;
    let container = ContainerName::parse(container, STATE_SETTING)?;
    Ok(BlobLocation { account, endpoint, container, access: Access::Identity })
}

fn signed(
    text: &ConnectionString<'_>,
    settings: LocationSettings<'_>,
) -> Result<BlobLocation, LocationError> {
    let container = ContainerName::parse(settings.container.unwrap_or(CONTAINER_DEFAULT), CONTAINER_SETTING)?;
    if text.is_development_storage() {
        return Ok(BlobLocation {
            account: EMULATOR_ACCOUNT.to_owned(),
            endpoint: emulator_endpoint(settings.emulator_url.unwrap_or(EMULATOR_URL))?,
            container,
            access: Access::AccountKey(Secret(EMULATOR_KEY.to_owned())),
        });
    }
    let access = match (text.account_key, text.shared_access_signature) {
        (Some(key), None) => Access::AccountKey(account_key(key)?),
        (None, Some(signature)) => Access::Sas(sas(signature)?),
        (Some(_), Some(_)) => {
            return Err(LocationError::ConnectionString("has AccountKey and SharedAccessSignature"));
        }
        (None, None) => {
            return Err(LocationError::ConnectionString("has no AccountKey or SharedAccessSignature"));
        }
    };
    let is_emulator = access == Access::AccountKey(Secret(EMULATOR_KEY.to_owned()));
    let endpoint = match (text.blob_endpoint, text.account_name) {
        (Some(url), _) if is_emulator => Endpoint::parse_emulator(url, STATE_SETTING)?,
        (Some(url), _) => Endpoint::parse(url, STATE_SETTING)?,
        (None, Some(name)) => {
            let suffix = match text.endpoint_suffix {
                Some(suffix) => format!("blob.{suffix}"),
                None => settings.blob_suffix.to_owned(),
            };
            let scheme = text.protocol.unwrap_or("https");
            Endpoint::parse(&format!("{scheme}://{}.{suffix}", account_name(name)?), STATE_SETTING)?
        }
        (None, None) => return Err(LocationError::ConnectionString("has no AccountName or BlobEndpoint")),
    };
    let account = match text.account_name {
        Some(name) => account_name(name)?,
        None => endpoint
            .account()
            .ok_or(LocationError::ConnectionString("has no AccountName, and BlobEndpoint doesn't tell it"))?,
    };
    Ok(BlobLocation { account, endpoint, container, access })
}

/// Storage account names are 3 to 24 lower-case letters and digits (source: Azure naming rules, "storageAccounts").
fn account_name(name: &str) -> Result<String, LocationError> {
    let fits = (3..=24).contains(&name.len());
    if fits && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        Ok(name.to_owned())
    } else {
        Err(LocationError::Account(shown(name)))
    }
}

/// A wrong name, for the message. Longer than any name it may be a key in the wrong place, and is not shown.
fn shown(name: &str) -> String {
    if name.len() > NAME_BYTES_MAX { "…".to_owned() } else { text::clean(name, NAME_BYTES_MAX) }
}

fn account_key(key: &str) -> Result<Secret, LocationError> {
    match BASE64_STANDARD.decode(key) {
        Ok(bytes) if !bytes.is_empty() => Ok(Secret(key.to_owned())),
        Ok(_) | Err(_) => Err(LocationError::ConnectionString("has an AccountKey that is not base64")),
    }
}

fn sas(signature: &str) -> Result<Secret, LocationError> {
    let is_signed = signature.trim_start_matches('?').split('&').any(|pair| pair.starts_with("sig="));
    if is_signed && object_store::azure::split_sas(signature).is_ok() {
        Ok(Secret(signature.to_owned()))
    } else {
        Err(LocationError::ConnectionString("has a SharedAccessSignature that is none"))
    }
}

/// The emulator has its accounts in the path, which its setting may leave out, as the storage libraries do.
fn emulator_endpoint(url: &str) -> Result<Endpoint, LocationError> {
    let endpoint = Endpoint::parse_emulator(url, EMULATOR_SETTING)?;
    if endpoint.0.path().trim_matches('/').is_empty() {
        let with_account = format!("{}/{EMULATOR_ACCOUNT}", endpoint.as_str());
        Endpoint::parse_emulator(&with_account, EMULATOR_SETTING)
    } else {
        Ok(endpoint)
    }
}

impl ContainerName {
    /// Reads a name of 3 to 57 characters by the rules for containers (source: "Naming and referencing containers, blobs,
    /// and metadata": 3 to 63 lower-case letters, digits and single hyphens, first and last no hyphen); six characters are
    /// left for the cases container.
    fn parse(name: &str, setting: &'static str) -> Result<Self, LocationError> {
        let fits = (3..=NAME_BYTES_MAX - CASES_SUFFIX.len()).contains(&name.len());
        let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits && is_plain && !name.starts_with('-') && !name.ends_with('-') && !name.contains("--") {
            Ok(Self(name.to_owned()))
        } else {
            Err(LocationError::Container { setting, name: shown(name) })
        }
    }

    /// The state container's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the container for closed cases, which nothing ever overwrites.
    pub fn cases(&self) -> String {
        format!("{}{CASES_SUFFIX}", self.0)
    }
}

impl Endpoint {
    /// Reads an https URL, or an http URL to this machine: a key or a token must not travel in the clear.
    fn parse(text: &str, setting: &'static str) -> Result<Self, LocationError> {
        let endpoint = Self::parse_emulator(text, setting)?;
        if endpoint.0.scheme() == "https" || is_loopback(&endpoint.0) {
            Ok(endpoint)
        } else {
            Err(LocationError::Endpoint { setting, http: true })
        }
    }

    /// Reads an http(s) URL. Only for the emulator, whose key everybody knows.
    fn parse_emulator(text: &str, setting: &'static str) -> Result<Self, LocationError> {
        let not_plain = LocationError::Endpoint { setting, http: false };
        let url = Url::parse(text.trim().trim_end_matches('/')).map_err(|_| not_plain.clone())?;
        let is_plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        match url.scheme() {
            "http" | "https" if is_plain && url.has_host() => Ok(Self(url)),
            _ => Err(not_plain),
        }
    }

    /// The account that the URL tells: its path's only segment, or its host's first label.
    fn account(&self) -> Option<String> {
        let path = self.0.path().trim_matches('/');
        let name = match (path, self.0.host()?) {
            ("", Host::Domain(host)) => host.split('.').next()?,
            ("", Host::Ipv4(_) | Host::Ipv6(_)) => return None,
            (path, Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => path,
        };
        account_name(name).ok()
    }

    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    pub(super) fn is_http(&self) -> bool {
        self.0.scheme() == "http"
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Secret {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Debug for LocationSettings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocationSettings").field("container", &self.container).finish_non_exhaustive()
    }
}

impl fmt::Display for Location {
    /// For `check` and the logs: account, container and endpoint, no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Blobs(blobs) => write!(f, "{}/{}", blobs.endpoint.as_str(), blobs.container.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
