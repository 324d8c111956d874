// Who the guard is. An identity that exists is used as it is.

param name string
param location string
param tags object

@description('Resource id of an existing user-assigned identity, or empty.')
param existingId string

var existing = split(empty(existingId) ? '/subscriptions/-/resourceGroups/-/providers/-/-/-' : existingId, '/')

resource made 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (empty(existingId)) {
  name: name
  location: location
  tags: tags
}

resource given 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = if (!empty(existingId)) {
  name: last(existing)
  scope: resourceGroup(existing[2], existing[4])
}

output id string = empty(existingId) ? made.id : existingId
output principalId string = empty(existingId) ? made!.properties.principalId : given!.properties.principalId
output clientId string = empty(existingId) ? made!.properties.clientId : given!.properties.clientId
