"""What ResourceSlices and ResourceClaims say, and on which nodes a device can be used."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.facts.devices import DeviceId, parse_claim, parse_slice
from daulat.facts.reach import EVERYWHERE, parse_reach
from tests.unit.world import device, held, offered


def test_a_device_keeps_what_tells_its_product_and_nothing_that_tells_it_from_the_next() -> None:
    attributes = {
        "type": {"string": "gpu"},
        "example.my/site": {"string": "a"},
        "uuid": {"string": "GPU-1"},
        "driverVersion": {"version": "1.2.3"},
        "resource.kubernetes.io/pcieRoot": {"string": "pci0000:00"},
    }
    one, two = (parse_slice(offered(n, {"name": "gpu-0", "attributes": attributes})).devices[0] for n in ("a", "b"))
    assert dict(one.attributes) == {"gpu.nvidia.com/type": "gpu", "example.my/site": "a"}
    assert one.attributes is two.attributes
    assert (one.id, two.id) == (DeviceId("gpu.nvidia.com", "a", "gpu-0"), DeviceId("gpu.nvidia.com", "b", "gpu-0"))


@pytest.mark.parametrize(
    ("attributes", "ids"),
    [
        ({"uuid": "GPU-1"}, ("GPU-1",)),
        ({"uuid": "GPU-1", "serial": "1321", "gpu.nvidia.com/type": "gpu"}, ("GPU-1", "1321")),
        ({"gpu.nvidia.com/serial": "SN-7"}, ("SN-7",)),
        ({"uuid": "MIG-1", "parentUUID": "GPU-1"}, ("GPU-1",)),
        ({"uuid": "N/A"}, ()),
        ({"uuid": ""}, ()),
        ({"index": "0"}, ()),
    ],
)
def test_a_device_has_the_ids_of_its_chip(attributes: dict[str, str], ids: tuple[str, ...]) -> None:
    raw = {key: {"string": value} for key, value in attributes.items()}
    assert parse_slice(offered("a", {"name": "gpu-0", "attributes": raw})).devices[0].chip_ids == ids


def test_a_device_says_itself_where_it_is_where_its_slice_says_so() -> None:
    spec: Any = {"nodeName": None, "perDeviceNodeSelection": True}
    devices = parse_slice(offered("a", device("1", nodeName="x"), device("2", allNodes=True), **spec)).devices
    assert [d.reach.node for d in devices] == ["x", ""]
    assert devices[1].reach == EVERYWHERE


def test_taints_and_counters_are_read() -> None:
    taint = {"key": "example.my/broken", "effect": "NoSchedule"}
    told = {"key": "example.my/note", "effect": "None"}
    counters = [{"counterSet": "gpu-0", "counters": {}}]
    broken, fine = parse_slice(
        offered("a", device("1", taints=[taint], consumesCounters=counters), device("2", taints=[told]))
    ).devices
    assert (broken.tainted, set(broken.counters)) == (True, {"gpu-0"})
    assert (fine.tainted, set(fine.counters)) == (False, set())


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("term", "includes"),
    [
        ({"matchExpressions": [expression("rack", "In", "1", "2")]}, True),
        ({"matchExpressions": [expression("rack", "In", "3")]}, False),
        ({"matchExpressions": [expression("rack", "NotIn", "3")]}, True),
        ({"matchExpressions": [expression("row", "Exists")]}, False),
        ({"matchExpressions": [expression("row", "DoesNotExist"), expression("rack", "Gt", "0")]}, True),
        ({"matchExpressions": [expression("rack", "Lt", "1")]}, False),
        ({"matchExpressions": [expression("rack", "Gt", "x")]}, True),
        ({"matchFields": [expression("metadata.name", "In", "n")]}, True),
        ({"matchFields": [expression("metadata.name", "In", "m")]}, False),
        ({"matchFields": [expression("metadata.uid", "In", "m")]}, True),
        ({"matchExpressions": [expression("rack", "Near", "1")]}, True),
        ({}, False),
    ],
)
def test_a_selector_includes_the_nodes_that_it_may_select(term: dict[str, Any], includes: bool) -> None:
    reach = parse_reach({"nodeSelector": {"nodeSelectorTerms": [term]}})
    assert reach.includes("n", {"rack": "1"}) is includes


def test_what_says_nothing_of_where_it_is_may_be_anywhere() -> None:
    assert parse_reach({}).includes("n", {})
    assert parse_reach({"someLaterField": {}}) == EVERYWHERE


def test_a_claim_holds_what_it_was_allocated_but_for_admin_access() -> None:
    allocation = parse_claim(held("c", "a", "gpu-0", "gpu-1", model="m"))
    assert allocation is not None
    assert allocation.devices == {DeviceId("gpu.nvidia.com", "a", f"gpu-{n}") for n in (0, 1)}
    assert allocation.holder == ("model", "treasury", "m")
    assert parse_claim(held("c", "a", "gpu-0", adminAccess=True)) is None
    assert parse_claim({"metadata": {"name": "c", "namespace": "n"}}) is None


def test_a_claim_of_no_model_is_told_by_its_pod_or_by_itself() -> None:
    raw = held("c", "a", "gpu-0")
    assert (found := parse_claim(raw)) is not None
    assert found.holder == ("pod", "treasury", "c-pod")
    del raw["status"]["reservedFor"]
    assert (found := parse_claim(raw)) is not None
    assert found.holder == ("claim", "treasury", "c")
