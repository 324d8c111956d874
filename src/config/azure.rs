//! Which Azure, where its ARM is, and who asks it.

use super::fault::{Fault, FaultKind};
use super::reader::Reader;
use super::{ARM_ENDPOINT_SETTING, ARM_SCOPE_SETTING, CLOUD_SETTING, CREDENTIAL_SETTING};
use crate::azure::endpoint::EndpointError;
use crate::azure::{Cloud, CredentialKind, Endpoint, Secret};
use crate::domain::{Portal, TenantId};
use crate::incident::{Azure, Home, Scope};
use crate::store::{BLOB_SUFFIX_CHINA, BLOB_SUFFIX_PUBLIC, BLOB_SUFFIX_US_GOV};

const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const TENANT_ID: &str = "AZURE_TENANT_ID";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// Set where the app has a managed identity, and wherever App Service runs it (source: Azure docs, "How to use managed
/// identities for App Service and Azure Functions", "Environment variables and app settings in Azure App Service").
const ON_AZURE: [&str; 2] = ["IDENTITY_ENDPOINT", "WEBSITE_SITE_NAME"];

/// Where ARM is and who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmSettings {
    /// `STOP_GUARD_CLOUD`, `public` by default: whose login service gives tokens.
    pub cloud: Cloud,
    /// The cloud's portal, in the directory of `AZURE_TENANT_ID` if that is a GUID: where links in incidents lead.
    pub portal: Portal,
    /// `STOP_GUARD_ARM_ENDPOINT` and `STOP_GUARD_ARM_SCOPE`, else the cloud's own.
    pub endpoint: Endpoint,
    /// `STOP_GUARD_CREDENTIAL` with `AZURE_CLIENT_ID`, `AZURE_TENANT_ID` and `AZURE_CLIENT_SECRET`. By default the managed
    /// identity on Azure and the developer's tools elsewhere.
    pub credential: CredentialKind,
}

/// The word of `STOP_GUARD_CREDENTIAL`.
#[derive(Clone, Copy)]
enum Word {
    ManagedIdentity,
    AzureCli,
    WorkloadIdentity,
    ClientSecret,
    DeveloperTools,
}

/// Reads them all, so that all faults are told.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<ArmSettings> {
    let clouds = Cloud::ALL.map(|cloud| (cloud.as_str(), Some(cloud)));
    let cloud = reader.word(CLOUD_SETTING, &clouds, Some(Cloud::Public), None);
    let endpoint = endpoint(reader, cloud);
    let credential = credential(reader);
    let tenant = reader.get(TENANT_ID).and_then(TenantId::parse);
    let cloud = cloud?;
    let portal = Portal::new(cloud, tenant);
    Some(ArmSettings { cloud, portal, endpoint: endpoint?, credential: credential? })
}

/// The host suffix of blob endpoints in the cloud chosen.
pub(super) fn blob_suffix(arm: Option<&ArmSettings>) -> &'static str {
    match arm.map_or(Cloud::Public, |arm| arm.cloud) {
        Cloud::Public => BLOB_SUFFIX_PUBLIC,
        Cloud::UsGov => BLOB_SUFFIX_US_GOV,
        Cloud::China => BLOB_SUFFIX_CHINA,
    }
}

/// The scopes that sinks may ask tokens for, each with the only place that its tokens may go to. Sources: Azure docs, "Logs Ingestion API
/// in Azure Monitor" (scopes `https://monitor.azure.com`, `.us`, `.cn`; endpoints `<name>.<region>-1.ingest.monitor.azure.com`).
pub(super) fn for_sinks(arm: Option<&ArmSettings>) -> Azure {
    let public = Endpoint::of(Cloud::Public);
    let endpoint = arm.map_or(&public, |arm| &arm.endpoint);
    let (scope, hosts) = match arm.map_or(Cloud::Public, |arm| arm.cloud) {
        Cloud::Public => ("https://monitor.azure.com/.default", ".ingest.monitor.azure.com"),
        Cloud::UsGov => ("https://monitor.azure.us/.default", ".ingest.monitor.azure.us"),
        Cloud::China => ("https://monitor.azure.cn/.default", ".ingest.monitor.azure.cn"),
    };
    let monitor = if endpoint.on_loopback() { Home::Loopback } else { Home::Hosts(hosts) };
    let scopes = vec![
        Scope {
            word: "arm",
            scope: endpoint.scope().to_owned(),
            home: Home::Origin(endpoint.origin().to_owned()),
        },
        Scope { word: "monitor", scope: scope.to_owned(), home: monitor },
    ];
    Azure { arm: endpoint.origin().to_owned(), scopes }
}

fn endpoint(reader: &mut Reader<'_>, cloud: Option<Cloud>) -> Option<Endpoint> {
    let scope = reader.get(ARM_SCOPE_SETTING);
    let Some(url) = reader.get(ARM_ENDPOINT_SETTING) else {
        if scope.is_some() {
            let told = format!("is not used without {ARM_ENDPOINT_SETTING}: write that too, or remove this");
            reader.fault(Fault::about(ARM_SCOPE_SETTING, FaultKind::Invalid, &told));
            return None;
        }
        return cloud.map(Endpoint::of);
    };
    match Endpoint::parse(url, scope) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            let setting = match &error {
                EndpointError::Scope(_) => ARM_SCOPE_SETTING,
                EndpointError::NotAUrl(_) | EndpointError::NotTls(_) | EndpointError::MoreThanOrigin(_) => {
                    ARM_ENDPOINT_SETTING
                }
            };
            reader.fault(Fault::about(setting, FaultKind::Invalid, &error.to_string()));
            None
        }
    }
}

fn credential(reader: &mut Reader<'_>) -> Option<CredentialKind> {
    let words = [
        ("managed-identity", Some(Word::ManagedIdentity)),
        ("azure-cli", Some(Word::AzureCli)),
        ("workload-identity", Some(Word::WorkloadIdentity)),
        ("client-secret", Some(Word::ClientSecret)),
        ("developer-tools", Some(Word::DeveloperTools)),
    ];
    let on_azure = ON_AZURE.iter().any(|name| reader.get(name).is_some());
    let default = if on_azure { Word::ManagedIdentity } else { Word::DeveloperTools };
    match reader.word(CREDENTIAL_SETTING, &words, Some(default), None)? {
        Word::ManagedIdentity => managed_identity(reader),
        Word::AzureCli => Some(CredentialKind::AzureCli),
        Word::WorkloadIdentity => {
            // The credential's library reads them itself.
            let tenant = needed(reader, TENANT_ID, "workload-identity");
            let client_id = needed(reader, CLIENT_ID, "workload-identity");
            let token_file = needed(reader, TOKEN_FILE, "workload-identity");
            tenant.and(client_id).and(token_file).map(|_| CredentialKind::WorkloadIdentity)
        }
        Word::ClientSecret => {
            let tenant = needed(reader, TENANT_ID, "client-secret");
            let client_id = needed(reader, CLIENT_ID, "client-secret");
            let secret = needed(reader, CLIENT_SECRET, "client-secret");
            Some(CredentialKind::ClientSecret {
                tenant: tenant?.to_owned(),
                client_id: client_id?.to_owned(),
                secret: Secret::new(secret?),
            })
        }
        Word::DeveloperTools => Some(CredentialKind::DeveloperTools),
    }
}

fn managed_identity(reader: &mut Reader<'_>) -> Option<CredentialKind> {
    let client_id = reader.get(CLIENT_ID);
    if let Some(id) = client_id.filter(|id| !is_guid(id)) {
        let problem = "is no client id: write the GUID that the identity's page shows under that name, \
                       not its resource id";
        reader.invalid(CLIENT_ID, id, problem);
        return None;
    }
    Some(CredentialKind::ManagedIdentity { client_id: client_id.map(str::to_owned) })
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn needed<'a>(reader: &mut Reader<'a>, setting: &str, credential: &str) -> Option<&'a str> {
    let value = reader.get(setting);
    if value.is_none() {
        reader.missing(setting, &format!("{CREDENTIAL_SETTING} is `{credential}`, which needs it"));
    }
    value
}
