// The Function app: Flex Consumption, runtime `custom`, with the guard's identity.

param name string
param planName string
param location string
param tags object
param identityId string
param principalClientId string
param hostStorageName string

@description('Container of the deployment package, as a URL.')
param packageUrl string

@description('Memory of an instance, MB. The guard needs less than 64.')
param instanceMemoryMB int

@description('Most instances of the app.')
param maximumInstanceCount int

@description('Instances that are kept warm for the sweep and for events. 0: the sweep, every 30 seconds, keeps the app awake by itself.')
param alwaysReadyInstances int

@description('Subnet of the app, or empty: no network.')
param subnetId string

@description('No access to the app from outside its network.')
param privateNetwork bool

@description('The function that takes events in: StopActionHandler or StopActionQueue.')
param intakeFunction string

@description('The app\'s settings, all of them.')
@secure()
param settings object

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  // azd finds the app by this tag.
  tags: union(tags, { 'azd-service-name': 'guard' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
    functionAppConfig: {
      runtime: { name: 'custom', version: '1.0' }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0
          ? []
          : [
              { name: 'function:Sweep', instanceCount: alwaysReadyInstances }
              { name: 'function:${intakeFunction}', instanceCount: alwaysReadyInstances }
            ]
      }
    }
  }

  // Neither FTP nor a publishing password: deployments use Entra identities.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(settings, {
      AzureWebJobsStorage__accountName: hostStorageName
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: principalClientId
    })
  }
}

output id string = app.id
output hostName string = app.properties.defaultHostName
