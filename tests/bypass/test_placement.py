"""Ways onto a node that isn't eligible."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.catalog.kubernetes import Minor
from dev.cluster.kubernetes import versions
from dev.deployment import poll
from tests.e2e.world import Manifest, node_manifest, unique, zone_manifest

from .attack import NODES, RECORD, Attacker, Ground, labelled, refused, respecified, rule, taken

ZONES = "/apis/daulat.dev/v1alpha1/sovereignzones"
REGION = "topology.kubernetes.io/region"


def binding(pod: str, namespace: str, node: str, **metadata: Any) -> Manifest:
    head = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod, "namespace": namespace, **metadata}}
    return {**head, "target": {"apiVersion": "v1", "kind": "Node", "name": node}}


@pytest.fixture(scope="module")
def binder(ground: Ground) -> Attacker:
    """A scheduler of somebody's own, with all that RBAC gives to schedulers."""
    return ground.with_rights("scheduler", rule("", "pods/binding bindings", "create"))


@pytest.fixture(scope="module")
def daemon(ground: Ground) -> Attacker:
    """A vendor's DaemonSet, which labels nodes and reports their devices."""
    return ground.with_rights("vendor", rule("", "nodes nodes/status", "get create delete patch update"))


def test_row_01_a_pod_that_names_its_node(ground: Ground) -> None:
    for node in ("sg-gpu-1", "ascend-1", "no-such-node"):
        refused(ground.tenant.create(ground.pods, ground.pod(nodeName=node)), "USE-04 spec.nodeName")
    gated = ground.server.must("POST", ground.pods, ground.pod(schedulingGates=[{"name": "example.my/wait"}]))
    path = f"{ground.pods}/{gated['metadata']['name']}"
    refused(ground.tenant.change(path, respecified(nodeName="sg-gpu-1")), "USE-04", "Forbidden|Invalid")


def test_row_02_a_scheduler_of_ones_own(ground: Ground, binder: Attacker) -> None:
    pod = ground.running()["metadata"]["name"]
    for node in ("sg-gpu-1", "ascend-1"):
        path = f"{ground.pods}/{pod}/binding"
        refused(binder.create(path, binding(pod, ground.namespace, node)), "USE-15 ")
    assert not ground.server.must("GET", f"{ground.pods}/{pod}")["spec"].get("nodeName")


def test_row_03_the_legacy_endpoint_for_bindings(ground: Ground, binder: Attacker) -> None:
    pod = ground.running()["metadata"]["name"]
    body = binding(pod, ground.namespace, "sg-gpu-1", labels={REGION: "my-cyberjaya"})
    for who in (binder, Attacker(ground.server, "system:kube-scheduler")):
        refused(who.create(f"/api/v1/namespaces/{ground.namespace}/bindings", body), "legacy bindings endpoint")


def test_row_04_annotations_by_way_of_a_binding(ground: Ground, binder: Attacker) -> None:
    pod = ground.running()["metadata"]["name"]
    body = binding(pod, ground.namespace, "ascend-1", annotations={"huawei.com/Ascend910": "Ascend910-0,Ascend910-1"})
    refused(binder.create(f"{ground.pods}/{pod}/binding", body), "USE-20 ")
    assert not ground.server.must("GET", f"{ground.pods}/{pod}")["metadata"].get("annotations")


def test_row_05_a_kubelet_relabels_its_own_node(ground: Ground) -> None:
    kubelet = ground.kubelet("sg-gpu-1")
    for subresource in ("", "status"):
        for key in (RECORD + "site", RECORD + ground.policy):
            attempt = kubelet.change(f"{NODES}/sg-gpu-1", labelled({key: "eligible"}), subresource)
            refused(attempt, "MGD-02 ", "is not allowed to modify labels")
        moved = kubelet.change(f"{NODES}/sg-gpu-1", labelled({REGION: "my-cyberjaya"}), subresource)
        refused(moved, "MGD-01 ")


def test_row_06_a_node_that_comes_back_as_another(ground: Ground) -> None:
    name = unique("reborn")
    kubelet = ground.kubelet(name)
    for labels in ({RECORD + "site": "cyberjaya-1"}, {RECORD + ground.policy: "eligible"}):
        node = node_manifest(name, region="my-cyberjaya")
        node["metadata"]["labels"].update(labels)
        refused(kubelet.create(NODES, node), "MGD-02 ", "is not allowed to (set|modify) ")
    # Without labels of record it may come back, and stands nowhere.
    taken(kubelet.create(NODES, node_manifest(name, region="my-cyberjaya")))
    try:
        assert ground.policy not in json.dumps(ground.server.must("GET", f"{NODES}/{name}")["metadata"]["labels"])
        rejected = ground.world.admin.run("get", "szone", "-o", "json")
        assert name not in rejected
    finally:
        ground.server.must("DELETE", f"{NODES}/{name}")


def test_row_07_labels_by_way_of_the_status(ground: Ground, daemon: Attacker) -> None:
    for key in ("site", "zone", ground.policy):
        attempt = daemon.change(f"{NODES}/sg-gpu-1", labelled({RECORD + key: "eligible"}), "status")
        refused(attempt, "MGD-02 ")


def test_row_08_the_old_object_is_looked_at_too(ground: Ground, daemon: Attacker) -> None:
    """Taking a label of record away, or all labels at once, is a change of it."""
    path = f"{NODES}/ascend-1"
    refused(daemon.change(path, lambda n: n["metadata"]["labels"].pop(RECORD + "site")), "MGD-02 ")
    refused(daemon.change(path, lambda n: n["metadata"].pop("labels")), "MGD-02 ")
    refused(daemon.change(path, lambda n: n["metadata"].update(labels=None), "status"), "MGD-02 ")


def test_row_09_a_node_that_changes_after_pods_are_on_it(ground: Ground) -> None:
    """No admission looks back: the node loses its label, so nothing new lands there, and what runs there goes on."""
    site, node = unique("site"), unique("moved")
    ground.world.admin.apply([zone_manifest(site), node_manifest(node, site=site)])
    label, path = RECORD + ground.policy, f"{NODES}/{node}"
    try:
        poll("the node to be certified", lambda: label in ground.server.must("GET", path)["metadata"]["labels"])
        pod = ground.pod(nodeSelector={"kubernetes.io/hostname": node}, schedulerName="default-scheduler")
        taken(ground.tenant.create(ground.pods, pod))
        mine = f"{ground.pods}/{pod['metadata']['name']}"
        poll("the pod to be placed", lambda: ground.server.must("GET", mine)["spec"].get("nodeName") == node)
        ground.world.admin.run("label", "node", node, f"{RECORD}site-")
        poll("the node to lose it", lambda: label not in ground.server.must("GET", path)["metadata"]["labels"])
        assert ground.server.must("GET", mine)["metadata"].get("deletionTimestamp") is None
        ground.server.ask("DELETE", f"{mine}?gracePeriodSeconds=0")
    finally:
        ground.server.ask("DELETE", path)
        ground.world.admin.run("delete", "sovereignzone", site)


def test_row_19_devices_that_a_node_does_not_have(ground: Ground, daemon: Attacker) -> None:
    def fake(node: Manifest) -> None:
        for where in ("capacity", "allocatable"):
            node["status"][where]["huawei.com/Ascend910"] = "8"

    for subresource in ("status", ""):
        answer = daemon.change(f"{NODES}/sg-gpu-1", fake, subresource)
        if subresource:
            refused(answer, "MGD-14 ")
    # Without the subresource the status isn't written at all.
    assert "huawei.com/Ascend910" not in ground.server.must("GET", f"{NODES}/sg-gpu-1")["status"]["capacity"]
    born = node_manifest(unique("fake"), site="")
    born["status"] = {"capacity": {"huawei.com/Ascend910": "8"}, "allocatable": {"huawei.com/Ascend910": "8"}}
    answer = daemon.create(NODES, born)
    if answer.status < 300:
        assert not ground.server.must("GET", f"{NODES}/{born['metadata']['name']}")["status"].get("capacity")
        ground.server.must("DELETE", f"{NODES}/{born['metadata']['name']}")
    else:
        refused(answer, "MGD-14 ")


def test_row_26_a_static_pod(ground: Ground) -> None:
    """Its mirror is refused; the container runs all the same, for the kubelet asks nobody."""
    pod = ground.pod(nodeName="sg-gpu-1")
    pod["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "0123", "kubernetes.io/config.source": "file"}
    uid = ground.server.must("GET", f"{NODES}/sg-gpu-1")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "sg-gpu-1", "uid": uid, "controller": True}
    pod["metadata"]["ownerReferences"] = [owner]
    refused(ground.kubelet("sg-gpu-1").create(ground.pods, pod), "USE-04 ")


def test_row_31_a_virtual_node(ground: Ground, daemon: Attacker) -> None:
    """A node that stands for another cluster has no place of record, so no governed pod is sent there."""
    node = node_manifest(unique("virtual"), region="my-cyberjaya")
    node["metadata"]["labels"] |= {"type": "virtual-kubelet", "liqo.io/type": "virtual-node"}
    # Nobody but a kubelet says that it has devices.
    refused(daemon.create(NODES, node), "MGD-14 ")
    node["status"] = {"capacity": {"cpu": "64", "pods": "100"}, "allocatable": {"cpu": "64", "pods": "100"}}
    taken(daemon.create(NODES, node))
    path = f"{NODES}/{node['metadata']['name']}"
    try:
        selector = {"kubernetes.io/hostname": node["metadata"]["name"]}
        pod = ground.pod(nodeSelector=selector, schedulerName="default-scheduler")
        stored = ground.server.must("POST", ground.pods, pod)
        assert stored["spec"]["nodeSelector"] == {**selector, RECORD + ground.policy: "eligible"}
        mine = f"{ground.pods}/{pod['metadata']['name']}"

        def unschedulable() -> bool:
            conditions = ground.server.must("GET", mine)["status"].get("conditions") or []
            return any(c["reason"] == "Unschedulable" for c in conditions if c["type"] == "PodScheduled")

        poll("the scheduler to find no node", unschedulable)
    finally:
        daemon.ask("DELETE", path)


def test_more_the_pin_is_nobodys_to_loosen(ground: Ground) -> None:
    """By another value, by an empty one, by terms of an affinity that are alternatives, or later while the pod is gated."""
    pin = RECORD + ground.policy
    for value in ("", "Eligible", "no", None):
        refused(
            ground.tenant.create(ground.pods, ground.pod(nodeSelector={pin: value})),
            "USE-01 ",
            "selector conflicts with",
        )
    terms = [{"matchExpressions": [{"key": pin, "operator": "DoesNotExist"}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    stored = ground.server.must("POST", ground.pods, ground.pod(affinity=affinity))
    assert stored["spec"]["nodeSelector"] == {pin: "eligible"}
    gated = ground.server.must("POST", ground.pods, ground.pod(schedulingGates=[{"name": "example.my/wait"}]))
    path = f"{ground.pods}/{gated['metadata']['name']}"
    refused(ground.tenant.change(path, respecified(nodeSelector={})), "USE-01 ", "Forbidden|Invalid")


def test_more_tolerations_of_taints_of_record(ground: Ground) -> None:
    for toleration in ({"operator": "Exists"}, {"key": "daulat.dev/held", "operator": "Exists"}):
        refused(ground.tenant.create(ground.pods, ground.pod(tolerations=[toleration])), "USE-03 ")
        running = ground.running()
        grown = respecified(tolerations=[*running["spec"]["tolerations"], toleration])
        later = ground.tenant.change(f"{ground.pods}/{running['metadata']['name']}", grown)
        refused(later, "USE-03 ")


def test_more_a_zone_that_new_nodes_are_in(ground: Ground) -> None:
    """A kubelet registers its node without labels of record, and such a selector matches what has none."""
    site = f"{RECORD}site"
    absent = [
        {"key": site, "operator": "DoesNotExist"},
        {"key": site, "operator": "NotIn", "values": ["singapore-1"]},
    ]
    for expressions in (absent, absent[:1], absent[1:]):
        manifest = zone_manifest(unique("zone"), nodeSelector={"matchExpressions": expressions})
        refused(ground.server.ask("POST", ZONES, manifest), "the selector must require a label")
    name = unique("zone")
    required = {"key": site, "operator": "In", "values": [name]}
    manifest = zone_manifest(name, nodeSelector={"matchExpressions": [*absent[1:], required]})
    taken(ground.server.ask("POST", ZONES, manifest))
    ground.world.wait_condition("sovereignzone", name, "WeakEvidence", "False")
    ground.server.must("DELETE", f"{ZONES}/{name}")


def test_more_a_zone_that_is_older_than_the_rule(ground: Ground) -> None:
    """It keeps its nodes, its status can be written, and it says what is wrong with it."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sovereignzones.daulat.dev"
    admin = Attacker(ground.server, "")
    rules = ground.server.must("GET", path)["spec"]["versions"]

    def older(definition: Manifest) -> None:
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        del schema["properties"]["spec"]["properties"]["nodeSelector"]["x-kubernetes-validations"]

    name = unique("zone")
    # It selects none of the nodes that other tests use: a node that is certified for a zone stays so when the zone is gone.
    kept = f"{RECORD}kept"
    nodes = [f"{NODES}/{node['metadata']['name']}" for node in ground.server.must("GET", NODES)["items"]]
    for node in nodes:
        taken(admin.change(node, labelled({kept: name})))
    absent = {"key": f"{RECORD}site", "operator": "DoesNotExist"}
    selector = {"matchExpressions": [absent, {"key": kept, "operator": "NotIn", "values": [name]}]}
    manifest = zone_manifest(name, nodeSelector=selector)
    taken(admin.change(path, older))
    try:
        poll("the older definition", lambda: admin.create(f"{ZONES}?dryRun=All", manifest).status < 300)
        taken(admin.create(ZONES, manifest))
    finally:
        taken(admin.change(path, respecified(versions=rules)))
    try:
        poll(
            "the rule",
            lambda: admin.create(f"{ZONES}?dryRun=All", zone_manifest("x", nodeSelector=selector)).status == 422,
        )
        # Before 1.33 the API server judges the whole object where its status is written, so the operator can't say it there.
        if versions.offered().version >= Minor.of("1.33"):
            told = ground.world.wait_condition("sovereignzone", name, "WeakEvidence", "True")
            assert told["reason"] == "SelectsByAbsence"
        taken(admin.change(f"{ZONES}/{name}", labelled({"team": "facilities"})))
    finally:
        ground.server.must("DELETE", f"{ZONES}/{name}")
        # Nodes without the label would be certified for the zone as long as the operator knows of it, and keep that.
        world = ground.world
        poll("the zone to be gone", lambda: not world.metric(world.operator, "daulat_condition", f'name="{name}"'))
        for node in nodes:
            taken(admin.change(node, lambda body: body["metadata"]["labels"].pop(kept)))
