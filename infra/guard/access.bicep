// What the guard's identity may do, all of it inside this resource group. Each line says who needs it.

import * as shared from '../types.bicep'

param principalId string

@description('What makes the names of the assignments: the identity\'s resource id, which is known before it exists, so that a what-if shows them.')
param seed string

param hostStorageName string
param stateStorageName string
param eventsStorageName string
param stateContainer string
param insightsName string

@description('Key vault in this resource group whose secrets the settings refer to, or empty.')
param keyVaultName string

// Built-in roles (source: azure-docs, built-in-roles.md).
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource host 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostStorageName
}

resource state 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: stateStorageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource records 'containers' existing = {
      name: stateContainer
    }

    resource cases 'containers' existing = {
      name: '${stateContainer}-cases'
    }
  }
}

resource events 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: eventsStorageName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource stops 'queues' existing = {
      name: shared.stopQueue
    }

    resource poison 'queues' existing = {
      name: shared.poisonQueue
    }
  }

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = {
      name: shared.deadLetterContainer
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = if (!empty(keyVaultName)) {
  name: empty(keyVaultName) ? 'none' : keyVaultName
}

// The Functions host: its leases, its keys, the package (source: azure-docs, functions-reference.md, "Connecting to host storage").
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(host.id, seed, blobDataOwner)
  scope: host
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
  }
}

// The Functions host: its diagnostic events.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(host.id, seed, tableDataContributor)
  scope: host
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
  }
}

// The guard: its records and closed cases, and no other container of the account.
resource records 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(state::blobs::records.id, seed, blobDataContributor)
  scope: state::blobs::records
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

resource cases 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(state::blobs::cases.id, seed, blobDataContributor)
  scope: state::blobs::cases
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

// The Functions host, for StopActionQueue: takes messages, and puts what fails again and again into the poison queue.
resource stops 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events::queues::stops.id, seed, queueDataContributor)
  scope: events::queues::stops
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}

resource poison 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events::queues::poison.id, seed, queueDataContributor)
  scope: events::queues::poison
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}

// The guard: what Event Grid could not deliver. It reads each, moves it into the state and deletes it here.
resource deadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events::blobs::deadLetters.id, seed, blobDataContributor)
  scope: events::blobs::deadLetters
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

// The Functions host: its telemetry, the guard's log lines among it.
resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, seed, monitoringMetricsPublisher)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

// The platform: the secrets that settings refer to.
resource secrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(keyVaultName)) {
  name: guid(resourceGroup().id, keyVaultName, seed, keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}
