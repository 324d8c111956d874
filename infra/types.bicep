// What several of the files here share: the shapes of their parameters and names that have to agree with the package.

@export()
@description('How events reach the guard. function: Event Grid calls the function StopActionHandler. queue: it fills a storage queue that StopActionQueue reads; the only way into a private network, since Event Grid can not push through a private endpoint.')
type eventDelivery = 'function' | 'queue'

@export()
@description('What the guard may do: decide and record; also tell people; also start clusters.')
type mode = 'dry-run' | 'notify' | 'act'

@export()
@description('Names instead of the generated ones. What is left out is named by the convention.')
type names = {
  app: string?
  plan: string?
  identity: string?
  @maxLength(24)
  hostStorage: string?
  @maxLength(24)
  stateStorage: string?
  @maxLength(24)
  eventsStorage: string?
  insights: string?
  workspace: string?
  network: string?
}

@export()
@description('The private network: what there is already, and the addresses of what is made. Whoever gives one of the subnets gives both.')
type network = {
  @description('Subnet for the app, delegated to Microsoft.App/environments and used by nothing else, with a way to the internet.')
  appSubnetId: string?
  @description('Subnet for the private endpoints.')
  endpointSubnetId: string?
  @description('Address space of the network that is made.')
  addressPrefix: string?
  @description('Existing private DNS zones, already linked to the network. Zones that are left out are made and linked.')
  dnsZones: {
    blob: string?
    queue: string?
    table: string?
    sites: string?
  }?
}

@export()
@description('The queue between Event Grid and StopActionQueue; StopActionQueue/function.json names it too.')
var stopQueue = 'aks-stop-events'

@export()
@description('Where the Functions host puts what StopActionQueue could not take in, again and again.')
var poisonQueue = '${stopQueue}-poison'

@export()
@description('Events that Event Grid gave up on.')
var deadLetterContainer = 'dead-letter'

@export()
@description('What makes generated names unique: the resource group, by its id, and the environment.')
func token(groupId string, environmentName string) string => toLower(uniqueString(groupId, environmentName))

@export()
@description('Generated names that main.bicep needs before the resources exist.')
func appName(token string) string => 'func-stop-guard-${token}'

@export()
func identityName(token string) string => 'id-stop-guard-${token}'

@export()
func eventsStorageName(token string) string => 'stsgevents${token}'

@export()
@description('The GUID of the custom role: one definition in the tenant for each environment.')
func roleName(tenantId string, environmentName string) string => guid(tenantId, 'aks-stop-guard', environmentName)

@export()
@description('The GUID of the optional role that only reads, for what incidents say of how exposed a cluster is.')
func postureRoleName(tenantId string, environmentName string) string =>
  guid(roleName(tenantId, environmentName), 'posture')

@export()
@description('The table of the sink `sentinel`.')
var sentinelTable = 'AksStopGuard_CL'

@export()
@description('Its columns, as the sink sends them.')
var sentinelColumns = [
  { name: 'TimeGenerated', type: 'datetime' }
  { name: 'IncidentId', type: 'string' }
  { name: 'Sequence', type: 'int' }
  { name: 'State', type: 'string' }
  { name: 'Severity', type: 'string' }
  { name: 'Title', type: 'string' }
  { name: 'ClusterId', type: 'string' }
  { name: 'ClusterName', type: 'string' }
  { name: 'ClusterCount', type: 'int' }
  { name: 'CallerKind', type: 'string' }
  { name: 'CallerLabel', type: 'string' }
  { name: 'CallerObjectId', type: 'string' }
  { name: 'CallerAppId', type: 'string' }
  { name: 'CallerUpn', type: 'string' }
  { name: 'CallerIp', type: 'string' }
  { name: 'StoppedAt', type: 'datetime' }
  { name: 'CorrelationId', type: 'string' }
  { name: 'Verdict', type: 'string' }
  { name: 'Policies', type: 'dynamic' }
  { name: 'Done', type: 'dynamic' }
  { name: 'Next', type: 'dynamic' }
  { name: 'Warnings', type: 'dynamic' }
  { name: 'Links', type: 'dynamic' }
  { name: 'Clusters', type: 'dynamic' }
  { name: 'Timeline', type: 'dynamic' }
  { name: 'Mode', type: 'string' }
]

@export()
@description('The sink `sentinel`: whether its table is made, where the workspace is (the guard\'s region by default), and whether an analytics rule makes incidents of the rows.')
type sentinel = {
  enabled: bool
  workspaceLocation: string?
  analyticsRule: bool?
}

@export()
@description('Alerts about the guard: the resource group that they live in (not the guard\'s own; made unless it exists), and who is told.')
type alerts = {
  group: string
  existingGroup: bool?
  emails: string[]?
  actionGroupIds: string[]?
}

@export()
func actionGroupName(environmentName string) string => take('ag-stop-guard-${environmentName}', 260)

@export()
@description('What the guard may do on what it guards; a test holds it against what the code sends.')
var roleActions = [
  'Microsoft.ContainerService/managedClusters/read'
  'Microsoft.ContainerService/managedClusters/start/action'
  'Microsoft.ContainerInstance/containerGroups/read'
  'Microsoft.ContainerInstance/containerGroups/start/action'
  'Microsoft.Insights/eventtypes/values/read'
]

@export()
@description('What the role is for, as people read it wherever it is defined.')
var roleDescription = 'Reads AKS clusters, container groups and their activity log, and starts them. Can not stop, change or delete anything.'

@export()
var postureRoleDescription = 'Reads what lets clusters be stopped, for incidents. Can not stop, start, change or delete anything.'

@export()
@description('What it reads beside that where incidents say how exposed their cluster is; a test holds it against the code as well.')
var postureActions = [
  'Microsoft.ContainerService/managedClusters/upgradeProfiles/read'
  'Microsoft.ContainerService/locations/kubernetesVersions/read'
  'Microsoft.Security/pricings/read'
  'Microsoft.Authorization/roleDefinitions/read'
  'Microsoft.Authorization/roleAssignments/read'
  'Microsoft.Insights/diagnosticSettings/read'
  'Microsoft.Network/networkSecurityGroups/read'
  'Microsoft.Network/virtualNetworks/subnets/read'
  'Microsoft.OperationalInsights/workspaces/read'
]
