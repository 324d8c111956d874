targetScope = 'subscription'

import * as shared from 'types.bicep'

// The one right that the guard has on what it guards. Name and id carry the environment: role names are unique in a tenant, and two
// guards must not share a definition. Nor do two deployments of this with other scopes: each would take out what the other one put in,
// which Azure refuses where the role is given (RoleScopeBeingRemovedContainsAssignments). A test holds the actions against the operations that the code sends.

@description('Name of the environment, in the name and in the id of the role.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Where the role may be assigned: the guarded subscriptions, as resource ids. Whoever deploys this needs Microsoft.Authorization/roleDefinitions/write in each.')
@minLength(1)
param assignableScopes string[]

@description('Also make the role for what incidents say of how exposed a cluster is. It only reads.')
param posture bool = false

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: shared.roleName(tenant().tenantId, environmentName)
  properties: {
    roleName: 'AKS Stop Guard (${environmentName})'
    description: shared.roleDescription
    type: 'CustomRole'
    permissions: [
      {
        actions: shared.roleActions
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: assignableScopes
  }
}

resource postureRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (posture) {
  name: shared.postureRoleName(tenant().tenantId, environmentName)
  properties: {
    roleName: 'AKS Stop Guard posture (${environmentName})'
    description: shared.postureRoleDescription
    type: 'CustomRole'
    permissions: [
      {
        actions: shared.postureActions
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: assignableScopes
  }
}

@description('The GUID of the definition: the same in each of its scopes.')
output ROLE_NAME string = role.name

@description('The same of the role for exposure; empty where it is not made.')
output POSTURE_ROLE_NAME string = posture ? postureRole.name : ''
