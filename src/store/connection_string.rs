//! Connection strings of storage accounts, taken apart.

use super::location::LocationError;

/// Longest connection string that is read, in bytes. One with a signature has about 700.
const CONNECTION_STRING_BYTES_MAX: usize = 4_096;

/// The parts that the guard uses (source: "Configure Azure Storage connection strings"). Keys are read in any case, and
/// the endpoints of queues, tables and files are left aside.
#[derive(Clone, Copy, Default)]
pub(super) struct ConnectionString<'a> {
    pub(super) protocol: Option<&'a str>,
    pub(super) account_name: Option<&'a str>,
    pub(super) account_key: Option<&'a str>,
    pub(super) shared_access_signature: Option<&'a str>,
    pub(super) blob_endpoint: Option<&'a str>,
    pub(super) endpoint_suffix: Option<&'a str>,
    development_storage: Option<&'a str>,
    development_proxy: Option<&'a str>,
}

impl<'a> ConnectionString<'a> {
    /// Takes `key=value` pairs between semicolons. The value may hold further equals signs, as keys in base64 do.
    pub(super) fn parse(text: &'a str) -> Result<Self, LocationError> {
        if text.len() > CONNECTION_STRING_BYTES_MAX {
            return Err(LocationError::Form);
        }
        let mut parts = Self::default();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or(LocationError::Form)?;
            let Some(part) = parts.part_mut(&key.trim().to_ascii_lowercase()) else { continue };
            if part.replace(value.trim()).is_some() {
                return Err(LocationError::ConnectionString("has a part twice"));
            }
        }
        if parts.development_proxy.is_some() {
            return Err(LocationError::ConnectionString(
                "has DevelopmentStorageProxyUri, for which there is AZURITE_BLOB_STORAGE_URL",
            ));
        }
        if !parts.is_development_storage() && parts.account_name.is_none() && parts.blob_endpoint.is_none() {
            return Err(LocationError::Form);
        }
        Ok(parts)
    }

    pub(super) fn is_development_storage(&self) -> bool {
        self.development_storage.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn part_mut(&mut self, lower_case_key: &str) -> Option<&mut Option<&'a str>> {
        match lower_case_key {
            "defaultendpointsprotocol" => Some(&mut self.protocol),
            "accountname" => Some(&mut self.account_name),
            "accountkey" => Some(&mut self.account_key),
            "sharedaccesssignature" => Some(&mut self.shared_access_signature),
            "blobendpoint" => Some(&mut self.blob_endpoint),
            "endpointsuffix" => Some(&mut self.endpoint_suffix),
            "usedevelopmentstorage" => Some(&mut self.development_storage),
            "developmentstorageproxyuri" => Some(&mut self.development_proxy),
            _ => None,
        }
    }
}
