"""The add-ons of the embedded control plane: other projects' kinds and controllers do here what they do in a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.addons import NAMES
from dev.deployment import kubectl, poll

from .racks import RACK, Racks, raise_racks, ready, unschedulable
from .world import IMAGE, Manifest, unique

LWS = "leaderworkerset.sigs.k8s.io"
SERVED = {
    "lws": "leaderworkersets.v1.leaderworkerset.x-k8s.io",
    "keda": "scaledobjects.v1alpha1.keda.sh",
    "gateway-api": "httproutes.v1.gateway.networking.k8s.io",
    "inference-pool": "inferencepools.v1.inference.networking.k8s.io",
    "kueue": "localqueues.v1beta2.kueue.x-k8s.io",
    "policy-reports": "policyreports.v1alpha2.wgpolicyk8s.io",
    "prometheus-operator": "podmonitors.v1.monitoring.coreos.com",
    "service-monitor": "servicemonitors.v1.monitoring.coreos.com",
    "prometheus-rule": "prometheusrules.v1.monitoring.coreos.com",
}
"""A kind that users of each add-on write."""


@pytest.fixture(scope="module")
def racks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Racks]:
    """A cluster with every add-on."""
    raised = raise_racks(tmp_path_factory.mktemp("racks"), NAMES)
    yield raised
    raised.cluster.down()


@pytest.fixture
def namespace(racks: Racks) -> Iterator[str]:
    """A namespace of the test's own."""
    with racks.namespace() as name:
        yield name
        racks.admin.run("delete", "leaderworkersets", "--all", "-n", name, "--wait=false")


def lws_manifest(name: str, namespace: str, replicas: int, **annotations: str) -> Manifest:
    """Return a set of groups of two pods."""
    template = {"spec": {"containers": [{"name": "main", "image": IMAGE}]}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"replicas": replicas, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template}},
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_add_on_has_its_kinds_served(racks: Racks, name: str) -> None:
    """`kubectl get` knows a kind only by what the API server says that it serves."""
    assert json.loads(racks.admin.run("get", SERVED[name], "-A", "-o", "json"))["kind"] == "List"


def test_a_cluster_without_add_ons_has_none_of_their_kinds_and_processes() -> None:
    """They cost nothing where nobody asked for them."""
    plain = EmbeddedCluster(unique("plain"), say=lambda line: None)
    plain.up()
    try:
        assert "lws-manager" not in {part.name for part in plain.status().components}
        with pytest.raises(ClusterError, match="the server doesn't have a resource type"):
            kubectl(plain).run("get", SERVED["lws"])
        plain.addon("inference-pool")
        assert kubectl(plain).run("get", SERVED["inference-pool"], "-A", "-o", "name") == ""
        assert plain.status().ready
    finally:
        plain.down()


def test_an_add_on_that_does_not_exist_is_refused_by_name() -> None:
    """Before anything is started."""
    with pytest.raises(ClusterError, match="there is no add-on lsw: there are lws, keda"):
        EmbeddedCluster("unborn", addons=("lsw",))


def test_a_group_gets_a_leader_and_a_worker_that_know_each_other(racks: Racks, namespace: str) -> None:
    """The pods come from the project's controller, their variables from its webhook."""
    racks.admin.apply([lws_manifest("pair", namespace, 1)])
    poll("both pods to be Ready", lambda: [*map(ready, racks.objects("pods", namespace).values())] == [True, True])
    pods = racks.objects("pods", namespace)
    assert set(pods) == {"pair-0", "pair-0-1"}
    for index, pod in enumerate((pods["pair-0"], pods["pair-0-1"])):
        labels = pod["metadata"]["labels"]
        expected = {"name": "pair", "group-index": "0", "worker-index": str(index)}
        assert expected.items() <= {key.removeprefix(f"{LWS}/"): value for key, value in labels.items()}.items()
        variables = {v["name"]: v.get("value") for v in pod["spec"]["containers"][0]["env"]}
        assert variables["LWS_LEADER_ADDRESS"] == f"pair-0.pair.{namespace}"
        assert (variables["LWS_GROUP_SIZE"], variables["LWS_WORKER_INDEX"]) == ("2", str(index))
    status = ("get", "lws", "pair", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}")
    poll("the set to count one ready group", lambda: racks.admin.run(*status) == "1")


def test_groups_with_an_exclusive_topology_share_no_rack(racks: Racks, namespace: str) -> None:
    """Two racks hold two groups; the leader of a third finds no place, though every node has room."""
    racks.admin.apply([lws_manifest("alone", namespace, 3, **{f"{LWS}/exclusive-topology": RACK})])

    def settled() -> bool:
        pods = racks.objects("pods", namespace).values()
        return sum(map(ready, pods)) == 4 and sum(map(unschedulable, pods)) == 1

    poll("two groups to run and a third to wait", settled)
    held: dict[str, set[str]] = {}
    for pod in racks.objects("pods", namespace).values():
        if ready(pod):
            held.setdefault(pod["metadata"]["labels"][f"{LWS}/group-index"], set()).add(racks.rack_of(pod))
    assert sorted(map(sorted, held.values())) == [["a"], ["b"]]


def test_deleting_a_set_deletes_its_pods(racks: Racks, namespace: str) -> None:
    """The garbage collector knows the kind, which it learns of while it runs."""
    racks.admin.apply([lws_manifest("brief", namespace, 1)])
    poll("both pods to exist", lambda: len(racks.objects("pods", namespace)) == 2)
    racks.admin.run("delete", "lws", "brief", "-n", namespace)
    poll("the pods to go", lambda: not racks.objects("pods", namespace))


def test_a_set_that_the_project_refuses_is_refused(racks: Racks, namespace: str) -> None:
    """By the validating webhook: the name isn't one of a Service."""
    with pytest.raises(ClusterError, match=r'admission webhook "vleaderworkerset\.kb\.io" denied'):
        racks.admin.apply([lws_manifest("1-set", namespace, 1)])


def test_the_manager_acts_as_the_service_account_of_its_release(racks: Racks, namespace: str) -> None:
    """A policy that judges who asks must see the name that it has in a real cluster."""
    racks.admin.apply([lws_manifest("who", namespace, 1)])
    poll("the worker's StatefulSet", lambda: "who-0" in racks.objects("statefulsets", namespace))
    account = "system:serviceaccount:lws-system:lws-controller-manager"
    assert racks.admin.run("auth", "can-i", "create", "statefulsets", f"--as={account}").strip() == "yes"
    with pytest.raises(ClusterError):  # kubectl ends with 1 for "no"
        racks.admin.run("auth", "can-i", "delete", "nodes", f"--as={account}")


def test_the_manager_can_be_stopped_and_started_again(racks: Racks, namespace: str) -> None:
    """As with every component: without it sets are refused, for its webhooks must be asked."""
    racks.cluster.stop("lws-manager")
    assert not racks.cluster.status().ready
    with pytest.raises(ClusterError, match="connection refused"):
        racks.admin.apply([lws_manifest("late", namespace, 1)])
    racks.cluster.start("lws-manager")
    assert racks.cluster.status().ready
    racks.admin.apply([lws_manifest("late", namespace, 1)])
    poll("both pods to exist", lambda: len(racks.objects("pods", namespace)) == 2)
