"""Devices of dynamic resource allocation: which nodes they make ineligible, and how many are free for a model."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api import reasons
from daulat.facts.node import Node
from daulat.placement.certify import certify
from daulat.placement.choice import Decision, choose
from daulat.placement.eligibility import ineligible
from tests.unit.world import (
    ASCEND,
    H20,
    World,
    ascend,
    choice,
    device,
    held,
    model,
    node,
    offered,
    pod,
    policy,
    standing,
    the_model,
    the_policy,
)

LABEL = "daulat.node-restriction.kubernetes.io/confidential"
CLAIMED = "DynamicResourceAllocation"
OTHER_KIND = "has devices of the driver gpu.nvidia.com of another kind than the approved profiles describe"


def by_claims(name: str = "deepseek", count: int = 1, **more: Any) -> dict[str, Any]:
    return model(name, accelerators=[choice(H20, count, claims=CLAIMED)], **more)


def place(*slices: dict[str, Any], **more: Any) -> World:
    """Return a cluster with one node without device plugins, and what drivers offer."""
    return World(**{"nodes": [node("n1")], "slices": list(slices), "models": [by_claims()], **more})


def decide(world: World, name: str = "deepseek") -> Decision:
    snapshot = world.snapshot()
    found = the_model(snapshot, name)
    return choose(found, snapshot.governing(found.namespace), snapshot)


def reason(world: World, name: str = "n1") -> str | None:
    snapshot = world.snapshot()
    return ineligible(snapshot.nodes[name], the_policy(snapshot), snapshot)


def free(world: World) -> int:
    """Return how many devices a model could have, as far as the choice tells."""
    count = 0
    for wanted in range(1, 10):
        world.models[0] = by_claims(count=wanted)
        if decide(world).chosen is None:
            break
        count = wanted
    return count


def test_a_model_is_placed_where_matching_devices_are_free() -> None:
    decision = decide(place(offered("n1", device("g0"), device("g1")), models=[by_claims(count=2)]))
    assert decision.chosen is not None
    assert decision.chosen.nodes == ("n1",)
    assert decision.chosen.resource == "gpu.nvidia.com"
    assert decision.chosen.claim is not None
    assert decision.message == "1 replica with 2 devices of gpu.nvidia.com each on nvidia-h20 in zone cyberjaya-1"


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (offered("n1", device("g0"), device("g1", "NVIDIA H100 80GB HBM3")), OTHER_KIND),
        (offered("n1", device("g0", attributes={"type": {"string": "mig"}})), OTHER_KIND),
        (offered("n1", {"name": "g0"}), OTHER_KIND),
        (
            offered("n1", {"name": "g0"}, driver="gpu.amd.com"),
            "has devices of the driver gpu.amd.com, which no approved",
        ),
        (offered("x", device("g0", "x"), nodeName=None, allNodes=True), OTHER_KIND),
        (
            offered("x", device("g0", "x", allNodes=True), nodeName=None, perDeviceNodeSelection=True),
            OTHER_KIND,
        ),
        (offered("x", device("g0", "x"), nodeName=None, aLaterField=True), OTHER_KIND),
    ],
)
def test_a_node_with_a_device_that_no_approved_profile_describes_is_not_eligible(
    offer: dict[str, Any], why: str
) -> None:
    found = reason(place(offer))
    assert found is not None
    assert found.startswith(why)


def test_devices_that_are_elsewhere_concern_no_other_node() -> None:
    assert reason(place(offered("n2", device("g0", "x")))) is None
    terms = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["7"]}]}]}
    assert reason(place(offered("x", device("g0", "x"), nodeName=None, nodeSelector=terms))) is None


def test_drivers_that_a_policy_names_may_have_devices_on_the_node() -> None:
    world = place(offered("n1", {"name": "n0"}, driver="net.example.my"))
    assert reason(world) == "has devices of the driver net.example.my, which no approved profile names"
    world.policies = [policy(accelerators={"otherDrivers": ["net.example.my"]})]
    assert reason(world) is None


def test_a_product_that_its_attributes_dont_tell_needs_the_nodes_labels_too() -> None:
    npu = {"name": "npu-0", "attributes": {"deviceType": {"string": "Ascend910B"}}}
    offer = offered("n1", npu, driver="npu.huawei.com")
    assert reason(place(offer, nodes=[ascend("n1", count=0)])) is None
    labels = {"node.kubernetes.io/npu.chip.name": "910B4"}
    assert reason(place(offer, nodes=[node("n1", labels=labels)])) == (
        "has devices of the driver npu.huawei.com of another kind than the approved profiles describe"
    )


def test_an_old_generation_counts_for_nothing() -> None:
    old = offered("n1", device("g0"), device("g1", "x"), name="old")
    new = offered("n1", device("g0"), name="new", pool={"generation": 2})
    for slices in ([old, new], [new, old]):
        assert reason(place(*slices)) is None
        assert free(place(*slices)) == 1


def test_an_incomplete_pool_gives_nothing_and_takes_no_label() -> None:
    part = offered("n1", device("g0"), device("g1"), pool={"resourceSliceCount": 2})
    world = place(part)
    assert reason(world) == "has the pool n1 of gpu.nvidia.com, which is incomplete, 1 of 2 ResourceSlices"
    assert decide(world).chosen is None
    for had in ({}, {LABEL: "eligible"}):
        world.nodes = [node("n1", labels=had)]
        snapshot = world.snapshot()
        found = snapshot.nodes["n1"]
        assert isinstance(found, Node)
        assert LABEL not in certify(found, snapshot).labels
    world.slices.append(offered("n1", device("g2"), name="rest", pool={"resourceSliceCount": 2}))
    assert reason(world) is None
    assert free(world) == 3


def test_an_unapproved_device_of_an_incomplete_pool_does_take_the_label() -> None:
    world = place(offered("n1", device("g0", "x"), pool={"resourceSliceCount": 2}))
    world.nodes = [node("n1", labels={LABEL: "eligible"})]
    snapshot = world.snapshot()
    found = snapshot.nodes["n1"]
    assert isinstance(found, Node)
    assert certify(found, snapshot).labels[LABEL] is None


def test_a_device_that_is_named_twice_makes_its_pool_unusable() -> None:
    world = place(
        offered("n1", device("g0"), name="a", pool={"resourceSliceCount": 2}),
        offered("n1", device("g0"), name="b", pool={"resourceSliceCount": 2}),
    )
    assert reason(world) == "has the pool n1 of gpu.nvidia.com, which names a device twice"


def test_what_claims_hold_is_not_free_but_for_the_models_own() -> None:
    offer = offered("n1", *(device(f"g{n}") for n in range(4)))
    assert free(place(offer)) == 4
    assert free(place(offer, claims=[held("c", "n1", "g0", "g1")])) == 2
    assert free(place(offer, claims=[held("c", "n1", "g0", model="deepseek")])) == 4
    assert free(place(offer, claims=[held("c", "n1", "g0", model="deepseek", namespace="elsewhere")])) == 3
    assert free(place(offer, claims=[held("c", "n1", "g0", adminAccess=True)])) == 4


def test_who_holds_the_devices_is_told() -> None:
    claims = [held("c1", "n1", "g0", model="other"), held("c2", "n1", "g1", namespace="lab")]
    decision = decide(place(offered("n1", device("g0"), device("g1")), claims=claims))
    assert decision.reason == reasons.INSUFFICIENT_DEVICES
    assert (
        "2 of 2 devices of gpu.nvidia.com are held: 1 by model treasury/other, 1 by pod lab/c2-pod" in decision.message
    )
    told = place(offered("n1", device("g0"), device("g1")), claims=claims[:1], models=[by_claims(count=2)])
    assert "nvidia-h20 in zone cyberjaya-1 has room for 0 with 2 devices of gpu.nvidia.com each" in decide(told).message


def test_tainted_devices_and_those_of_several_nodes_are_not_counted() -> None:
    taint: Any = {"taints": [{"key": "example.my/broken", "effect": "NoExecute"}]}
    assert free(place(offered("n1", device("g0"), device("g1", **taint)))) == 1
    network = offered("net", device("g0"), nodeName=None, allNodes=True)
    assert free(place(network, offered("n1", device("g0")))) == 1


def test_of_devices_that_exclude_each_other_one_is_counted() -> None:
    def part(name: str, counters: str) -> dict[str, Any]:
        return device(name, consumesCounters=[{"counterSet": counters, "counters": {}}])

    offer = offered("n1", part("a0", "gpu-a"), part("a1", "gpu-a"), part("b0", "gpu-b"), part("b1", "gpu-b"))
    assert free(place(offer)) == 2
    assert free(place(offer, claims=[held("c", "n1", "a1")])) == 1


def test_a_device_that_can_be_shared_is_free_while_nobody_holds_it() -> None:
    offer = offered("n1", device("g0", allowMultipleAllocations=True), device("g1"))
    assert free(place(offer)) == 2
    assert free(place(offer, claims=[held("c", "n1", "g0")])) == 1


def test_devices_that_another_placed_model_waits_for_are_set_aside() -> None:
    status = standing(H20, "gpu.nvidia.com", "n1")
    other = by_claims("other", 2, status=status)
    world = place(offered("n1", *(device(f"g{n}") for n in range(4))), models=[by_claims(), other])
    assert free(world) == 2
    taken = pod("p", "n1", model="other", pins={LABEL: "eligible"})
    taken["spec"]["resourceClaims"] = [{"name": "devices", "resourceClaimTemplateName": "other-1"}]
    world.pods, world.claims = [taken], [held("c", "n1", "g0", "g1", model="other")]
    assert free(world) == 2
    world.models = [by_claims()]
    assert free(world) == 2
    world.pods, world.claims = [], []
    assert free(world) == 4


def test_a_node_with_the_taint_of_the_accelerator_takes_pods_that_claim_it() -> None:
    tainted = node("n1")
    tainted["spec"]["taints"] = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    assert decide(place(offered("n1", device("g0")), nodes=[tainted])).chosen is not None
    tainted["spec"]["taints"].append({"key": "example.my/own", "effect": "NoSchedule"})
    assert decide(place(offered("n1", device("g0")), nodes=[tainted])).chosen is None


def test_a_node_that_waits_for_its_eligibility_takes_no_pods_that_claim_devices() -> None:
    waiting = node("n1")
    waiting["spec"]["taints"] = [{"key": "daulat.dev/undecided", "effect": "NoSchedule"}]
    decision = decide(place(offered("n1", device("g0")), nodes=[waiting]))
    assert decision.chosen is None
    assert "n1 waits until its eligibility is decided" in decision.message


def test_the_next_accelerator_is_taken_by_plugin_where_claims_find_nothing() -> None:
    both = model(accelerators=[choice(H20, 1, claims=CLAIMED), choice(ASCEND, 1)])
    world = place(offered("n1", device("g0")), nodes=[node("n1"), ascend("a1")], models=[both])
    world.claims = [held("c", "n1", "g0")]
    decision = decide(world)
    assert decision.chosen is not None
    assert (decision.chosen.choice.profile, decision.chosen.claim) == (ASCEND, None)
    assert {g.reason: g.nodes for g in decision.rejected} == {
        "nvidia-h20 in zone cyberjaya-1 has room for 0 of 1 replicas": ("n1",)
    }


def test_a_profile_that_nothing_can_be_claimed_of_is_told() -> None:
    world = place(offered("n1", device("g0")))
    for profile in world.profiles:
        profile_spec = {k: v for k, v in profile["spec"].items() if k != "dynamicResources"}
        world.profiles = [{**profile, "spec": profile_spec} if p is profile else p for p in world.profiles]
    world.slices = []
    decision = decide(world)
    assert decision.reason == reasons.NO_USABLE_PROFILE
    assert decision.message == (
        "AcceleratorProfile nvidia-h20 has no dynamicResources, so nothing can be claimed of it"
    )
