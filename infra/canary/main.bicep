targetScope = 'resourceGroup'

// What a drill stops (docs/DRILL.md): a container group that does nothing, in a resource group of its own in a guarded subscription. The tag
// is what lets `aks-stop-guard drill` stop it. It costs while it runs: docs/COST.md.

@description('Name of the container group.')
@minLength(1)
@maxLength(63)
param name string = 'stop-guard-canary'

param location string = resourceGroup().location

@description('An image that runs until it is stopped. The one by default does nothing and is the smallest that Microsoft offers.')
param image string = 'mcr.microsoft.com/oss/kubernetes/pause:3.9'

resource canary 'Microsoft.ContainerInstance/containerGroups@2023-05-01' = {
  name: name
  location: location
  tags: { 'aks-stop-guard': 'canary' }
  properties: {
    osType: 'Linux'
    restartPolicy: 'Always'
    containers: [
      {
        name: 'canary'
        properties: {
          image: image
          // The least that a container group may have.
          resources: { requests: { cpu: 1, memoryInGB: 1 } }
        }
      }
    ]
  }
}

@description('What to give to `aks-stop-guard drill --group`.')
output CANARY_ID string = canary.id
