using '../main.bicep'

// Microsoft Sentinel on the company's workspace, which is in another subscription.
param environmentName = 'sentinel'
param location = 'northeurope'
param subscribe = true
param workspaceId = '/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-soc/providers/Microsoft.OperationalInsights/workspaces/log-soc'
param sentinel = { enabled: true, workspaceLocation: 'westeurope' }
param sinks = 'sentinel'
param mode = 'act'
