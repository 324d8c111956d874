targetScope = 'subscription'

// Microsoft Defender for Containers on the whole subscription: what the guard's posture report asks for. It is billed per vCore of the clusters.

resource plan 'Microsoft.Security/pricings@2024-01-01' = {
  name: 'Containers'
  properties: {
    pricingTier: 'Standard'
    extensions: [
      { name: 'ContainerRegistriesVulnerabilityAssessments', isEnabled: 'True' }
      { name: 'AgentlessDiscoveryForKubernetes', isEnabled: 'True' }
      { name: 'ContainerSensor', isEnabled: 'True' }
    ]
  }
}
