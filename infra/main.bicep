targetScope = 'subscription'

// Both halves in one go: the guard, its role, and what each guarded subscription needs. `azd up` runs this; so does
// `az deployment sub create`. Whoever has rights only in one half deploys guard/main.bicep and guarded-subscription/main.bicep.

import * as shared from 'types.bicep'

@description('Name of the environment, part of every name.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of everything that has a place.')
@minLength(1)
@metadata({ azd: { type: 'location' } })
param location string

@description('Resource group of the guard. Empty: named after the environment.')
param resourceGroupName string = ''

@description('That group exists already, and keeps its tags.')
param existingResourceGroup bool = false

@description('Tags for everything, beside azd-env-name.')
param tags object = {}
param names shared.names = {}

@description('Subscriptions to guard and to set up, by their ids, separated by commas. Empty: this one. Whoever deploys must be owner in each; subscriptions of other owners go into otherSubscriptionIds.')
param subscriptionIds string = ''

@description('Subscriptions that are guarded too, and whose owners deploy guarded-subscription/main.bicep themselves; separated by commas.')
param otherSubscriptionIds string = ''

@description('Name these in the scopes of the role, too: whoever deploys needs Microsoft.Authorization/roleDefinitions/write in each. false: their owners make a role of their own by role.bicep, with an environmentName of its own.')
param roleInOtherSubscriptions bool = true

@description('Management groups whose subscriptions are guarded too, by their ids, separated by commas. Set them up by management-group/main.bicep.')
param managementGroups string = ''

@description('What the guard may do. Begin with dry-run.')
param mode shared.mode = 'dry-run'

@description('How events reach the guard. A private network always uses the queue.')
param eventDelivery shared.eventDelivery = 'function'

@description('Make the event subscriptions. To a function only once it exists: deploy, publish, then deploy again with true. To a queue always.')
param subscribe bool = false

@description('Names of the sinks that are told, separated by commas.')
param sinks string = ''

@description('More settings of the guard (docs/SETTINGS.md). Secrets are best given as Key Vault references.')
@secure()
param settings object = {}

@description('The table and rule of the sink sentinel. Name it among the sinks, too.')
param sentinel shared.sentinel = { enabled: false }

@description('Key vault in the guard\'s resource group that such references name.')
param keyVaultName string = ''

@description('Existing user-assigned identity to run as, by its id.')
param identityId string = ''

@description('Existing Log Analytics workspace, by its id.')
param workspaceId string = ''

@description('No public access to the app and its storage.')
param privateNetwork bool = false
param network shared.network = {}

@description('Replication of the storage accounts. Standard_LRS where a region has no zones.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('How long closed cases can not be changed or deleted, days. 0: no such policy.')
param casesImmutableDays int = 0

@description('Instances kept warm for the sweep and for events.')
@minValue(0)
@maxValue(10)
param alwaysReadyInstances int = 0

@description('The subscriptions\' system topic where there is one already, by subscription id in lower case: { name, group }.')
param existingSystemTopics { *: { name: string, group: string } } = {}

@description('Forbid the deletion of the guard\'s resource group and of the system topics.')
param locks bool = false

@description('Switch on Microsoft Defender for Containers in each subscription that is set up here. It costs, per vCore of the clusters.')
param defenderForContainers bool = false

@description('Incidents say how exposed their cluster is. The guard gets a second role for it, which only reads.')
param posture bool = false

@description('Alerts about the guard, in a resource group of their own. None by default.')
param alerts shared.alerts?

var groupName = empty(resourceGroupName) ? 'rg-stop-guard-${environmentName}' : resourceGroupName
var groupId = '${subscription().id}/resourceGroups/${groupName}'
var token = shared.token(groupId, environmentName)
var allTags = union({ 'azd-env-name': environmentName }, tags)
var delivery = privateNetwork ? 'queue' : eventDelivery

// What comes from azd's environment is a text with commas.
var own = map(
  filter(split(empty(subscriptionIds) ? subscription().subscriptionId : subscriptionIds, ','), id => !empty(trim(id))),
  id => toLower(trim(id))
)
var others = map(filter(split(otherSubscriptionIds, ','), id => !empty(trim(id))), id => toLower(trim(id)))

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = if (!existingResourceGroup) {
  name: groupName
  location: location
  tags: allTags
}

module guard 'guard/main.bicep' = {
  name: take('stop-guard-${environmentName}', 64)
  scope: resourceGroup(groupName)
  params: {
    environmentName: environmentName
    location: location
    tags: allTags
    names: names
    guardedSubscriptionIds: union(own, others)
    guardedManagementGroups: managementGroups
    mode: mode
    eventDelivery: eventDelivery
    sinks: sinks
    settings: settings
    posture: posture
    sentinel: sentinel
    keyVaultName: keyVaultName
    identityId: identityId
    workspaceId: workspaceId
    privateNetwork: privateNetwork
    network: network
    storageSku: storageSku
    casesImmutableDays: casesImmutableDays
    alwaysReadyInstances: alwaysReadyInstances
    lock: locks
  }
  dependsOn: [group]
}

module role 'role.bicep' = {
  name: take('stop-guard-role-${environmentName}', 64)
  params: {
    environmentName: environmentName
    assignableScopes: map(roleInOtherSubscriptions ? union(own, others) : own, id => '/subscriptions/${id}')
    posture: posture
  }
}

module guarded 'guarded-subscription/main.bicep' = [
  for id in own: {
    name: take('stop-guard-guarded-${environmentName}', 64)
    scope: subscription(id)
    params: {
      environmentName: environmentName
      location: location
      tags: allTags
      existingResourceGroup: id == toLower(subscription().subscriptionId)
      resourceGroupName: id == toLower(subscription().subscriptionId)
        ? groupName
        : 'rg-stop-guard-events-${environmentName}'
      roleName: shared.roleName(tenant().tenantId, environmentName)
      postureRoleName: posture ? shared.postureRoleName(tenant().tenantId, environmentName) : ''
      guardPrincipalId: guard.outputs.GUARD_PRINCIPAL_ID
      functionAppId: resourceId(
        subscription().subscriptionId,
        groupName,
        'Microsoft.Web/sites',
        names.?app ?? shared.appName(token)
      )
      eventsStorageId: resourceId(
        subscription().subscriptionId,
        groupName,
        'Microsoft.Storage/storageAccounts',
        names.?eventsStorage ?? shared.eventsStorageName(token)
      )
      eventDelivery: delivery
      // A queue is there as soon as the guard's half is.
      subscribe: subscribe || delivery == 'queue'
      existingSystemTopicName: existingSystemTopics[?id].?name ?? ''
      existingSystemTopicGroup: existingSystemTopics[?id].?group ?? ''
      lock: locks
      alertsResourceGroupName: alertsGroupName
      existingAlertsResourceGroup: id == toLower(subscription().subscriptionId) || (alerts.?existingGroup ?? false)
      actionGroupIds: actionGroupIds
      defenderForContainers: defenderForContainers
    }
    dependsOn: [role, guardAlerts]
  }
]

var alertsGroupName = alerts.?group ?? ''
var actionGroupIds = concat(
  alerts.?actionGroupIds ?? [],
  empty(alerts.?emails ?? [])
    ? []
    : [
        resourceId(
          subscription().subscriptionId,
          alertsGroupName,
          'Microsoft.Insights/actionGroups',
          shared.actionGroupName(environmentName)
        )
      ]
)

resource alertsGroup 'Microsoft.Resources/resourceGroups@2024-11-01' = if (!empty(alertsGroupName) && !(alerts.?existingGroup ?? false)) {
  name: alertsGroupName
  location: location
  tags: allTags
}

module guardAlerts 'alerts/main.bicep' = if (!empty(alertsGroupName)) {
  name: take('stop-guard-alerts-${environmentName}', 64)
  scope: resourceGroup(empty(alertsGroupName) ? groupName : alertsGroupName)
  params: {
    environmentName: environmentName
    location: location
    tags: allTags
    emails: alerts.?emails ?? []
    actionGroupIds: alerts.?actionGroupIds ?? []
    functionAppId: guard.outputs.FUNCTION_APP_ID
    workspaceId: guard.outputs.WORKSPACE_ID
  }
  dependsOn: [alertsGroup]
}

output AZURE_RESOURCE_GROUP string = groupName
output FUNCTION_APP_NAME string = guard.outputs.FUNCTION_APP_NAME
output FUNCTION_APP_ID string = guard.outputs.FUNCTION_APP_ID
output FUNCTION_APP_HOST string = guard.outputs.FUNCTION_APP_HOST
output GUARD_IDENTITY_ID string = guard.outputs.GUARD_IDENTITY_ID
output GUARD_PRINCIPAL_ID string = guard.outputs.GUARD_PRINCIPAL_ID
output ROLE_NAME string = role.outputs.ROLE_NAME
output POSTURE_ROLE_NAME string = role.outputs.POSTURE_ROLE_NAME
output STATE_STORAGE_NAME string = guard.outputs.STATE_STORAGE_NAME
output STATE_CONTAINER string = guard.outputs.STATE_CONTAINER
output EVENTS_STORAGE_ID string = guard.outputs.EVENTS_STORAGE_ID
output EVENT_DELIVERY string = guard.outputs.EVENT_DELIVERY
output WORKSPACE_ID string = guard.outputs.WORKSPACE_ID
