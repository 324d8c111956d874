"""Reads, and in part writes, what stands around the simulator's clusters with the Azure SDK for Python, clients that nobody here wrote.

Usage: around.py URL IDENTITY_HEADER CLUSTER_ID

Each step prints one line; the first that does not hold ends the program with a traceback and exit code 1.
"""

import sys

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import SecurityRule
from azure.mgmt.security import SecurityCenter

from check import POLLING_INTERVAL_SECONDS, BearerOverHttp, NoCredential, identity_token, raises


def main(url, header, cluster_id):
    _, _, subscription, _, group, _, _, _, name = cluster_id.split("/")
    token = identity_token(url, header)

    def client(kind, **more):
        policy = BearerOverHttp(token)
        return kind(NoCredential(), subscription, base_url=url, authentication_policy=policy, **more)

    aks = client(ContainerServiceClient)
    found = [cluster.name for cluster in aks.managed_clusters.list()]
    assert found == [name, "aks-2", "aks-3"], f"{found}"
    print("ok list of clusters, page by page")
    profile = aks.managed_clusters.get_upgrade_profile(group, name).control_plane_profile
    assert [upgrade.kubernetes_version for upgrade in profile.upgrades] == ["1.34.7", "1.35.2"], profile
    assert aks.managed_clusters.get_upgrade_profile("rg-zz", "aks-2").control_plane_profile.upgrades is None
    print("ok upgrade profiles, with upgrades and without")
    versions = aks.managed_clusters.list_kubernetes_versions("westeurope").values_property
    assert [version.version for version in versions] == ["1.33", "1.34", "1.35"], versions
    assert "KubernetesOfficial" in versions[0].capabilities.support_plan
    print("ok kubernetes versions")

    network = client(NetworkManagementClient)
    node_group = aks.managed_clusters.get(group, name).node_resource_group
    nsgs = list(network.network_security_groups.list(node_group))
    assert len(nsgs) == 1 and len(nsgs[0].default_security_rules) == 3, nsgs
    rules = {rule.name: rule for rule in nsgs[0].security_rules}
    ssh, web = rules["ssh"], rules["web"]
    assert (ssh.access, ssh.direction, ssh.priority) == ("Allow", "Inbound", 200), ssh
    assert (ssh.source_address_prefix, ssh.source_address_prefixes) == ("Internet", []), ssh
    assert (web.destination_port_range, web.destination_port_ranges) == ("", ["80", "443"]), web
    print("ok network security groups of the node resource group")
    subnet = network.subnets.get("net", "hub", "nodes")
    assert subnet.network_security_group.id.endswith("/hub-nsg"), subnet
    assert network.network_security_groups.get("net", "hub-nsg").security_rules == []
    print("ok subnet and its network security group")
    missing = lambda: network.network_security_groups.get("net", "no-such-group")
    raises(ResourceNotFoundError, 404, "ResourceNotFound", missing)
    missing = lambda: list(network.network_security_groups.list("no-such-group"))
    raises(ResourceNotFoundError, 404, "ResourceGroupNotFound", missing)
    print("ok groups that are not there: 404")
    deny = SecurityRule(
        priority=190,
        protocol="*",
        access="Deny",
        direction="Inbound",
        source_address_prefix="Internet",
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_ranges=["22", "3389"],
    )
    write = network.security_rules.begin_create_or_update
    written = write(node_group, nsgs[0].name, "no-ssh", deny, polling_interval=POLLING_INTERVAL_SECONDS).result()
    assert (written.access, written.destination_port_ranges) == ("Deny", ["22", "3389"]), written
    again = lambda: write(node_group, nsgs[0].name, "twice", deny)
    raises(HttpResponseError, 400, "SecurityRuleConflict", again)
    print("ok a network rule is written, and none with the priority of another")

    pricings = client(SecurityCenter, api_version="2024-01-01").pricings
    plan = pricings.get(f"subscriptions/{subscription}", "Containers")
    assert (plan.pricing_tier, plan.extensions[0].is_enabled) == ("Standard", "True"), plan
    plan = pricings.get(cluster_id.lstrip("/"), "Containers")
    assert (plan.pricing_tier, plan.inherited) == ("Free", "False"), plan
    print("ok plans of the subscription and of the cluster")

    workspaces = client(LogAnalyticsManagementClient).workspaces
    workspace = workspaces.get("logs", "main")
    assert (workspace.retention_in_days, workspace.provisioning_state) == (90, "Succeeded"), workspace
    raises(ResourceNotFoundError, 404, "ResourceNotFound", lambda: workspaces.get("logs", "no-such-workspace"))
    print("ok workspaces")
    settings = client(MonitorManagementClient).diagnostic_settings
    own = list(settings.list(cluster_id.lstrip("/")))
    assert [log.category for log in own[0].logs if log.enabled] == ["kube-audit-admin", "guard"], own
    print("ok diagnostic settings")

    authorization = client(AuthorizationManagementClient)
    roles = {role.name: role for role in authorization.role_definitions.list(f"subscriptions/{subscription}")}
    assignments = list(authorization.role_assignments.list_for_scope(f"subscriptions/{subscription}"))
    assert [(one.scope, one.principal_type) for one in assignments] == [("/", "Group")], assignments
    role = roles[assignments[0].role_definition_id.rsplit("/", 1)[-1]]
    assert (role.role_name, role.permissions[0].actions) == ("Owner", ["*"]), role
    print("ok role definitions and assignments")


if __name__ == "__main__":
    main(*sys.argv[1:])
