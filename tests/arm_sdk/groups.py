"""Drives the simulator's container groups with the Azure SDK for Python.

Usage: groups.py URL IDENTITY_HEADER CONTAINER_GROUP_ID

Each step prints one line; the first that does not hold ends the program with a traceback and exit code 1.
"""

import sys

from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from check import (
    POLLING_INTERVAL_SECONDS,
    POLLING_TIMEOUT_SECONDS,
    control,
    raises,
    sdk_client,
)


def main(url, header, group_id):
    _, _, subscription, _, resource_group, _, _, _, name = group_id.split("/")
    instances = sdk_client(
        url,
        header,
        ContainerInstanceManagementClient,
        subscription,
        polling_interval=POLLING_INTERVAL_SECONDS,
    )
    groups = instances.container_groups

    def expect(state):
        group = groups.get(resource_group, name)
        assert group.instance_view.state == state, f"{group.instance_view.state}, not {state}"
        assert group.type == "Microsoft.ContainerInstance/containerGroups", group.type
        return group

    assert expect("Running").provisioning_state == "Succeeded"
    print("ok get: running")
    listed = list(groups.list())
    assert [group.name for group in listed] == [name], listed
    assert listed[0].instance_view is None, "only the group itself tells its state"
    print("ok list: without states")
    assert groups.begin_start(resource_group, name).result() is None
    print("ok start of a group that runs")

    assert groups.stop(resource_group, name) is None
    group = expect("Stopped")
    assert group.containers[0].instance_view.current_state.state == "Terminated"
    assert groups.stop(resource_group, name) is None
    print("ok stop, at once and twice")

    starting = groups.begin_start(resource_group, name)
    expect("Pending")
    assert not starting.done(), "the start ended by itself"
    control(url, "operations/finish")
    starting.wait(POLLING_TIMEOUT_SECONDS)
    assert starting.done(), "the start did not end in time"
    assert starting.result() is None
    expect("Running")
    print("ok begin_start().result()")

    raises(
        ResourceNotFoundError,
        404,
        "ResourceNotFound",
        lambda: groups.get(resource_group, "no-such-group"),
    )
    print("ok get of a group that is not there: 404 ResourceNotFound")


if __name__ == "__main__":
    main(*sys.argv[1:])
