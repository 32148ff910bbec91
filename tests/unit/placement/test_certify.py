"""Which labels of record a node gets and loses."""

from __future__ import annotations

from typing import Any

from daulat.api.names import NODE_PREFIX, UNDECIDED_TAINT, ZONE_LABEL, eligible_label
from daulat.facts.node import Node
from daulat.placement.certify import Record, certify
from tests.unit.world import ASCEND, H20, SITE, World, ascend, pod, policy, zone

CONFIDENTIAL = eligible_label("confidential")
CERTIFIED: dict[str, Any] = {ZONE_LABEL: "cyberjaya-1", CONFIDENTIAL: "eligible"}


def changes(world: World, name: str = "a1") -> dict[str, str | None]:
    snapshot = world.snapshot()
    found = snapshot.nodes[name]
    assert isinstance(found, Node)
    return certify(found, snapshot).labels


def test_an_eligible_node_gets_its_zone_and_its_policies() -> None:
    assert changes(World()) == CERTIFIED


def test_a_certified_node_is_left_alone() -> None:
    assert changes(World(nodes=[ascend("a1", labels=CERTIFIED)])) == {}


def test_a_node_that_isnt_eligible_any_more_loses_the_label() -> None:
    world = World(nodes=[ascend("a1", labels=CERTIFIED)], zones=[zone(country="SG")])
    assert changes(world) == {CONFIDENTIAL: None}


def test_a_node_without_a_zone_loses_all_labels_of_record() -> None:
    world = World(nodes=[ascend("a1", site="elsewhere", labels=CERTIFIED)])
    assert changes(world) == {ZONE_LABEL: None, CONFIDENTIAL: None}


def record(world: World, name: str = "a1") -> Record:
    snapshot = world.snapshot()
    found = snapshot.nodes[name]
    assert isinstance(found, Node)
    return certify(found, snapshot)


def test_a_node_whose_zone_is_deleted_keeps_its_labels_and_takes_nothing_new() -> None:
    assert record(World(nodes=[ascend("a1", labels=CERTIFIED)], zones=[])) == Record({}, taint=True)


def test_a_node_that_is_undecided_and_holds_no_label_gets_no_taint() -> None:
    assert record(World(nodes=[ascend("a1", labels={ZONE_LABEL: "cyberjaya-1"})], zones=[])) == Record({}, None)


def test_the_taint_goes_once_the_node_is_decided() -> None:
    tainted = ascend("a1", labels=CERTIFIED)
    tainted["spec"]["taints"] = [{"key": UNDECIDED_TAINT, "effect": "NoSchedule"}]
    assert record(World(nodes=[tainted])) == Record({}, taint=False)
    assert record(World(nodes=[tainted], zones=[zone(country="SG")])) == Record({CONFIDENTIAL: None}, taint=False)


def without(profile: str) -> World:
    world = World(nodes=[ascend("a1", labels=CERTIFIED)])
    world.profiles = [p for p in world.profiles if p["metadata"]["name"] != profile]
    return world


def test_a_node_keeps_its_labels_where_a_profile_that_may_approve_it_is_gone_or_cant_be_read() -> None:
    assert record(without(ASCEND)) == Record({}, taint=True)
    broken = without(ASCEND)
    broken.profiles.append({"metadata": {"name": ASCEND, "uid": "u"}, "spec": {"futureField": 1}})
    assert record(broken) == Record({}, taint=True)


def test_what_is_decided_against_a_node_stays_so_whatever_profile_is_missing() -> None:
    world = without(ASCEND)
    world.zones = [zone(country="SG")]
    assert record(world) == Record({CONFIDENTIAL: None}, None)


def test_a_missing_profile_concerns_no_node_without_devices_of_its_own() -> None:
    assert record(without(H20)) == Record({}, None)


def test_a_forged_value_is_put_right() -> None:
    world = World(nodes=[ascend("a1", labels={**CERTIFIED, CONFIDENTIAL: "yes", ZONE_LABEL: "moon"})])
    assert changes(world) == CERTIFIED


def test_the_label_of_a_deleted_policy_stays_while_a_pod_is_pinned_to_it_and_goes_after() -> None:
    old = eligible_label("old")
    world = World(nodes=[ascend("a1", labels={**CERTIFIED, old: "eligible"})], pods=[pod("p", pins={old: "eligible"})])
    assert changes(world) == {}
    world.pods = []
    assert changes(world) == {old: None}


def test_the_finished_pods_of_a_deleted_policy_hold_no_label() -> None:
    old = eligible_label("old")
    done = pod("p", pins={old: "eligible"})
    done["status"]["phase"] = "Succeeded"
    world = World(nodes=[ascend("a1", labels={**CERTIFIED, old: "eligible"})], pods=[done])
    assert changes(world) == {old: None}


def test_the_labels_of_a_policy_that_cant_be_read_stay_as_they_are() -> None:
    broken = policy(zones={"countries": ["malaysia"]})
    assert changes(World(nodes=[ascend("a1", labels=CERTIFIED)], policies=[broken])) == {}
    assert changes(World(policies=[broken])) == {ZONE_LABEL: "cyberjaya-1"}


def test_the_site_is_never_touched() -> None:
    world = World(nodes=[ascend("a1", site="eligible", labels=CERTIFIED)], zones=[], policies=[])
    assert SITE not in changes(world)


def test_other_labels_under_the_prefix_are_left_alone() -> None:
    assert changes(World(nodes=[ascend("a1", labels={**CERTIFIED, NODE_PREFIX + "rack": "7"})])) == {}


def test_a_node_that_doesnt_take_pods_keeps_its_labels() -> None:
    assert changes(World(nodes=[ascend("a1", ready=False, labels=CERTIFIED)])) == {}


def test_the_labels_of_a_node_stay_when_its_zone_cant_be_read() -> None:
    world = World(nodes=[ascend("a1", labels=CERTIFIED)], zones=[zone(country="nowhere")])
    assert changes(world) == {}


def test_a_node_that_a_zone_which_cant_be_read_may_claim_is_not_certified_anew() -> None:
    unreadable = zone("annex", country="nowhere", nodeSelector={"matchLabels": {SITE: "cyberjaya-1"}})
    assert changes(World(zones=[zone(), unreadable])) == {}
    certified = World(nodes=[ascend("a1", labels=CERTIFIED)], zones=[zone(), unreadable])
    assert changes(certified) == {}


def test_while_devices_cant_be_listed_a_node_keeps_its_labels_and_gets_no_taint() -> None:
    assert record(World(nodes=[ascend("a1", labels=CERTIFIED)], unlisted=("ResourceSlice",))) == Record({}, None)


def test_where_the_list_of_devices_is_refused_a_node_has_the_taint_until_they_are_listed() -> None:
    def found(taints: list[dict[str, str]], *kinds: str) -> Record:
        node = ascend("a1", labels=CERTIFIED)
        node["spec"]["taints"] = taints
        return record(World(nodes=[node], unlisted=kinds, refused=kinds))

    taint = {"key": UNDECIDED_TAINT, "effect": "NoSchedule"}
    assert found([], "ResourceSlice") == Record({}, taint=True)
    assert found([taint], "ResourceSlice") == Record({}, taint=None)
    assert found([taint]) == Record({}, taint=False)


def test_while_devices_cant_be_listed_what_is_decided_against_a_node_is_recorded() -> None:
    left = World(nodes=[ascend("a1", site="elsewhere", labels=CERTIFIED)], unlisted=("ResourceSlice",))
    assert record(left) == Record({ZONE_LABEL: None, CONFIDENTIAL: None})
    refused = World(nodes=[ascend("a1", labels=CERTIFIED)], zones=[zone(country="SG")], unlisted=("ResourceSlice",))
    assert record(refused) == Record({CONFIDENTIAL: None})
