"""Reads, and in part writes, what stands around the simulator's clusters with the Azure SDK for Python, clients that nobody here wrote.

Usage: around.py URL IDENTITY_HEADER CLUSTER_ID

Each step prints one line; the first that does not hold ends the program with a traceback and exit code 1.
"""

import sys

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.containerservice.models import ManagedClusterAddonProfile
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.loganalytics.models import Workspace, WorkspaceSku
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.monitor.models import (
    DataCollectionRuleAssociationProxyOnlyResource,
    DataCollectionRuleDataSources,
    DataCollectionRuleDestinations,
    DataCollectionRuleResource,
    DataFlow,
    ExtensionDataSource,
    LogAnalyticsDestination,
)
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import SecurityRule
from azure.mgmt.resourcegraph import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions
from azure.mgmt.security import SecurityCenter
from azure.mgmt.security.models import Extension, Pricing

from check import POLLING_INTERVAL_SECONDS, raises, sdk_client


def main(url, header, cluster_id):
    _, _, subscription, _, group, _, _, _, name = cluster_id.split("/")

    def client(kind, **more):
        return sdk_client(url, header, kind, subscription, **more)

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
    network.security_rules.begin_delete(
        node_group, nsgs[0].name, "no-ssh", polling_interval=POLLING_INTERVAL_SECONDS
    ).result()
    names = [rule.name for rule in network.network_security_groups.get(node_group, nsgs[0].name).security_rules]
    assert "no-ssh" not in names, names
    print("ok a network rule is written and deleted, and none gets the priority of another")

    pricings = client(SecurityCenter, api_version="2024-01-01").pricings
    plan = pricings.get(f"subscriptions/{subscription}", "Containers")
    assert (plan.pricing_tier, plan.extensions[0].is_enabled) == ("Standard", "True"), plan
    plan = pricings.get(cluster_id.lstrip("/"), "Containers")
    assert (plan.pricing_tier, plan.inherited) == ("Free", "False"), plan
    extension = Extension(name="ContainerSensor", is_enabled="False")
    wanted = Pricing(pricing_tier="standard", extensions=[extension])
    plan = pricings.update(f"subscriptions/{subscription}", "Containers", wanted)
    assert (plan.pricing_tier, plan.extensions[0].is_enabled) == ("Standard", "False"), plan
    print("ok plans of the subscription and of the cluster, read and written")

    workspaces = client(LogAnalyticsManagementClient).workspaces
    workspace = workspaces.get("logs", "main")
    assert (workspace.retention_in_days, workspace.provisioning_state) == (90, "Succeeded"), workspace
    raises(ResourceNotFoundError, 404, "ResourceNotFound", lambda: workspaces.get("logs", "no-such-workspace"))
    wanted = Workspace(location="northeurope", sku=WorkspaceSku(name="PerGB2018"), retention_in_days=30)
    write = workspaces.begin_create_or_update
    made = write("logs", "new", wanted, polling_interval=POLLING_INTERVAL_SECONDS).result()
    assert (made.location, made.retention_in_days) == ("northeurope", 30), made
    print("ok workspaces, read and made")
    settings = client(MonitorManagementClient).diagnostic_settings
    own = list(settings.list(cluster_id.lstrip("/")))
    assert [log.category for log in own[0].logs if log.enabled] == ["kube-audit-admin", "guard"], own
    print("ok diagnostic settings")

    monitor = client(MonitorManagementClient)
    collection_rules(monitor, group, workspace.id, cluster_id.lstrip("/"))
    print("ok data collection rules and their associations")
    add_on(aks, group, name, workspace.id)
    print("ok the monitoring add-on, and none on a cluster that was changed meanwhile")
    graph = sdk_client(url, header, ResourceGraphClient)
    fleet(graph, subscription, [name, "aks-2", "aks-3"])
    print("ok resource graph, page by page")

    authorization = client(AuthorizationManagementClient)
    roles = {role.name: role for role in authorization.role_definitions.list(f"subscriptions/{subscription}")}
    assignments = list(authorization.role_assignments.list_for_scope(f"subscriptions/{subscription}"))
    assert [(one.scope, one.principal_type) for one in assignments] == [("/", "Group")], assignments
    role = roles[assignments[0].role_definition_id.rsplit("/", 1)[-1]]
    assert (role.role_name, role.permissions[0].actions) == ("Owner", ["*"]), role
    print("ok role definitions and assignments")


def fleet(graph, subscription, names):
    """Pages of two, each found by the token of the one before."""
    query = "resources | where type =~ 'microsoft.containerservice/managedclusters' | project id, name | order by id asc"
    found, token = [], None
    for truncated in ["true", "false"]:
        options = QueryRequestOptions(result_format="objectArray", top=2, skip_token=token)
        page = graph.resources(QueryRequest(subscriptions=[subscription], query=query, options=options))
        assert (page.total_records, page.result_truncated) == (3, truncated), page
        found, token = found + [row["name"] for row in page.data], page.skip_token
    assert (found, token) == (names, None), (found, token)


def collection_rules(monitor, group, workspace, cluster):
    rules, associations = monitor.data_collection_rules, monitor.data_collection_rule_associations
    stream = "Microsoft-ContainerInsights-Group-Default"
    extension = ExtensionDataSource(name="x", extension_name="ContainerInsights", streams=[stream])
    body = DataCollectionRuleResource(
        location="westeurope",
        kind="Linux",
        data_sources=DataCollectionRuleDataSources(extensions=[extension]),
        destinations=DataCollectionRuleDestinations(
            log_analytics=[LogAnalyticsDestination(workspace_resource_id=workspace, name="main")]
        ),
        data_flows=[DataFlow(streams=[stream], destinations=["main"])],
    )
    made = rules.create(group, "MSCI-x", body)
    assert (made.name, made.kind, made.provisioning_state) == ("MSCI-x", "Linux", "Succeeded"), made
    assert made.immutable_id.startswith("dcr-") and made.data_flows[0].streams == [stream], made
    again = rules.create(group, "MSCI-x", body)
    assert again.immutable_id == made.immutable_id and again.etag != made.etag, again
    read = rules.get(group, "MSCI-x")
    assert read.destinations.log_analytics[0].workspace_resource_id == workspace, read
    raises(ResourceNotFoundError, 404, "ResourceNotFound", lambda: rules.get(group, "MSCI-y"))
    body.location = "northeurope"
    raises(HttpResponseError, 400, "InvalidPayload", lambda: rules.create(group, "MSCI-y", body))

    name = "ContainerInsightsExtension"
    raises(ResourceNotFoundError, 404, "ResourceNotFound", lambda: associations.get(cluster, name))
    wanted = DataCollectionRuleAssociationProxyOnlyResource(data_collection_rule_id=made.id)
    assert associations.create(cluster, name, wanted).data_collection_rule_id == made.id
    assert associations.get(cluster, name).name == name
    wanted.data_collection_rule_id = made.id + "-gone"
    raises(HttpResponseError, 400, "InvalidDataCollectionRule", lambda: associations.create(cluster, name, wanted))


def add_on(aks, group, name, workspace):
    cluster = aks.managed_clusters.get(group, name)
    config = {"logAnalyticsWorkspaceResourceID": workspace, "useAADAuth": "true"}
    cluster.addon_profiles = {"omsagent": ManagedClusterAddonProfile(enabled=True, config=config)}

    def write(etag):
        aks.managed_clusters.begin_create_or_update(
            group, name, cluster, etag=etag, match_condition=MatchConditions.IfNotModified, polling=False
        )

    raises(ResourceModifiedError, 412, "PreconditionFailed", lambda: write("another"))
    write(cluster.e_tag)
    shown = aks.managed_clusters.get(group, name)
    assert (shown.provisioning_state, dict(shown.addon_profiles["omsagent"].config)) == ("Updating", config), shown


if __name__ == "__main__":
    main(*sys.argv[1:])
