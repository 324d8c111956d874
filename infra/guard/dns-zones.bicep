// The private DNS zones of the endpoints, each made and linked unless one is given.

@description('Network that the zones are linked to; used only for zones that are made.')
param networkId string
param tags object

@description('Zone ids that exist already, by service: blob, queue, table, sites.')
param existing object

// The storage zones follow the cloud's suffix; the app's is the same in all but its ending.
var zones = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  sites: environment().name == 'AzureUSGovernment'
    ? 'privatelink.azurewebsites.us'
    : environment().name == 'AzureChinaCloud' ? 'privatelink.chinacloudsites.cn' : 'privatelink.azurewebsites.net'
}
var made = filter(items(zones), zone => !contains(existing, zone.key))

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for each in made: {
    name: each.value
    location: 'global'
    tags: tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (each, at) in made: {
    parent: zone[at]
    name: 'guard'
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]

output ids object = toObject(
  items(zones),
  zone => zone.key,
  zone => existing[?zone.key] ?? resourceId('Microsoft.Network/privateDnsZones', zone.value)
)
