using '../main.bicep'

// One subscription, everything by default, the event subscription made after the package was published.
param environmentName = 'single'
param location = 'westeurope'
param subscribe = true
param sinks = 'webhook'
param settings = {
  STOP_GUARD_WEBHOOK_URL: '@Microsoft.KeyVault(SecretUri=https://kv-stop-guard.vault.azure.net/secrets/webhook-url)'
}
