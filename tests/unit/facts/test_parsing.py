"""Raw objects in, facts out: what can't be read is Unknown and says why."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import NODE_PREFIX
from daulat.facts.child import parse_child
from daulat.facts.declared import Declared, Unparsable, parse_declared
from daulat.facts.node import Node, is_extended, parse_node
from daulat.facts.pod import parse_pod
from daulat.facts.unknown import Unknown
from daulat.kube.ref import Ref
from tests.unit.world import ASCEND_RESOURCE, NVIDIA_RESOURCE, child, exemption, model, node, pod, policy, zone

GPU = NVIDIA_RESOURCE


@pytest.mark.parametrize("amount", ["1.5", "-1", None, "many"])
def test_a_node_with_a_device_count_that_isnt_whole_is_unknown(amount: Any) -> None:
    found = parse_node(node("n", devices={GPU: amount}))
    assert found == Unknown(f"status.allocatable[nvidia.com/gpu] is {amount!r}, not a whole number")


@pytest.mark.parametrize("raw", [{}, {"metadata": None, "spec": None, "status": None}, {"metadata": {"labels": None}}])
def test_an_empty_node_has_nothing_and_takes_nothing(raw: dict[str, Any]) -> None:
    found = parse_node(raw)
    assert isinstance(found, Node)
    assert not found.devices
    assert not found.takes_pods


@pytest.mark.parametrize(("reported", "read"), [("4C4C4544-0051", "4c4c4544-0051"), ("", ""), (None, "")])
def test_a_nodes_system_uuid_is_read_in_lower_case(reported: str | None, read: str) -> None:
    node = parse_node({"metadata": {"name": "n"}, "status": {"nodeInfo": {"systemUUID": reported}}})
    assert isinstance(node, Node)
    assert node.system_uuid == read


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_a_tainted_node_takes_no_pods(effect: str) -> None:
    raw = node("n")
    raw["spec"]["taints"] = [{"key": "x", "effect": effect}]
    found = parse_node(raw)
    assert isinstance(found, Node)
    assert not found.takes_pods


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_only_a_ready_node_takes_pods(status: str) -> None:
    raw = node("n")
    raw["status"]["conditions"] = [{"type": "Ready", "status": status}, {"type": "DiskPressure", "status": "True"}]
    found = parse_node(raw)
    assert isinstance(found, Node)
    assert not found.takes_pods


@pytest.mark.parametrize(
    ("name", "extended"),
    [
        (GPU, True),
        ("cpu", False),
        ("kubernetes.io/batch", False),
        ("attachable.kubernetes.io/x", False),
        ("evilkubernetes.io/gpu", True),
        ("kubernetes.io.evil/gpu", True),
        ("hugepages-2Mi", False),
    ],
)
def test_extended_resources_are_qualified_and_not_of_kubernetes(name: str, extended: bool) -> None:
    assert is_extended(name) is extended


def devices(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, int]:
    raw = pod("p", "n")
    raw["spec"] |= {"containers": list(containers), "initContainers": list(init)}
    found = parse_pod(raw)
    return dict(found.devices) if found else {}


def asks(count: int | str, resource: str = GPU, **more: Any) -> dict[str, Any]:
    return {"resources": {"limits": {resource: str(count)}}, **more}


def sidecar(count: int) -> dict[str, Any]:
    return asks(count, restartPolicy="Always")


@pytest.mark.parametrize(
    ("containers", "init", "total"),
    [
        ((asks(1), asks(2)), (), 3),
        ((asks(1),), (asks(4),), 4),
        ((asks(4),), (asks(1),), 4),
        ((asks(1),), (asks(2), asks(3)), 3),
        ((asks(1),), (sidecar(2),), 3),
        ((asks(1),), (sidecar(2), asks(4)), 6),
        ((asks(1),), (asks(4), sidecar(2)), 4),
        ((asks(1),), (sidecar(1), asks(1), sidecar(1), asks(3)), 5),
        ((), (asks(2),), 2),
    ],
)
def test_a_pods_devices_are_counted_as_the_scheduler_counts_them(
    containers: tuple[dict[str, Any], ...], init: tuple[dict[str, Any], ...], total: int
) -> None:
    assert devices(*containers, init=init) == {GPU: total}


def test_a_pods_devices_are_counted_by_resource() -> None:
    found = devices(asks(1), asks(2, ASCEND_RESOURCE), init=(asks(3), asks(1, ASCEND_RESOURCE)))
    assert found == {GPU: 3, ASCEND_RESOURCE: 2}


def test_requests_and_limits_are_one_and_the_same_demand() -> None:
    assert devices({"resources": {"limits": {GPU: "2"}, "requests": {GPU: "2", "cpu": "1"}}}) == {GPU: 2}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_holds_nothing(phase: str) -> None:
    raw = pod("p", "n", {GPU: "1"})
    raw["status"]["phase"] = phase
    assert parse_pod(raw) is None


def test_a_pod_being_deleted_still_holds_its_devices() -> None:
    raw = pod("p", "n", {GPU: "1"})
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert parse_pod(raw) is not None


@pytest.mark.parametrize(
    "raw", [{}, pod("p", "n"), {"spec": {"containers": [{"resources": None}], "nodeSelector": None}}]
)
def test_a_pod_without_devices_and_pins_is_of_no_interest(raw: dict[str, Any]) -> None:
    assert parse_pod(raw) is None


def test_a_pod_that_is_only_pinned_is_kept() -> None:
    found = parse_pod(pod("p", pins={"daulat.node-restriction.kubernetes.io/x": "eligible", "other": "1"}))
    assert found is not None
    assert found.pins == {"daulat.node-restriction.kubernetes.io/x"}


WRONG = [
    ("SovereignZone", zone(country="my"), "spec.country: "),
    ("SovereignZone", zone(maximumDataClass="secret"), "spec.maximumDataClass: "),
    ("SovereignZone", zone(continent="Asia"), "spec.continent: Extra inputs"),
    ("SovereigntyPolicy", policy(zones={"countries": []}), "spec.zones.countries: "),
    ("SovereigntyPolicy", policy(namespaceSelector=None), "spec.namespaceSelector: Field required"),
    ("SovereigntyPolicy", policy(action="Allow"), "spec.action: "),
    ("SovereigntyPolicy", policy(images={"registries": ["registry.example.my"]}), "spec.images.registries.0: "),
    ("SovereigntyPolicy", policy(controls={"../etc": "Off"}), "spec.controls."),
    ("SovereignModel", model(accelerators=[]), "spec.accelerators: "),
    ("SovereignModel", model(replicas=-1), "spec.replicas: "),
    ("SovereignModel", model(model={"uri": "https://huggingface.co/x"}), "spec.model.uri: "),
    ("SovereignModel", model(model={"developer": "a\nb"}), "spec.model.developer: "),
    (
        "SovereigntyExemption",
        exemption(expiresAt="2030-01-01T00:00:00"),
        "spec.expiresAt: Value error, needs a time zone",
    ),
    ("SovereigntyExemption", exemption(expiresAt="soon"), "spec.expiresAt: "),
    (
        "SovereigntyExemption",
        exemption(expiresAt="9999-12-31T23:59:59-14:00"),
        "spec.expiresAt: Value error, is before",
    ),
    ("SovereigntyExemption", exemption(reason="because"), "spec.reason: "),
    (
        "AcceleratorProfile",
        {"metadata": {"name": "x"}, "spec": {"resources": [{"name": "gpu"}]}},
        "spec.resources.0.name: ",
    ),
    ("AcceleratorProfile", {"metadata": {"name": "x"}}, "spec"),
    ("SovereignZone", {"metadata": {"name": "x"}, "spec": []}, "spec"),
]


@pytest.mark.parametrize(("kind", "raw", "words"), WRONG)
def test_an_object_that_cant_be_read_says_which_field_is_wrong(kind: str, raw: dict[str, Any], words: str) -> None:
    found = parse_declared(kind, {**raw, "status": {"kept": True}})
    assert isinstance(found, Unparsable)
    assert words in found.reason
    assert found.name == raw["metadata"]["name"]
    assert found.stored == {"kept": True}


def test_all_wrong_fields_are_told_at_once() -> None:
    found = parse_declared("SovereignZone", zone(country="my", maximumDataClass="secret"))
    assert isinstance(found, Unparsable)
    assert "spec.country" in found.reason
    assert "spec.maximumDataClass" in found.reason


def test_a_declared_object_is_the_same_whatever_its_status_says() -> None:
    one, two = (parse_declared("SovereignZone", {**zone(), "status": {"nodes": n}}) for n in (1, 2))
    assert isinstance(one, Declared)
    assert one == two


@pytest.mark.parametrize("status", ["Ready", ["Ready"], {"conditions": [7], "nodes": "many", "mood": "good"}])
def test_no_status_keeps_an_object_from_being_read(status: Any) -> None:
    found = parse_declared("SovereignZone", {**zone(), "status": status})
    assert isinstance(found, Declared)
    assert (found.spec.country, found.status.nodes, found.status.conditions) == ("MY", None, ())


def test_a_child_tells_whose_it_is_and_how_far_it_is() -> None:
    raw = child("Deployment", "d", "ns", model="m", status={"replicas": 2, "readyReplicas": 1})
    raw["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "message": "quota"},
        {"type": "Available", "status": "True", "message": "fine"},
    ]
    found = parse_child("Deployment", raw)
    assert (found.ref, found.model, found.owner_uid) == (Ref("Deployment", "ns", "d"), "m", "uid-ns-m")
    assert (found.replicas, found.ready_replicas, found.message) == (2, 1, "quota")


def test_a_childs_version_changes_with_its_generation_owners_and_our_labels_and_with_nothing_else() -> None:
    raw = child("Deployment", "d", "ns", model="m", status={"replicas": 2})
    version = parse_child("Deployment", raw).version
    assert parse_child("Deployment", {**raw, "status": {"replicas": 3}}).version == version
    meta = raw["metadata"]
    same = {**meta, "labels": {**meta["labels"], "team": "ml"}, "annotations": {"team": "ml"}}
    assert parse_child("Deployment", {**raw, "metadata": same}).version == version
    edits: list[dict[str, Any]] = [
        {"generation": 2},
        {"ownerReferences": []},
        {"labels": {**meta["labels"], "daulat.dev/model": "n"}},
        {"labels": {**meta["labels"], "app.kubernetes.io/name": "other"}},
    ]
    for changes in edits:
        assert parse_child("Deployment", {**raw, "metadata": {**meta, **changes}}).version != version


@pytest.mark.parametrize("raw", [{}, {"metadata": None, "status": None}])
def test_an_empty_child_is_nobodys(raw: dict[str, Any]) -> None:
    found = parse_child("Service", raw)
    assert (found.policy, found.model, found.owner_uid) == ("", "", "")


def test_a_pod_whose_devices_cant_be_counted_leaves_nothing_free() -> None:
    containers = [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "some"}}}]
    found = parse_pod({"metadata": {"name": "p"}, "spec": {"containers": containers}})
    assert found is not None
    assert found.devices["nvidia.com/gpu"] >= 10**9


def test_a_taint_that_is_named_after_a_device_keeps_no_model_away() -> None:
    raw = node("n", devices={NVIDIA_RESOURCE: "8"})
    raw["spec"]["taints"] = [{"key": NVIDIA_RESOURCE, "effect": "NoSchedule"}]
    found = parse_node(raw)
    assert isinstance(found, Node)
    assert found.takes_pods
    raw["spec"]["taints"].append({"key": "maintenance", "effect": "NoSchedule"})
    found = parse_node(raw)
    assert isinstance(found, Node)
    assert not found.takes_pods


def test_what_facts_have_in_common_is_kept_once() -> None:
    nodes = [parse_node(node(name, devices={GPU: "8"})) for name in ("a", "b")]
    first, second = (found for found in nodes if isinstance(found, Node))
    assert (first.devices is second.devices, first.resources is second.resources) == (True, True)
    pins = {NODE_PREFIX + "confidential": "eligible"}
    pods = [parse_pod(pod(name, "a", {GPU: "1"}, pins=pins)) for name in ("p", "q")]
    one, other = (found for found in pods if found is not None)
    assert one.pins == frozenset(pins)
    assert (one.pins is other.pins, one.devices is other.devices) == (True, True)
