"""The store keeps what is newest, and tells what really changed."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.model import SovereignModelStatus
from daulat.facts.change import Change
from daulat.facts.charge import Charge
from daulat.facts.report import Report
from daulat.facts.snapshot import Canary
from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.placement.zoning import zone_of_record
from tests.unit.world import NVIDIA_RESOURCE, ascend, child, model, namespace, node, pod, policy, zone

POD = Ref("Pod", "treasury", "p")


def ref_of(change: Change | None) -> Ref | None:
    return change.ref if change is not None else None


def at(version: int | str, raw: dict[str, Any]) -> dict[str, Any]:
    return {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(version)}}


def holds(version: int | str, count: int = 1) -> dict[str, Any]:
    return at(version, pod("p", "n", {NVIDIA_RESOURCE: str(count)}))


@pytest.fixture
def store() -> Store:
    return Store("daulat-system")


def test_a_new_object_is_a_change(store: Store) -> None:
    assert ref_of(store.apply("Pod", holds(1))) == POD
    assert POD in store.snapshot().pods


def test_an_older_version_is_ignored(store: Store) -> None:
    store.apply("Pod", holds(10, 2))
    assert store.apply("Pod", holds(9, 1)) is None
    assert store.snapshot().pods[POD].devices[NVIDIA_RESOURCE] == 2


def test_versions_are_compared_as_numbers(store: Store) -> None:
    store.apply("Pod", holds(10, 2))
    assert store.apply("Pod", holds("9", 1)) is None


def test_a_stale_addition_after_a_deletion_is_ignored(store: Store) -> None:
    store.apply("Pod", holds(5))
    assert ref_of(store.delete("Pod", holds(7))) == POD
    assert store.apply("Pod", holds(6)) is None
    assert store.snapshot().pods == {}


def test_an_object_that_is_made_anew_after_a_deletion_is_taken_in(store: Store) -> None:
    store.apply("Pod", holds(5))
    store.delete("Pod", holds(7))
    assert ref_of(store.apply("Pod", holds(8))) == POD


def test_a_stale_deletion_is_ignored(store: Store) -> None:
    store.apply("Pod", holds(8))
    assert store.delete("Pod", holds(7)) is None
    assert POD in store.snapshot().pods


def test_the_deletion_of_what_nobody_knew_is_no_change(store: Store) -> None:
    assert store.delete("Pod", holds(7)) is None
    assert store.apply("Pod", holds(6)) is None


def test_a_list_sweeps_what_vanished_and_keeps_what_is_newer_than_it(store: Store) -> None:
    for name, version in (("old", 5), ("new", 15)):
        store.apply("Node", at(version, node(name)))
    changed = store.replace("Node", [at(6, node("listed"))], version=10)
    assert sorted(change.ref.name for change in changed) == ["listed", "old"]
    assert sorted(store.snapshot().nodes) == ["listed", "new"]


def test_a_list_of_one_kind_sweeps_no_other(store: Store) -> None:
    store.apply("Pod", holds(5))
    assert store.replace("Node", [], version=10) == []
    assert POD in store.snapshot().pods


def test_a_list_does_not_bring_back_what_was_deleted_after_it(store: Store) -> None:
    store.apply("Pod", holds(5))
    store.delete("Pod", holds(12))
    assert store.replace("Pod", [holds(5)], version=10) == []
    assert store.snapshot().pods == {}


def test_a_heartbeat_of_a_node_is_no_change(store: Store) -> None:
    store.apply("Node", at(1, ascend("n")))
    beat = at(2, ascend("n"))
    beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-01T00:00:05Z"
    beat["status"]["images"] = [{"names": ["x"]}]
    assert store.apply("Node", beat) is None


def test_a_lost_device_is_a_change(store: Store) -> None:
    store.apply("Node", at(1, ascend("n")))
    assert ref_of(store.apply("Node", at(2, ascend("n", count=7)))) == Ref("Node", "", "n")


def test_a_status_alone_is_no_change_but_is_seen(store: Store) -> None:
    store.apply("SovereignModel", at(1, model()))
    ref = Ref("SovereignModel", "treasury", "deepseek")
    store.snapshot()
    assert store.apply("SovereignModel", at(2, model(status={"phase": "Ready"}))) is None
    assert store.snapshot().models[ref].status.phase == "Ready"


def test_a_pod_that_finishes_is_a_change_and_is_forgotten(store: Store) -> None:
    store.apply("Pod", holds(1))
    done = holds(2)
    done["status"] = {"phase": "Succeeded"}
    assert ref_of(store.apply("Pod", done)) == POD
    assert store.snapshot().pods == {}


def test_a_snapshot_is_not_touched_by_what_comes_later(store: Store) -> None:
    store.apply("Node", at(1, ascend("n")))
    store.apply("SovereignZone", at(1, zone()))
    before = store.snapshot()
    store.apply("Node", at(2, ascend("n", count=1)))
    store.apply("Node", at(3, ascend("other")))
    store.delete("SovereignZone", at(4, zone()))
    store.record_report(Ref("SovereignModel", "a", "b"), Report("no"))
    assert sorted(before.nodes) == ["n"]
    assert before.nodes["n"].devices["huawei.com/Ascend910"] == 8  # type: ignore[union-attr]
    assert list(before.zones) == ["cyberjaya-1"]
    assert before.reports == {}
    assert sorted(store.snapshot().nodes) == ["n", "other"]


@pytest.mark.parametrize("name", ["nodes", "zones", "profiles", "policies", "models", "namespaces", "pods", "children"])
def test_a_snapshot_cant_be_changed(store: Store, name: str) -> None:
    store.apply("Node", at(1, ascend("n")))
    with pytest.raises(TypeError):
        getattr(store.snapshot(), name)["x"] = None
    with pytest.raises(AttributeError):
        setattr(store.snapshot(), name, {})


def test_what_was_worked_out_is_forgotten_when_a_zone_changes(store: Store) -> None:
    store.apply("Node", at(1, ascend("n")))
    store.apply("SovereignZone", at(1, zone()))
    one = store.snapshot()
    assert zone_of_record(one.nodes["n"], one) == one.zones["cyberjaya-1"]
    store.delete("SovereignZone", at(2, zone()))
    two = store.snapshot()
    assert zone_of_record(two.nodes["n"], two) != one.zones["cyberjaya-1"]
    assert zone_of_record(one.nodes["n"], one) == one.zones["cyberjaya-1"]


def test_only_what_carries_our_label_is_a_child(store: Store) -> None:
    mine, foreign = child("Service", "s", "ns"), child("Service", "t", "ns")
    del foreign["metadata"]["labels"]
    store.apply("Service", mine)
    assert store.apply("Service", foreign) is None
    assert list(store.snapshot().children) == [Ref("Service", "ns", "s")]


def test_a_child_that_loses_our_label_is_forgotten(store: Store) -> None:
    store.apply("Service", at(1, child("Service", "s", "ns")))
    stripped = at(2, child("Service", "s", "ns"))
    stripped["metadata"]["labels"] = {}
    assert ref_of(store.apply("Service", stripped)) == Ref("Service", "ns", "s")
    assert store.snapshot().children == {}


def test_a_report_is_news_once_and_an_empty_one_is_none(store: Store) -> None:
    ref = Ref("SovereignModel", "a", "b")
    assert store.record_report(ref, Report("no"))
    assert not store.record_report(ref, Report("no"))
    assert store.record_report(ref, Report())
    assert not store.record_report(ref, Report())
    assert store.snapshot().reports == {}


def test_a_change_has_both_sides(store: Store) -> None:
    came = store.apply("Pod", holds(1))
    grew = store.apply("Pod", holds(2, 4))
    went = store.delete("Pod", holds(3))
    assert came is not None
    assert grew is not None
    assert went is not None
    assert (came.before, went.after) == (None, None)
    assert came.after == grew.before
    assert grew.after == went.before
    assert went.before.devices[NVIDIA_RESOURCE] == 4


def test_what_an_object_left_behind_goes_with_it(store: Store) -> None:
    ref, policy_ref = Ref("SovereignModel", "treasury", "deepseek"), Ref("SovereigntyPolicy", "", "confidential")
    store.apply("SovereignModel", at(1, model()))
    store.apply("SovereigntyPolicy", at(1, policy()))
    store.record_report(ref, Report("no"))
    store.assume(ref, SovereignModelStatus())
    store.record_canary("confidential", Canary("treasury", True, "", 0.0))
    store.record_canary("confidential/ungoverned", Canary("treasury", True, "", 0.0))
    store.record_charge("confidential", Charge("u", 1, 0.0))
    store.delete("SovereignModel", at(2, model()))
    store.delete("SovereigntyPolicy", at(2, policy()))
    left = store.snapshot()
    assert (dict(left.reports), dict(left.assumed), dict(left.canaries), dict(left.charges)) == ({}, {}, {}, {})
    assert policy_ref.name not in left.policies


def test_a_status_alone_leaves_the_spec_the_same_object(store: Store) -> None:
    store.apply("SovereigntyPolicy", at(1, policy()))
    before = store.snapshot().known_policies["confidential"].spec
    store.apply("SovereigntyPolicy", at(2, {**policy(), "status": {"revision": "r"}}))
    assert store.snapshot().known_policies["confidential"].spec is before


def test_a_kind_that_nobody_reads_is_an_error(store: Store) -> None:
    with pytest.raises(KeyError):
        store.apply("Secret", at(1, namespace()))
