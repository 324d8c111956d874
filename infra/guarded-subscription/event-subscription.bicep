// Which events go to the guard, and how. The guard checks type and operation again by itself: a filter is configuration, no guarantee.

import * as shared from '../types.bicep'

param topicName string
param name string
param functionAppId string
param eventsStorageId string
param eventDelivery shared.eventDelivery

var toFunction = {
  destination: {
    endpointType: 'AzureFunction'
    properties: {
      resourceId: '${functionAppId}/functions/StopActionHandler'
      // Each event is acknowledged by itself.
      maxEventsPerBatch: 1
      preferredBatchSizeInKilobytes: 64
    }
  }
}

var toQueue = {
  deliveryWithResourceIdentity: {
    identity: { type: 'SystemAssigned' }
    destination: {
      endpointType: 'StorageQueue'
      properties: {
        resourceId: eventsStorageId
        queueName: shared.stopQueue
        // A week, the longest that a queue keeps a message by default.
        queueMessageTimeToLiveInSeconds: 604800
      }
    }
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: name
  properties: union(eventDelivery == 'queue' ? toQueue : toFunction, {
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Resources.ResourceActionSuccess']
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.operationName'
          values: [
            'Microsoft.ContainerService/managedClusters/stop/action'
            'Microsoft.ContainerInstance/containerGroups/stop/action'
          ]
        }
      ]
    }
    // The most that Event Grid offers: what is lost for longer is found by discovery.
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: eventsStorageId, blobContainerName: shared.deadLetterContainer }
      }
    }
  })
}
