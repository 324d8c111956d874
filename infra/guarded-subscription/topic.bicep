// The system topic of this subscription: what is done in it, as events. A subscription has one at most.

param name string
param tags object

@description('Make it, or use the one that is there.')
param isMade bool

@description('Forbid the deletion of everything in this resource group.')
param lock bool

resource made 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (isMade) {
  name: name
  location: 'global'
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: { source: subscription().id, topicType: 'Microsoft.Resources.Subscriptions' }
}

resource given 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!isMade) {
  name: name
}

resource topicLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock && isMade) {
  name: 'aks-stop-guard'
  properties: { level: 'CanNotDelete', notes: 'Without it the AKS stop guard hears of no stop.' }
}

output id string = isMade ? made.id : given.id
output principalId string = isMade ? made!.identity.principalId : given!.identity.principalId
