targetScope = 'subscription'

// The second half, once in each guarded subscription, by its owner: events go to the guard, and the guard may read and start clusters. The
// first half is guard/main.bicep; its outputs are the parameters here.

import * as shared from '../types.bicep'

@description('Name of the guard\'s environment.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Where the resource group is; the events themselves have no place.')
param location string = deployment().location
param tags object = {}

@description('Resource group for the system topic.')
param resourceGroupName string = 'rg-stop-guard-events-${environmentName}'

@description('That group exists already, and keeps its tags.')
param existingResourceGroup bool = false

@description('GUID of the custom role of role.bicep: ROLE_NAME.')
@minLength(36)
@maxLength(36)
param roleName string

@description('Object id of the guard\'s identity: GUARD_PRINCIPAL_ID.')
@minLength(36)
@maxLength(36)
param guardPrincipalId string

@description('Give the role to the guard here. Not needed where it has it on a management group above.')
param assignRole bool = true

@description('GUID of the role that only reads, for what incidents say of how exposed a cluster is: POSTURE_ROLE_NAME; empty: not given.')
param postureRoleName string = ''

@description('Resource id of the guard\'s app: FUNCTION_APP_ID.')
param functionAppId string

@description('Resource id of the storage account for events: EVENTS_STORAGE_ID.')
param eventsStorageId string

@description('How events reach the guard: EVENT_DELIVERY.')
param eventDelivery shared.eventDelivery

@description('Make the event subscription. Only once the function exists, that is after the package was published, unless events go to the queue.')
param subscribe bool = true

@description('Give the topic\'s identity its rights on the events account. Whoever may not give roles there hands EVENT_SENDER_PRINCIPAL_ID to the guard\'s people (eventSenderPrincipalIds), without subscribing, and subscribes afterwards.')
param grantSenderAccess bool = true

@description('The subscription\'s system topic, if there is one already (a subscription has one at most), and its resource group. It needs a system-assigned identity.')
param existingSystemTopicName string = ''
param existingSystemTopicGroup string = ''

@description('Forbid the deletion of the topic and what is in its resource group.')
param lock bool = false

@description('Switch on Microsoft Defender for Containers in this subscription. It costs, per vCore of the clusters.')
param defenderForContainers bool = false

@description('Resource group of the alerts about what makes the guard deaf or powerless here; empty: no alerts. Not the topic\'s own.')
param alertsResourceGroupName string = ''
param existingAlertsResourceGroup bool = false

@description('Action groups that these alerts tell, by their ids.')
param actionGroupIds string[] = []

var isMade = empty(existingSystemTopicName)
var topicName = isMade ? take('evgt-stop-guard-${environmentName}', 50) : existingSystemTopicName
var topicGroup = isMade ? resourceGroupName : existingSystemTopicGroup
var events = split(eventsStorageId, '/')

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = if (isMade && !existingResourceGroup) {
  name: resourceGroupName
  location: location
  tags: tags
}

module topic 'topic.bicep' = {
  name: take('stop-guard-topic-${environmentName}', 64)
  scope: resourceGroup(topicGroup)
  params: { name: topicName, tags: tags, isMade: isMade, lock: lock }
  dependsOn: [group]
}

module senderAccess '../guard/sender-access.bicep' = if (grantSenderAccess) {
  name: 'stop-guard-sender-${uniqueString(subscription().id, topicName)}'
  scope: resourceGroup(events[2], events[4])
  params: {
    eventsStorageName: last(events)
    principalId: topic.outputs.principalId
    seed: '${subscription().id}/${topicGroup}/${topicName}'
  }
}

module eventSubscription 'event-subscription.bicep' = if (subscribe) {
  name: take('stop-guard-subscribe-${environmentName}', 64)
  scope: resourceGroup(topicGroup)
  params: {
    topicName: topicName
    name: take('aks-stop-guard-${environmentName}', 64)
    functionAppId: functionAppId
    eventsStorageId: eventsStorageId
    eventDelivery: eventDelivery
  }
  // Event Grid checks the rights of the topic's identity when the event subscription is made.
  dependsOn: [topic, senderAccess]
}

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' existing = {
  name: roleName
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (assignRole) {
  name: guid(subscription().id, functionAppId, roleName)
  properties: {
    description: 'The AKS stop guard of ${environmentName} reads and starts clusters'
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: role.id
  }
}

resource postureRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' existing = {
  name: empty(postureRoleName) ? roleName : postureRoleName
}

resource postureAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(postureRoleName)) {
  name: guid(subscription().id, functionAppId, postureRoleName)
  properties: {
    description: 'The AKS stop guard of ${environmentName} reads how exposed clusters are'
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: postureRole.id
  }
}

module defender 'defender.bicep' = if (defenderForContainers) {
  name: take('stop-guard-defender-${environmentName}', 64)
}

resource alertsGroup 'Microsoft.Resources/resourceGroups@2024-11-01' = if (!empty(alertsResourceGroupName) && !existingAlertsResourceGroup) {
  name: alertsResourceGroupName
  location: location
  tags: tags
}

module alerts '../alerts/guarded-subscription.bicep' = if (!empty(alertsResourceGroupName)) {
  name: take('stop-guard-alerts-${environmentName}-${uniqueString(subscription().id)}', 64)
  scope: resourceGroup(empty(alertsResourceGroupName) ? resourceGroupName : alertsResourceGroupName)
  params: {
    environmentName: environmentName
    tags: tags
    actionGroupIds: actionGroupIds
    systemTopicId: resourceId(subscription().subscriptionId, topicGroup, 'Microsoft.EventGrid/systemTopics', topicName)
    roleAssignmentId: assignment.id
    roleName: roleName
  }
  dependsOn: [alertsGroup, topic]
}

output EVENT_SENDER_PRINCIPAL_ID string = topic.outputs.principalId
output SYSTEM_TOPIC_ID string = topic.outputs.id
output GUARD_ROLE_ASSIGNMENT_ID string = assignment.id
