//! What a drill stops is what a drill may stop.

use aks_stop_guard::domain::canary::CANARY_TAG;

use crate::snapshot::root;

#[test]
fn the_canary_has_the_tag_that_lets_a_drill_stop_it() {
    let template = std::fs::read_to_string(root().join("infra/canary/main.bicep")).unwrap();
    let (name, value) = CANARY_TAG;
    assert!(template.contains(&format!("tags: {{ '{name}': '{value}' }}")), "{template}");
    assert!(template.contains("'Microsoft.ContainerInstance/containerGroups@2023-05-01'"));
    assert!(!template.contains("ipAddress"), "it is reachable from nowhere");
}
