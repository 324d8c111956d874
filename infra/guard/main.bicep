targetScope = 'resourceGroup'

// The guard itself: app, identity, storage, telemetry, and a private network if wanted. Everything is in this resource group, and no role
// is given outside it. The other half, once per guarded subscription, is guarded-subscription/main.bicep.

import * as shared from '../types.bicep'

@description('Name of the environment. Two environments never share a resource.')
@minLength(1)
@maxLength(64)
param environmentName string

param location string = resourceGroup().location
param tags object = {}
param names shared.names = {}

@description('Ids of the subscriptions whose clusters are guarded. May be empty where management groups are given.')
@maxLength(1000)
param guardedSubscriptionIds string[]

@description('Management groups whose subscriptions are guarded too, by their ids, separated by commas. The guard needs its roles there: management-group/main.bicep.')
param guardedManagementGroups string = ''

@description('What the guard may do. Begin with dry-run.')
param mode shared.mode = 'dry-run'

@description('How events reach the guard. A private network always uses the queue.')
param eventDelivery shared.eventDelivery = 'function'

@description('Names of the sinks that are told, separated by commas.')
param sinks string = ''

@description('More settings of the guard (docs/SETTINGS.md), such as a sink\'s. Secrets are best given as Key Vault references.')
@secure()
param settings object = {}

@description('Incidents say how exposed their cluster is. The guard needs the role for it: postureRoleName of guarded-subscription/main.bicep.')
param posture bool = false

@description('The table and rule of the sink sentinel. Name it among the sinks, too.')
param sentinel shared.sentinel = { enabled: false }

@description('Key vault in this resource group that such references name. The guard\'s identity gets the right to read its secrets.')
param keyVaultName string = ''

@description('Existing user-assigned identity to run as, by its id. Empty: one is made.')
param identityId string = ''

@description('Existing Log Analytics workspace, by its id. Empty: one is made.')
param workspaceId string = ''

@description('How long logs are kept, days.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

@description('What the workspace may take in on one day, GB. -1: no limit.')
param logDailyCapGb int = 1

@description('No public access to the app and its storage.')
param privateNetwork bool = false
param network shared.network = {}

@description('Replication of the storage accounts. Standard_LRS where a region has no zones.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('Container of the guard\'s records; closed cases go to the one named like it and -cases.')
@minLength(3)
@maxLength(57)
param stateContainer string = 'stop-guard'

@description('How long closed cases can not be changed or deleted, days. 0: no such policy.')
param casesImmutableDays int = 0

@description('How long closed cases are kept, days. 0: for ever.')
param casesDays int = 0

@description('How long events are kept that Event Grid gave up on, days.')
@minValue(7)
param deadLetterDays int = 90

@description('How long deleted and overwritten blobs can be brought back, days.')
@minValue(7)
param softDeleteDays int = 14

@description('Memory of an instance, MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 512

@description('Most instances of the app; the platform asks for 40 at least. The guard rarely needs more than one or two.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances kept warm for the sweep and for events.')
@minValue(0)
@maxValue(10)
param alwaysReadyInstances int = 0

@description('Object ids of system topics that deliver here and were made by somebody who may not give roles in this group.')
param eventSenderPrincipalIds string[] = []

@description('A workbook over the guard\'s log.')
param workbook bool = true

@description('Forbid the deletion of everything in this resource group.')
param lock bool = false

var token = shared.token(resourceGroup().id, environmentName)
var appName = names.?app ?? shared.appName(token)
var hostStorageName = names.?hostStorage ?? 'stsghost${token}'
var stateStorageName = names.?stateStorage ?? 'stsgstate${token}'
var eventsStorageName = names.?eventsStorage ?? shared.eventsStorageName(token)
var identityName = names.?identity ?? shared.identityName(token)
var insightsName = names.?insights ?? 'appi-stop-guard-${token}'
var identityResourceId = empty(identityId)
  ? resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', identityName)
  : identityId
var workspaceName = names.?workspace ?? 'log-stop-guard-${token}'
var networkName = names.?network ?? 'vnet-stop-guard-${token}'

// Event Grid can not push through a private endpoint.
var delivery = privateNetwork ? 'queue' : eventDelivery
var intakeFunction = delivery == 'queue' ? 'StopActionQueue' : 'StopActionHandler'

module identity 'identity.bicep' = {
  name: 'identity'
  params: {
    name: identityName
    location: location
    tags: tags
    existingId: identityId
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  params: {
    hostName: hostStorageName
    stateName: stateStorageName
    eventsName: eventsStorageName
    location: location
    tags: tags
    sku: storageSku
    privateNetwork: privateNetwork
    stateContainer: stateContainer
    casesImmutableDays: casesImmutableDays
    softDeleteDays: softDeleteDays
    deadLetterDays: deadLetterDays
    casesDays: casesDays
  }
}

module telemetry 'telemetry.bicep' = {
  name: 'telemetry'
  params: {
    insightsName: insightsName
    workspaceName: workspaceName
    location: location
    tags: tags
    existingWorkspaceId: workspaceId
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module log 'workbook.bicep' = if (workbook) {
  name: 'workbook'
  params: {
    environmentName: environmentName
    location: location
    tags: tags
    workspaceId: telemetry.outputs.workspaceId
    appName: appName
  }
}

// Where the workspace is: this group, or the one that its id names.
var workspaceParts = split(
  empty(workspaceId) ? '${resourceGroup().id}/providers/-/-/${workspaceName}' : workspaceId,
  '/'
)

module sentinelWorkspace 'sentinel-workspace.bicep' = if (sentinel.enabled) {
  name: 'sentinel-workspace-${token}'
  scope: resourceGroup(workspaceParts[2], workspaceParts[4])
  params: {
    workspaceName: last(workspaceParts)
    environmentName: environmentName
    retentionDays: logRetentionDays
    analyticsRule: sentinel.?analyticsRule ?? true
  }
  dependsOn: [telemetry]
}

module sentinelIngestion 'sentinel.bicep' = if (sentinel.enabled) {
  name: 'sentinel'
  params: {
    name: 'dcr-stop-guard-${token}'
    location: sentinel.?workspaceLocation ?? location
    tags: tags
    workspaceId: telemetry.outputs.workspaceId
    principalId: identity.outputs.principalId
    seed: identityResourceId
  }
  dependsOn: [sentinelWorkspace]
}

module access 'access.bicep' = {
  name: 'access'
  params: {
    principalId: identity.outputs.principalId
    seed: identityResourceId
    hostStorageName: hostStorageName
    stateStorageName: stateStorageName
    eventsStorageName: eventsStorageName
    stateContainer: stateContainer
    insightsName: insightsName
    keyVaultName: keyVaultName
  }
  dependsOn: [storage, telemetry]
}

module senders 'sender-access.bicep' = [
  for principalId in eventSenderPrincipalIds: {
    name: 'sender-${principalId}'
    params: { eventsStorageName: eventsStorageName, principalId: principalId, seed: principalId }
    dependsOn: [storage]
  }
]

module vnet 'network.bicep' = if (privateNetwork && empty(network.?appSubnetId)) {
  name: 'network'
  params: {
    name: networkName
    location: location
    tags: tags
    addressPrefix: network.?addressPrefix ?? '10.80.0.0/24'
  }
}

var appSubnetId = network.?appSubnetId ?? resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'app')
var endpointSubnetId = network.?endpointSubnetId ?? resourceId(
  'Microsoft.Network/virtualNetworks/subnets',
  networkName,
  'endpoints'
)

module zones 'dns-zones.bicep' = if (privateNetwork) {
  name: 'dns-zones'
  params: {
    networkId: substring(endpointSubnetId, 0, indexOf(endpointSubnetId, '/subnets/'))
    tags: tags
    existing: network.?dnsZones ?? {}
  }
  dependsOn: [vnet]
}

// What the app talks to: each service gets an endpoint of its own.
var storageEndpoints = [
  { name: 'host-blob', account: hostStorageName, service: 'blob' }
  { name: 'host-table', account: hostStorageName, service: 'table' }
  { name: 'state-blob', account: stateStorageName, service: 'blob' }
  { name: 'events-queue', account: eventsStorageName, service: 'queue' }
  { name: 'events-blob', account: eventsStorageName, service: 'blob' }
]

module endpoints 'endpoint.bicep' = [
  for each in storageEndpoints: if (privateNetwork) {
    name: 'endpoint-${each.name}'
    params: {
      name: 'pe-stop-guard-${each.name}-${token}'
      location: location
      tags: tags
      subnetId: endpointSubnetId
      zoneId: zones!.outputs.ids[each.service]
      targetId: resourceId('Microsoft.Storage/storageAccounts', each.account)
      service: each.service
    }
    dependsOn: [storage]
  }
]

// People and deployments reach the app through this one.
module appEndpoint 'endpoint.bicep' = if (privateNetwork) {
  name: 'endpoint-app'
  params: {
    name: 'pe-stop-guard-app-${token}'
    location: location
    tags: tags
    subnetId: endpointSubnetId
    zoneId: zones!.outputs.ids.sites
    targetId: app.outputs.id
    service: 'sites'
  }
}

// Before the app starts it must be able to reach and read its package and its state.
module app 'app.bicep' = {
  name: 'app'
  params: {
    name: appName
    planName: names.?plan ?? 'plan-stop-guard-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    principalClientId: identity.outputs.clientId
    hostStorageName: hostStorageName
    packageUrl: storage.outputs.packageUrl
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    subnetId: privateNetwork ? appSubnetId : ''
    privateNetwork: privateNetwork
    intakeFunction: intakeFunction
    settings: union(
      {
        STOP_GUARD_MODE: mode
        STOP_GUARD_SUBSCRIPTIONS: join(guardedSubscriptionIds, ',')
        STOP_GUARD_MANAGEMENT_GROUPS: guardedManagementGroups
        STOP_GUARD_STATE: 'azure://${stateStorageName}/${stateContainer}'
        STOP_GUARD_DEAD_LETTERS: 'azure://${eventsStorageName}/${shared.deadLetterContainer}'
        STOP_GUARD_SINKS: sinks
        STOP_GUARD_POSTURE: posture ? 'on' : 'off'
        STOP_GUARD_CREDENTIAL: 'managed-identity'
        STOP_GUARD_CLOUD: environment().name == 'AzureUSGovernment'
          ? 'usgov'
          : environment().name == 'AzureChinaCloud' ? 'china' : 'public'
      },
      settings,
      sentinel.enabled
        ? {
            STOP_GUARD_SENTINEL_ENDPOINT: sentinelIngestion!.outputs.endpoint
            STOP_GUARD_SENTINEL_RULE: sentinelIngestion!.outputs.immutableId
          }
        : {},
      {
        AZURE_CLIENT_ID: identity.outputs.clientId
        APPLICATIONINSIGHTS_CONNECTION_STRING: telemetry.outputs.connectionString
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.outputs.clientId};Authorization=AAD'
        StopActionQueue__queueServiceUri: storage.outputs.queueUrl
        StopActionQueue__credential: 'managedidentity'
        StopActionQueue__clientId: identity.outputs.clientId
        // The way in that is not used is closed.
        'AzureWebJobs.StopActionHandler.Disabled': intakeFunction == 'StopActionHandler' ? 'false' : 'true'
        'AzureWebJobs.StopActionQueue.Disabled': intakeFunction == 'StopActionQueue' ? 'false' : 'true'
      }
    )
  }
  dependsOn: [access, endpoints]
}

resource groupLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'aks-stop-guard'
  properties: {
    level: 'CanNotDelete'
    notes: 'The AKS stop guard. A lock does not keep anybody from stopping the app: alerts tell of that.'
  }
}

output FUNCTION_APP_NAME string = appName
output FUNCTION_APP_ID string = app.outputs.id
output FUNCTION_APP_HOST string = app.outputs.hostName
output GUARD_IDENTITY_ID string = identity.outputs.id
output GUARD_PRINCIPAL_ID string = identity.outputs.principalId
output GUARD_CLIENT_ID string = identity.outputs.clientId
output STATE_STORAGE_NAME string = stateStorageName
output STATE_CONTAINER string = stateContainer
output EVENTS_STORAGE_ID string = storage.outputs.eventsId
output EVENT_DELIVERY string = delivery
output STOP_QUEUE string = shared.stopQueue
output WORKSPACE_ID string = telemetry.outputs.workspaceId
output APPLICATIONINSIGHTS_ID string = telemetry.outputs.insightsId
