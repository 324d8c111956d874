targetScope = 'managementGroup'

// For whole management groups: the guard's role once for all subscriptions below, and an Azure Policy that gives each of them, those to come
// too, the second half (deploy-if-not-exists). Subscriptions that exist already need a remediation task of the assignment.

import * as shared from '../types.bicep'

@description('Name of the guard\'s environment.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of the resource groups that the policy makes, and of the assignment\'s identity.')
param location string = deployment().location

@description('Object id of the guard\'s identity: GUARD_PRINCIPAL_ID.')
param guardPrincipalId string

@description('Resource id of the guard\'s app: FUNCTION_APP_ID.')
param functionAppId string

@description('Resource id of the storage account for events: EVENTS_STORAGE_ID.')
param eventsStorageId string

@description('How events reach the guard: EVENT_DELIVERY.')
param eventDelivery shared.eventDelivery

@description('Also give the guard the role for what incidents say of how exposed a cluster is. It only reads. The guard is deployed with posture=true then.')
param posture bool = false

var guardGroup = split(functionAppId, '/')
var groupScope = managementGroup().id

// Roles of this group alone. A definition has one list of scopes, in which a management group is once at most, and Azure refuses to take a
// scope out of it where the role is given (RoleScopeBeingRemovedContainsAssignments, source: Azure/bicep#17145): main.bicep and another
// group must not write the same definition.
var roleSeed = guid(shared.roleName(tenant().tenantId, environmentName), groupScope)
var ofGroup = '${environmentName}, ${managementGroup().name}'

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: roleSeed
  properties: {
    roleName: 'AKS Stop Guard (${ofGroup})'
    description: shared.roleDescription
    type: 'CustomRole'
    permissions: [{ actions: shared.roleActions, notActions: [], dataActions: [], notDataActions: [] }]
    assignableScopes: [groupScope]
  }
}

resource guardAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(groupScope, functionAppId, role.name)
  properties: {
    description: 'The AKS stop guard of ${environmentName} reads and starts clusters'
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: role.id
  }
}

resource postureRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (posture) {
  name: guid(roleSeed, 'posture')
  properties: {
    roleName: 'AKS Stop Guard posture (${ofGroup})'
    description: shared.postureRoleDescription
    type: 'CustomRole'
    permissions: [{ actions: shared.postureActions, notActions: [], dataActions: [], notDataActions: [] }]
    assignableScopes: [groupScope]
  }
}

resource postureAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (posture) {
  name: guid(groupScope, functionAppId, postureRole.name)
  properties: {
    description: 'The AKS stop guard of ${environmentName} reads how exposed clusters are'
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: postureRole.id
  }
}

// Who is in the group: Resource Graph shows a subscription to whoever may read it. A role of its own, so that the one above is the same
// wherever it is given.
resource seeingRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(roleSeed, 'groups')
  properties: {
    roleName: 'AKS Stop Guard groups (${ofGroup})'
    description: 'Sees which subscriptions are in a management group.'
    type: 'CustomRole'
    permissions: [
      { actions: ['Microsoft.Resources/subscriptions/read'], notActions: [], dataActions: [], notDataActions: [] }
    ]
    assignableScopes: [groupScope]
  }
}

resource seeingAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(groupScope, functionAppId, seeingRole.name)
  properties: {
    description: 'The AKS stop guard of ${environmentName} sees which subscriptions it guards'
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: seeingRole.id
  }
}

// What the policy's deployments make below this group, and nothing else.
resource deployerRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(roleSeed, 'policy')
  properties: {
    roleName: 'AKS Stop Guard policy (${ofGroup})'
    description: 'Makes a resource group with a system topic and an event subscription in each subscription.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.EventGrid/systemTopics/*'
          'Microsoft.Resources/deployments/*'
          'Microsoft.Resources/subscriptions/resourceGroups/read'
          'Microsoft.Resources/subscriptions/resourceGroups/write'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: [groupScope]
  }
}

resource definition 'Microsoft.Authorization/policyDefinitions@2025-01-01' = {
  name: take('aks-stop-guard-${environmentName}', 64)
  properties: {
    displayName: 'AKS stop guard (${environmentName}): events of every subscription go to the guard'
    description: 'A subscription without an event subscription to the guard gets a system topic and one. One that has a system topic for itself already can have no second: give that one the event subscription by guarded-subscription/main.bicep.'
    policyType: 'Custom'
    mode: 'All'
    metadata: { category: 'Event Grid', version: '1.0.0' }
    policyRule: {
      if: { field: 'type', equals: 'Microsoft.Resources/subscriptions' }
      then: {
        effect: 'deployIfNotExists'
        details: {
          type: 'Microsoft.EventGrid/systemTopics'
          existenceScope: 'subscription'
          existenceCondition: {
            field: 'Microsoft.EventGrid/systemTopics/topicType'
            equals: 'Microsoft.Resources.Subscriptions'
          }
          roleDefinitionIds: [tenantResourceId('Microsoft.Authorization/roleDefinitions', deployerRole.name)]
          deploymentScope: 'subscription'
          deployment: {
            location: location
            properties: {
              mode: 'incremental'
              template: loadJsonContent('guarded-subscription.json')
              parameters: {
                environmentName: { value: environmentName }
                location: { value: location }
                roleName: { value: role.name }
                guardPrincipalId: { value: guardPrincipalId }
                functionAppId: { value: functionAppId }
                eventsStorageId: { value: eventsStorageId }
                eventDelivery: { value: eventDelivery }
                assignRole: { value: false }
              }
            }
          }
        }
      }
    }
  }
}

resource assignment 'Microsoft.Authorization/policyAssignments@2025-01-01' = {
  name: take('stop-guard-${uniqueString(environmentName)}', 24)
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    displayName: 'AKS stop guard (${environmentName})'
    policyDefinitionId: definition.id
    enforcementMode: 'Default'
  }
}

// The policy's deployments make these things below this management group ...
resource deployer 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(groupScope, environmentName, deployerRole.name)
  properties: {
    principalId: assignment.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: deployerRole.id
  }
}

// ... point Event Grid at the guard's function or queue, and let the topics write there.
module atTheGuard 'guard-group.bicep' = {
  name: take('stop-guard-policy-${environmentName}', 64)
  scope: resourceGroup(guardGroup[2], guardGroup[4])
  params: {
    principalId: assignment.identity.principalId
    seed: '${groupScope}/${environmentName}'
    eventsStorageName: last(split(eventsStorageId, '/'))
    appName: eventDelivery == 'function' ? last(guardGroup) : ''
  }
}

output ROLE_NAME string = role.name
output POLICY_ASSIGNMENT_ID string = assignment.id
