// Three accounts, so that nobody's right on one reaches what is in another. Who can write the package *is* the guard: the host's account
// holds the package and the host's own leases and keys. The state account holds what the guard remembers. The events account is the
// only one that Event Grid's topics may write: the queue of stop events and dead letters. No account has keys that work.

import * as shared from '../types.bicep'

param hostName string
param stateName string
param eventsName string
param location string
param tags object
param sku string

@description('No access from outside the private network. The events account lets in Azure services that the platform trusts: Event Grid comes that way.')
param privateNetwork bool

@description('Container of the guard\'s records. Closed cases are in a second one, named like it and -cases.')
param stateContainer string

@description('How long a closed case can not be changed or deleted, days. 0: no immutability policy. The policy is not locked: locking is for people to do, since it can not be undone.')
@minValue(0)
@maxValue(146000)
param casesImmutableDays int

@description('How long deleted or overwritten blobs can be brought back, days.')
@minValue(1)
@maxValue(365)
param softDeleteDays int

@description('How long dead letters and closed cases are kept, days. 0 keeps closed cases for ever.')
param deadLetterDays int
param casesDays int

var packageContainer = 'deployments'
var casesContainer = '${stateContainer}-cases'

var accountProperties = {
  accessTier: 'Hot'
  allowBlobPublicAccess: false
  allowCrossTenantReplication: false
  allowSharedKeyAccess: false
  defaultToOAuthAuthentication: true
  minimumTlsVersion: 'TLS1_2'
  supportsHttpsTrafficOnly: true
  publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  networkAcls: { defaultAction: privateNetwork ? 'Deny' : 'Allow', bypass: 'None' }
  encryption: {
    keySource: 'Microsoft.Storage'
    requireInfrastructureEncryption: true
    services: {
      blob: { enabled: true, keyType: 'Account' }
      file: { enabled: true, keyType: 'Account' }
      queue: { enabled: true, keyType: 'Account' }
      table: { enabled: true, keyType: 'Account' }
    }
  }
}

resource host 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: hostName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: accountProperties

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
      containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    }

    resource packages 'containers' = {
      name: packageContainer
      properties: { publicAccess: 'None' }
    }
  }
}

resource state 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: stateName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: accountProperties

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // No versioning: records are overwritten all the time, and soft delete keeps what they were before.
      deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
      containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    }

    resource records 'containers' = {
      name: stateContainer
      properties: { publicAccess: 'None' }
    }

    resource cases 'containers' = {
      name: casesContainer
      properties: { publicAccess: 'None' }

      resource immutable 'immutabilityPolicies' = if (casesImmutableDays > 0) {
        name: 'default'
        properties: {
          immutabilityPeriodSinceCreationInDays: max(1, casesImmutableDays)
          allowProtectedAppendWrites: false
        }
      }
    }
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: concat(
          [
            {
              // Only marks within an hour of a stop are counted, and events come within a day.
              name: 'stop-marks'
              enabled: true
              type: 'Lifecycle'
              definition: {
                filters: { blobTypes: ['blockBlob'], prefixMatch: ['${stateContainer}/stops/'] }
                actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 7 } } }
              }
            }
          ],
          casesDays == 0
            ? []
            : [
                {
                  name: 'closed-cases'
                  enabled: true
                  type: 'Lifecycle'
                  definition: {
                    filters: { blobTypes: ['blockBlob'], prefixMatch: ['${casesContainer}/'] }
                    actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: casesDays } } }
                  }
                }
              ]
        )
      }
    }
    dependsOn: [blobs]
  }
}

resource events 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: eventsName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: union(accountProperties, {
    networkAcls: { defaultAction: privateNetwork ? 'Deny' : 'Allow', bypass: 'AzureServices' }
  })

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
      containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    }

    resource deadLetters 'containers' = {
      name: shared.deadLetterContainer
      properties: { publicAccess: 'None' }
    }
  }

  resource queues 'queueServices' = {
    name: 'default'

    resource stops 'queues' = {
      name: shared.stopQueue
    }

    resource poison 'queues' = {
      name: shared.poisonQueue
    }
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: [
          {
            name: 'dead-letters'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['${shared.deadLetterContainer}/'] }
              actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: deadLetterDays } } }
            }
          }
        ]
      }
    }
    dependsOn: [blobs]
  }
}

output hostId string = host.id
output stateId string = state.id
output eventsId string = events.id
output packageUrl string = '${host.properties.primaryEndpoints.blob}${packageContainer}'
output queueUrl string = events.properties.primaryEndpoints.queue
