using '../management-group/main.bicep'

// A management group whose subscriptions all go to one guard, those to come too.
param environmentName = 'group'
param location = 'westeurope'
param guardPrincipalId = '00000000-0000-0000-0000-0000000000aa'
param functionAppId = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-stop-guard-group/providers/Microsoft.Web/sites/func-stop-guard'
param eventsStorageId = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-stop-guard-group/providers/Microsoft.Storage/storageAccounts/stsgeventsgroup'
param eventDelivery = 'queue'
