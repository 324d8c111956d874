"""Drives the simulator's ARM with the Azure SDK for Python, a client that nobody here wrote.

Usage: check.py URL IDENTITY_HEADER CLUSTER_ID

Each step prints one line; the first that does not hold ends the program with a traceback and exit code 1.
"""

import json
import sys
import urllib.parse
import urllib.request

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.containerservice import ContainerServiceClient

ARM_RESOURCE = "https://management.azure.com/"
# The simulator is told when operations end, so the SDK need not wait its usual 30 s between polls.
POLLING_INTERVAL_SECONDS = 0.1
POLLING_TIMEOUT_SECONDS = 60


class BearerOverHttp(SansIOHTTPPolicy):
    """Adds the token to plain-http requests, which the SDK's own policy rightly refuses outside of tests."""

    def __init__(self, token):
        self.token = token

    def on_request(self, request):
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


class NoCredential:
    """Satisfies the constructor; the policy above has the token."""

    def get_token(self, *scopes, **kwargs):
        raise AssertionError("the authentication policy is overridden")


def identity_token(url, header):
    query = urllib.parse.urlencode({"resource": ARM_RESOURCE, "api-version": "2019-08-01"})
    request = urllib.request.Request(f"{url}/msi/token?{query}", headers={"X-IDENTITY-HEADER": header})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["access_token"]


def sdk_client(url, header, kind, *subscription, **more):
    """A client of the SDK for this simulator; not every kind is of one subscription."""
    policy = BearerOverHttp(identity_token(url, header))
    return kind(NoCredential(), *subscription, base_url=url, authentication_policy=policy, **more)


def control(url, path, body=None):
    data = json.dumps(body).encode() if body else b""
    urllib.request.urlopen(urllib.request.Request(f"{url}/_sim/{path}", data=data), timeout=10).close()


def raises(kind, status, code, call):
    try:
        call()
    except kind as error:
        found = error.error.code if error.error else None
        assert type(error) is kind, f"{type(error).__name__} is not exactly {kind.__name__}"
        assert status is None or error.status_code == status, f"status {error.status_code}, not {status}"
        assert found == code, f"code {found}, not {code}: {error}"
        return
    raise AssertionError(f"no {kind.__name__}")


def main(url, header, cluster_id):
    _, _, subscription, _, group, _, _, _, name = cluster_id.split("/")
    aks = sdk_client(
        url, header, ContainerServiceClient, subscription, polling_interval=POLLING_INTERVAL_SECONDS
    )
    clusters = aks.managed_clusters

    def finish(poller):
        """Lets Azure end the operation, then lets the SDK find out."""
        assert not poller.done(), "the operation ended by itself"
        control(url, "operations/finish")
        poller.wait(POLLING_TIMEOUT_SECONDS)
        assert poller.done(), "the operation did not end in time"
        return poller.result()

    def expect(provisioning, power, count):
        cluster = clusters.get(group, name)
        found = (
            cluster.provisioning_state,
            cluster.power_state.code,
            cluster.agent_pool_profiles[0].count,
        )
        assert found == (provisioning, power, count), f"{found}"
        assert cluster.type == "Microsoft.ContainerService/ManagedClusters", cluster.type
        assert "/resourcegroups/" in cluster.id, cluster.id

    expect("Succeeded", "Running", 3)
    print("ok get: running")
    raises(ResourceExistsError, 409, "OperationNotAllowed", lambda: clusters.begin_start(group, name))
    print("ok start of a running cluster: 409 OperationNotAllowed")

    stopping = clusters.begin_stop(group, name)
    expect("Stopping", "Stopped", 3)
    assert finish(stopping) is None
    assert stopping.status() == "Succeeded", stopping.status()
    expect("Succeeded", "Stopped", 0)
    print("ok begin_stop().result()")
    raises(ResourceExistsError, 409, "OperationNotAllowed", lambda: clusters.begin_stop(group, name))
    print("ok stop of a stopped cluster: 409 OperationNotAllowed")

    starting = clusters.begin_start(group, name)
    expect("Starting", "Running", 0)
    assert finish(starting) is None
    expect("Succeeded", "Running", 3)
    print("ok begin_start().result()")

    finish(clusters.begin_stop(group, name))
    control(url, "faults", {"fault": {"startFails": {"leaves": "Stopped"}}, "times": 1})
    failing = clusters.begin_start(group, name)
    raises(HttpResponseError, None, "AllocationFailed", lambda: finish(failing))
    assert failing.status() == "Failed", failing.status()
    expect("Failed", "Stopped", 0)
    print("ok a start that is accepted and fails")
    finish(clusters.begin_start(group, name))
    expect("Succeeded", "Running", 3)
    print("ok the start after it")

    raises(ResourceNotFoundError, 404, "ResourceNotFound", lambda: clusters.get(group, "no-such-cluster"))
    print("ok get of a cluster that is not there: 404 ResourceNotFound")
    assert finish(clusters.begin_delete(group, name)) is None
    raises(ResourceNotFoundError, 404, "ResourceNotFound", lambda: clusters.get(group, name))
    print("ok begin_delete().result()")


if __name__ == "__main__":
    main(*sys.argv[1:])
