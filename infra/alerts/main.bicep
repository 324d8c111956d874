targetScope = 'resourceGroup'

// Alerts about the guard. They belong into a resource group of other people, best in a group that the guard's people can't change: a guard
// that is dead, stopped or deleted can't tell. docs/OPERATIONS.md says what each means and what to do.

import * as shared from '../types.bicep'

@description('Name of the guard\'s environment.')
param environmentName string
param location string = resourceGroup().location
param tags object = {}

@description('Who is told by e-mail.')
param emails string[] = []

@description('Action groups that exist already, by their ids.')
param actionGroupIds string[] = []

@description('Resource id of the guard\'s app: FUNCTION_APP_ID. Its resource group is watched as a whole.')
param functionAppId string

@description('Log Analytics workspace of the guard, by its id: WORKSPACE_ID. It is in the region of the alerts.')
param workspaceId string

var app = split(functionAppId, '/')
var guardGroup = app[4]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: shared.actionGroupName(environmentName)
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'StopGuard'
    emailReceivers: [
      for (email, at) in emails: { name: 'person-${at}', emailAddress: email, useCommonAlertSchema: true }
    ]
  }
}

var told = concat(actionGroupIds, empty(emails) ? [] : [people.id])

// What is done to the guard, as the activity log tells it. A lock does not keep anybody from stopping an app.
var deeds = [
  {
    name: 'stopped'
    about: 'The guard\'s app was stopped, restarted or deleted.'
    operations: ['Microsoft.Web/sites/stop/action', 'Microsoft.Web/sites/restart/action', 'Microsoft.Web/sites/delete']
    group: guardGroup
  }
  {
    name: 'changed'
    about: 'A setting of the guard\'s app, its package or its identity was changed.'
    operations: [
      'Microsoft.Web/sites/write'
      'Microsoft.Web/sites/config/write'
      'Microsoft.Web/sites/publish/action'
      'Microsoft.Web/sites/functions/delete'
      'Microsoft.ManagedIdentity/userAssignedIdentities/delete'
      'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write'
    ]
    group: guardGroup
  }
  {
    name: 'storage'
    about: 'A storage account of the guard, or a container in it, was changed or deleted.'
    operations: [
      'Microsoft.Storage/storageAccounts/write'
      'Microsoft.Storage/storageAccounts/delete'
      'Microsoft.Storage/storageAccounts/blobServices/containers/delete'
      'Microsoft.Storage/storageAccounts/queueServices/queues/delete'
      'Microsoft.Storage/storageAccounts/managementPolicies/write'
      'Microsoft.Storage/storageAccounts/managementPolicies/delete'
    ]
    group: guardGroup
  }
  {
    name: 'rights'
    about: 'Somebody got or lost a right in the guard\'s resource group, or a lock there was changed.'
    operations: [
      'Microsoft.Authorization/roleAssignments/write'
      'Microsoft.Authorization/roleAssignments/delete'
      'Microsoft.Authorization/locks/write'
      'Microsoft.Authorization/locks/delete'
    ]
    group: guardGroup
  }
  {
    name: 'unwatched'
    about: 'An alert about the guard was changed or deleted.'
    operations: [
      'Microsoft.Insights/activityLogAlerts/write'
      'Microsoft.Insights/activityLogAlerts/delete'
      'Microsoft.Insights/scheduledQueryRules/write'
      'Microsoft.Insights/scheduledQueryRules/delete'
      'Microsoft.Insights/metricAlerts/write'
      'Microsoft.Insights/metricAlerts/delete'
      'Microsoft.Insights/actionGroups/write'
      'Microsoft.Insights/actionGroups/delete'
    ]
    group: resourceGroup().name
  }
]

module deed 'activity.bicep' = [
  for each in deeds: {
    name: 'stop-guard-${each.name}'
    params: {
      name: take('stop-guard-${environmentName}-${each.name}', 128)
      about: each.about
      tags: tags
      actionGroupIds: told
      operations: each.operations
      watchedGroup: each.group
    }
  }
]

// What the guard says of itself. The host brings its log lines as traces, which host.json exempts from sampling.
var lines = '''AppTraces
| where AppRoleName =~ '{app}'
| extend Line = parse_json(Message)
| where tostring(Line.message) == '''
var signs = [
  {
    name: 'silent'
    about: 'The guard did not sweep for a quarter of an hour: the timer, the app or the store is dead.'
    severity: 0
    query: '${lines}\'sweep\'\n| summarize Found = count()'
    window: 'PT15M'
    every: 'PT5M'
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'degraded'
    about: 'A setting, a policy or a sink of the guard is broken: it starts nothing until that is mended.'
    severity: 1
    query: '${lines}\'degraded: nothing is decided or started until this is mended\'\n| summarize Found = count()'
    window: 'PT15M'
    every: 'PT5M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'failing'
    about: 'Sweeps of the last half hour could not work on some cases.'
    severity: 1
    query: '${lines}\'sweep\'\n| summarize Found = countif(toint(Line.failed) > 0) - countif(toint(Line.failed) == 0)'
    window: 'PT30M'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'missed'
    about: 'Stops came to light by discovery before any event of them: the event subscription may be broken.'
    severity: 2
    query: '${lines}\'sweep\'\n| summarize Found = sum(toint(Line.discovered))'
    window: 'PT1H'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'stuck'
    about: 'A case does not move: it is open for more than 4,000 seconds and not in people\'s hands.'
    severity: 1
    query: '${lines}\'sweep\'\n| summarize Found = countif(toint(Line.oldest_seconds) > 4000 and toint(Line.held) < toint(Line.open))'
    window: 'PT30M'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'untold'
    about: 'An incident could not be delivered to a sink, and is a dead letter now: nobody was told there.'
    severity: 1
    query: '${lines}\'an incident could not be delivered: it is a dead letter now\'\n| summarize Found = count()'
    window: 'PT15M'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'poison'
    about: 'An event in the queue could not be taken in for a day: it lies in the poison queue.'
    severity: 1
    query: 'AppTraces\n| where AppRoleName =~ \'{app}\' and Message has \'${shared.poisonQueue}\'\n| summarize Found = count()'
    window: 'PT15M'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
]

resource sign 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for each in signs: {
    name: take('stop-guard-${environmentName}-${each.name}', 260)
    location: location
    tags: tags
    properties: {
      displayName: 'AKS stop guard (${environmentName}): ${each.name}'
      description: each.about
      enabled: true
      severity: each.severity
      scopes: [workspaceId]
      windowSize: each.window
      evaluationFrequency: each.every
      autoMitigate: true
      // The workspace may be new: its tables come with the first line.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: replace(each.query, '{app}', last(app))
            metricMeasureColumn: 'Found'
            timeAggregation: 'Total'
            operator: each.operator
            threshold: each.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: told }
    }
  }
]
