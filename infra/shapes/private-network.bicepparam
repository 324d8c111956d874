using '../main.bicep'

// Nothing public: storage and app behind private endpoints, in a network of its own; the zone of the blobs and the resource group exist
// already. A subscription of another owner is guarded, who makes a role of their own.
param environmentName = 'private'
param location = 'westeurope'
param resourceGroupName = 'rg-platform'
param existingResourceGroup = true
param privateNetwork = true
param network = {
  addressPrefix: '10.20.0.0/24'
  dnsZones: {
    blob: '/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net'
  }
}
param otherSubscriptionIds = '00000000-0000-0000-0000-000000000003'
param roleInOtherSubscriptions = false
param mode = 'act'
