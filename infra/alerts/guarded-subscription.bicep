targetScope = 'resourceGroup'

// Alerts in a guarded subscription, in a resource group of other people: whatever makes the guard blind or powerless there. An alert about the
// activity log sees its own subscription only.

import * as shared from '../types.bicep'

@description('Name of the guard\'s environment.')
param environmentName string
param tags object = {}

@description('Action groups that are told, by their ids.')
@minLength(1)
param actionGroupIds string[]

@description('The system topic: SYSTEM_TOPIC_ID.')
param systemTopicId string

@description('The role assignment of the guard in this subscription: GUARD_ROLE_ASSIGNMENT_ID.')
param roleAssignmentId string

@description('The custom role, by its GUID: ROLE_NAME.')
param roleName string

var deeds = [
  {
    name: 'deaf'
    about: 'The event subscription or the system topic of the guard was changed or deleted: it may hear of no stop.'
    operations: [
      'Microsoft.EventGrid/systemTopics/write'
      'Microsoft.EventGrid/systemTopics/delete'
      'Microsoft.EventGrid/systemTopics/eventSubscriptions/write'
      'Microsoft.EventGrid/systemTopics/eventSubscriptions/delete'
    ]
    watchedGroup: split(systemTopicId, '/')[4]
    watchedResourceId: ''
  }
  {
    name: 'powerless'
    about: 'The guard lost its right to start clusters in this subscription.'
    operations: ['Microsoft.Authorization/roleAssignments/delete']
    watchedGroup: ''
    watchedResourceId: roleAssignmentId
  }
  {
    name: 'role'
    about: 'The custom role of the guard was changed or deleted.'
    operations: ['Microsoft.Authorization/roleDefinitions/write', 'Microsoft.Authorization/roleDefinitions/delete']
    watchedGroup: ''
    watchedResourceId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleName)
  }
  {
    name: 'denied'
    about: 'A deny assignment was made in this subscription: it may keep the guard from starting clusters.'
    operations: ['Microsoft.Authorization/denyAssignments/write']
    watchedGroup: ''
    watchedResourceId: ''
  }
]

module deed 'activity.bicep' = [
  for each in deeds: {
    name: 'stop-guard-${each.name}'
    params: {
      name: take('stop-guard-${environmentName}-${each.name}', 128)
      about: each.about
      tags: tags
      actionGroupIds: actionGroupIds
      operations: each.operations
      watchedGroup: each.watchedGroup
      watchedResourceId: each.watchedResourceId
    }
  }
]

var told = map(actionGroupIds, id => { actionGroupId: id })

// Event Grid gave up on events: they are in the container dead-letter, or nowhere.
resource lost 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: take('stop-guard-${environmentName}-lost', 260)
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid could not deliver events to the guard: they are in the container ${shared.deadLetterContainer}, or were dropped.'
    enabled: true
    severity: 1
    scopes: [systemTopicId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.MultipleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'lost'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: 'DeadLetteredCount'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: told
  }
}
