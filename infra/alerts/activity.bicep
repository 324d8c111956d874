// One alert about operations in this subscription that went through: on everything in a resource group, on one resource, or anywhere.

param name string
param about string
param tags object
param actionGroupIds string[]

@minLength(1)
param operations string[]

@description('Only what is done in this resource group, or empty.')
param watchedGroup string = ''

@description('Only what is done to this resource, or empty.')
param watchedResourceId string = ''

var told = map(actionGroupIds, id => { actionGroupId: id })

resource alert 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    description: about
    enabled: true
    scopes: [subscription().id]
    condition: {
      allOf: concat(
        [
          { field: 'category', equals: 'Administrative' }
          { anyOf: map(operations, operation => { field: 'operationName', equals: operation }) }
          // Long operations end as Succeeded, or are seen as Accepted only.
          { anyOf: [{ field: 'status', equals: 'Succeeded' }, { field: 'status', equals: 'Accepted' }] }
        ],
        empty(watchedGroup) ? [] : [{ field: 'resourceGroup', equals: watchedGroup }],
        empty(watchedResourceId) ? [] : [{ field: 'resourceId', equals: watchedResourceId }]
      )
    }
    actions: { actionGroups: told }
  }
}
