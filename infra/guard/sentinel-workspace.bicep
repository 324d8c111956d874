// In the workspace's resource group: the table, and a near-real-time analytics rule that makes incidents of its rows.

import * as shared from '../types.bicep'

param workspaceName string
param environmentName string

@description('How long the rows are kept, days.')
param retentionDays int

@description('Make the analytics rule. It needs Microsoft Sentinel on the workspace.')
param analyticsRule bool

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

resource table 'Microsoft.OperationalInsights/workspaces/tables@2025-02-01' = {
  parent: workspace
  name: shared.sentinelTable
  properties: {
    plan: 'Analytics'
    retentionInDays: retentionDays
    schema: {
      name: shared.sentinelTable
      description: 'Incidents of the AKS stop guard: one row for each message about an incident'
      columns: map(shared.sentinelColumns, column => {
        name: column.name
        type: column.type == 'datetime' ? 'dateTime' : column.type
      })
    }
  }
}

// Rows come at least once: the last one of an incident in the minute counts. What happens to it later joins the same Sentinel incident.
var query = '''
| where State in ('opened', 'updated') and Mode != 'dry-run'
| summarize arg_max(Sequence, *) by IncidentId
| extend AlertSeverity = case(Severity in ('critical', 'high'), 'High', Severity == 'medium', 'Medium', Severity == 'low', 'Low', 'Informational')
| extend NextSteps = strcat_array(Next, ' ')'''

resource incidents 'Microsoft.SecurityInsights/alertRules@2025-07-01-preview' = if (analyticsRule) {
  scope: workspace
  name: guid(workspace.id, 'aks-stop-guard', environmentName)
  kind: 'NRT'
  properties: {
    displayName: 'AKS cluster stopped without permission (${environmentName})'
    description: 'The AKS stop guard found a stop that no policy allows, or needs people.'
    enabled: true
    severity: 'Medium'
    query: '${shared.sentinelTable}\n${query}'
    suppressionEnabled: false
    suppressionDuration: 'PT1H'
    tactics: ['Impact']
    techniques: ['T1489']
    eventGroupingSettings: { aggregationKind: 'AlertPerResult' }
    entityMappings: [
      {
        entityType: 'Account'
        fieldMappings: [
          { identifier: 'AadUserId', columnName: 'CallerObjectId' }
          { identifier: 'DisplayName', columnName: 'CallerLabel' }
        ]
      }
      { entityType: 'IP', fieldMappings: [{ identifier: 'Address', columnName: 'CallerIp' }] }
      { entityType: 'AzureResource', fieldMappings: [{ identifier: 'ResourceId', columnName: 'ClusterId' }] }
    ]
    customDetails: {
      IncidentId: 'IncidentId'
      CorrelationId: 'CorrelationId'
      Verdict: 'Verdict'
      CallerAppId: 'CallerAppId'
    }
    alertDetailsOverride: {
      alertDisplayNameFormat: '{{Title}}'
      alertDescriptionFormat: '{{NextSteps}}'
      alertSeverityColumnName: 'AlertSeverity'
    }
    incidentConfiguration: {
      createIncident: true
      groupingConfiguration: {
        enabled: true
        matchingMethod: 'Selected'
        groupByCustomDetails: ['IncidentId']
        groupByEntities: []
        groupByAlertDetails: []
        lookbackDuration: 'P7D'
        reopenClosedIncident: true
      }
    }
  }
  dependsOn: [table]
}
