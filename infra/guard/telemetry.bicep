// Application Insights on a workspace, without instrumentation keys: only the guard's identity writes.

param insightsName string
param workspaceName string
param location string
param tags object

@description('Resource id of an existing Log Analytics workspace, or empty.')
param existingWorkspaceId string

@description('How long logs are kept in the workspace that is made, days.')
param retentionDays int

@description('What may be taken in on one day by the workspace that is made, GB. -1: no limit. A limit also stops the heartbeat.')
param dailyCapGb int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = if (empty(existingWorkspaceId)) {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
    workspaceCapping: { dailyQuotaGb: dailyCapGb }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: empty(existingWorkspaceId) ? workspace.id : existingWorkspaceId
    DisableLocalAuth: true
  }
}

output workspaceId string = empty(existingWorkspaceId) ? workspace.id : existingWorkspaceId
output insightsId string = insights.id
output connectionString string = insights.properties.ConnectionString
