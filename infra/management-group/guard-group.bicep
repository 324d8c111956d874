// What the policy's deployments need at the guard itself: to name its function and its account as where events go, and to give the topics
// their two rights there, and no others.

param principalId string

@description('What makes the names of the assignments, known before the identity exists.')
param seed string
param eventsStorageName string

@description('The guard\'s app, if events go to its function; empty if they go to the queue. Whoever may write the app is the guard: the queue is the better way here.')
param appName string

// Built-in roles (source: azure-docs, built-in-roles.md).
var websiteContributor = 'de139f84-1756-47ae-9be6-808fbbe84772'
var storageAccountContributor = '17d1049b-9a84-46fb-8f53-869881c3d3ab'
var roleBasedAccessControlAdministrator = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'

// A deployment into this group, as the policy's template makes one, and nothing by it that the other roles do not allow.
resource deploys 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, seed, 'deployments')
  properties: {
    roleName: 'AKS Stop Guard policy, deployments in ${resourceGroup().name} (${take(guid(seed), 8)})'
    description: 'Lets the policy of the AKS stop guard run deployments in the group of the guard.'
    type: 'CustomRole'
    permissions: [
      { actions: ['Microsoft.Resources/deployments/*'], notActions: [], dataActions: [], notDataActions: [] }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

resource atTheGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, seed, deploys.name)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: deploys.id
  }
}

resource events 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: eventsStorageName
}

resource app 'Microsoft.Web/sites@2024-11-01' existing = if (!empty(appName)) {
  name: empty(appName) ? 'none' : appName
}

resource atTheApp 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(appName)) {
  name: guid(resourceGroup().id, appName, seed, websiteContributor)
  scope: app
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', websiteContributor)
  }
}

resource atTheAccount 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events.id, seed, storageAccountContributor)
  scope: events
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageAccountContributor)
  }
}

resource gives 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events.id, seed, roleBasedAccessControlAdministrator)
  scope: events
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roleBasedAccessControlAdministrator
    )
    conditionVersion: '2.0'
    // Only the two roles of guard/sender-access.bicep (source: azure-docs, delegate-role-assignments-examples.md).
    condition: '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${blobDataContributor}, ${queueDataMessageSender}})) AND ((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'})) OR (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${blobDataContributor}, ${queueDataMessageSender}}))'
  }
}
