"""The fleet that bench-fleet makes up, and the labels that it expects on its nodes."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.fleet import manifests
from bench.fleet.plan import DEVICES, H200, Plan, Size, plan
from bench.fleet.revocation import allowances
from daulat.api.names import ELIGIBLE, NODE_PREFIX, ZONE_LABEL

SMALL = Size(nodes=500, pods=1000, models=20, policies=4, revoked=50)


@pytest.fixture(scope="module")
def small() -> Plan:
    return plan(SMALL)


def test_a_fleet_has_the_size_that_is_wanted(small: Plan) -> None:
    assert (len(small.nodes), len(small.pods), len(small.models)) == (500, 1000, 20)
    assert sum(n.site == small.sites[0] for n in small.nodes) == 50


def test_the_full_fleet_has_room_for_its_pods() -> None:
    assert len(plan(Size()).pods) == 20_000


def test_more_pods_than_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="9000 pods don't fit on 500 nodes"):
        plan(Size(nodes=500, pods=9000, models=1, policies=4, revoked=50))


def test_every_pod_is_on_a_node_that_is_eligible_under_its_policy_and_has_a_device_left(small: Plan) -> None:
    for pod in small.pods:
        assert small.labels(pod.node.name)[f"{NODE_PREFIX}{pod.policy.name}"] == ELIGIBLE
    held = Counter(p.node.name for p in small.pods if p.device)
    assert max(held.values()) < DEVICES


def test_a_node_without_a_site_or_with_hardware_of_no_policy_has_no_policy(small: Plan) -> None:
    assert small.labels(next(n.name for n in small.nodes if not n.site)) == {}
    unapproved = next(n for n in small.nodes if n.hardware == H200 and n.site)
    assert small.labels(unapproved.name) == {ZONE_LABEL: unapproved.site}


def test_a_zone_that_is_gone_takes_all_labels_of_its_nodes_and_no_others(small: Plan) -> None:
    gone = {small.sites[0]}
    for node in small.nodes:
        assert small.labels(node.name, gone) == ({} if node.site in gone else small.labels(node.name))


def test_a_node_that_stands_elsewhere_has_the_labels_of_there(small: Plan) -> None:
    node = next(n for n in small.candidates(free=False))
    assert len(small.labels(node.name)) > 1
    assert small.labels(node.name, site="nowhere") == {}
    assert small.labels(node.name, site=small.sites[7])[ZONE_LABEL] == small.sites[7]


def test_single_changes_are_made_where_no_zone_is_taken_away(small: Plan) -> None:
    for free in (True, False):
        nodes = list(small.candidates(free=free))
        assert nodes
        assert all(n.site == small.sites[2] and (small.used[n.name] == 0) is free for n in nodes)


def test_a_pod_has_its_node_its_pin_and_the_device_of_its_node(small: Plan) -> None:
    planned = next(p for p in small.pods if p.device)
    pod = manifests.pod(planned)
    assert pod["spec"]["nodeName"] == planned.node.name
    assert pod["spec"]["nodeSelector"] == {f"{NODE_PREFIX}{planned.policy.name}": ELIGIBLE}
    (container,) = pod["spec"]["containers"]
    offered = manifests.node(planned.node, "2026-01-01T00:00:00Z")["status"]["allocatable"]
    assert {r for r in container["resources"]["limits"] if "/" in r} == {r for r in offered if "/" in r}


def test_the_default_limit_lets_a_fifth_of_each_policy_go_and_one_at_least() -> None:
    assert allowances(Counter({"a": 104, "b": 4})) == {"a": 20, "b": 1}
