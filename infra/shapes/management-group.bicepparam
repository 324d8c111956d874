using '../management-group/main.bicep'

// A management group whose subscriptions all go to one guard, that of several.bicepparam, those to come too.
param environmentName = 'several'
param location = 'westeurope'
param guardPrincipalId = '00000000-0000-0000-0000-0000000000aa'
param functionAppId = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-stop-guard-several/providers/Microsoft.Web/sites/func-stop-guard'
param eventsStorageId = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-stop-guard-several/providers/Microsoft.Storage/storageAccounts/stsgeventsseveral'
param eventDelivery = 'queue'
param posture = true
