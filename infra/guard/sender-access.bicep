// What Event Grid may do with the events account: the identity of a system topic fills the queue and writes dead letters. Event Grid
// reaches an account behind a firewall with a topic's own, system-assigned identity only, so no identity is shared by topics
// (source: Event Grid, "Storage queue as an event handler").

import * as shared from '../types.bicep'

param eventsStorageName string

@description('Object id of the topic\'s system-assigned identity.')
param principalId string

@description('What makes the names of the assignments: known before the topic exists, so that a what-if shows them.')
param seed string

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'

resource events 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: eventsStorageName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource stops 'queues' existing = {
      name: shared.stopQueue
    }
  }
}

// On the account, not on the container: Event Grid was seen to check it there. Nothing else is in the account.
resource deadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events.id, seed, blobDataContributor)
  scope: events
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

resource stops 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events::queues::stops.id, seed, queueDataMessageSender)
  scope: events::queues::stops
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataMessageSender)
  }
}
