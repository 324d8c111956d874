// Incidents as rows of a table of the workspace: a direct data collection rule takes them, and only from the guard. The table and the
// analytics rule that makes Sentinel incidents of the rows are in sentinel-workspace.bicep, in the workspace's own group.

import * as shared from '../types.bicep'

param name string
param location string
param tags object
param workspaceId string
param principalId string

@description('What makes the name of the role assignment: known beforehand, so that a what-if shows it.')
param seed string

var stream = 'Custom-${shared.sentinelTable}'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource rule 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: name
  location: location
  tags: tags
  kind: 'Direct'
  properties: {
    description: 'Incidents of the AKS stop guard'
    streamDeclarations: { '${stream}': { columns: shared.sentinelColumns } }
    destinations: { logAnalytics: [{ name: 'workspace', workspaceResourceId: workspaceId }] }
    dataFlows: [
      { streams: [stream], destinations: ['workspace'], transformKql: 'source', outputStream: stream }
    ]
  }
}

resource publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(rule.id, seed, monitoringMetricsPublisher)
  scope: rule
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

output endpoint string = rule.properties.endpoints.logsIngestion
output immutableId string = rule.properties.immutableId
