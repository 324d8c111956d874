// A workbook over the guard's log: cases, callers, time to restore, starts, sinks, heartbeat.

param environmentName string
param location string
param tags object
param workspaceId string
param appName string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, environmentName, 'aks-stop-guard')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'AKS stop guard (${environmentName})'
    category: 'workbook'
    version: '1.0'
    sourceId: workspaceId
    serializedData: replace(string(loadJsonContent('workbook.json')), '{app}', appName)
  }
}
