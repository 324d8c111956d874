using '../main.bicep'

// Three subscriptions: two are set up here, one of them with a system topic that is there already; the third one's owner deploys
// guarded-subscription/main.bicep. A management group is guarded, too.
param environmentName = 'several'
param location = 'westeurope'
param subscriptionIds = '00000000-0000-0000-0000-000000000001, 00000000-0000-0000-0000-000000000002'
param otherSubscriptionIds = '00000000-0000-0000-0000-000000000003'
param managementGroups = 'mg-landing-zones'
param existingSystemTopics = {
  '00000000-0000-0000-0000-000000000002': { name: 'evgt-shared', group: 'rg-events' }
}
param mode = 'notify'
param eventDelivery = 'queue'
param locks = true
param casesImmutableDays = 365
param alwaysReadyInstances = 1
param tags = { owner: 'platform' }
param alerts = { group: 'rg-watch', emails: ['oncall@example.invalid'] }
param defenderForContainers = true
param posture = true
