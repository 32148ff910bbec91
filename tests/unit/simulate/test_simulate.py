"""What a simulation says about each kind of change, with the real reconcilers and controls."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.kube.ref import Ref
from daulat.simulate.change import Changes, LoseNode, Remove, RevokeZone
from daulat.simulate.compare import NOT_SIMULATED, NotThere, simulate
from tests.unit.world import ASCEND, H20, IMAGE, Raw, World, ascend, choice, exemption, h20, model, pod, policy

from .worlds import HOUR, KULIM, UNSERVED, cluster, job, put, run, two_zones

FREE = {"limit": "100%"}
ELSEWHERE = "mirror.example.my/"


def jobs() -> World:
    return two_zones(models=[], pods=[job("t-0", "k1"), job("t-1", "k2")])


def plain(name: str, image: str = IMAGE) -> Raw:
    """Return a pod without devices, pinned."""
    raw = job(name, "a1", devices=0)
    raw["spec"]["containers"] = [{"name": "c", "image": image}]
    return raw


def test_a_revoked_zone_evicts_its_pods_after_the_grace_period() -> None:
    found = run(jobs(), RevokeZone("kulim-1"))
    (evicted,) = found.evictions
    assert (evicted.policies, evicted.pods, evicted.nodes) == (("confidential",), 2, 2)
    assert 60 <= evicted.first <= evicted.last <= 61
    assert evicted.why == "stands in no zone of record, so it isn't eligible under policy confidential any more"
    (changed,) = found.policies
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before.eligible_nodes, changed.after.eligible_nodes) == (4, 2)
    assert found.worse
    assert found.converged


def test_evicted_pods_that_find_no_node_are_named() -> None:
    world = jobs()
    world.pods.append(job("t-2", "a1"))
    (waiting,) = run(world, RevokeZone("kulim-1")).waiting
    assert waiting.why == "none of 2 nodes that it may run on has 8 free huawei.com/Ascend910"


def test_what_isnt_simulated_and_matters_here_stands_first_of_the_limits() -> None:
    def limits(world: World) -> tuple[str, ...]:
        notes = run(world, RevokeZone("kulim-1")).notes
        assert notes[-len(NOT_SIMULATED) :] == NOT_SIMULATED
        return notes[: -len(NOT_SIMULATED)]

    assert limits(jobs()) == ()
    sized = jobs()
    sized.pods[0]["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "4"}
    assert limits(sized) == ("1 pod is bound without regard to the processors and memory that it requests",)
    claiming = jobs()
    for raw in claiming.pods:
        raw["spec"]["resourceClaims"] = [{"name": "npu", "resourceClaimTemplateName": "npus"}]
    assert limits(claiming) == ("2 pods wait here, since claims of dynamic resource allocation aren't allocated",)
    applied = jobs()
    applied.policies = [policy(drift=FREE, enforcement={"source": "GitOps"})]
    assert limits(applied) == ("the admission policies of confidential, which GitOps applies, stay as they are",)


def test_a_pod_without_a_controller_isnt_made_anew() -> None:
    world = jobs()
    for raw in world.pods:
        del raw["metadata"]["ownerReferences"]
    found = run(world, RevokeZone("kulim-1"))
    assert sum(e.pods for e in found.evictions) == 2
    assert found.waiting == ()


def test_a_model_moves_out_of_a_revoked_zone() -> None:
    (moved,) = run(two_zones(), RevokeZone("cyberjaya-1")).models
    assert moved.what == "moved"
    assert moved.before is not None
    assert moved.after is not None
    assert (moved.before.zone, moved.after.zone) == ("cyberjaya-1", "kulim-1")


def test_a_model_without_another_zone_is_left_without_a_place() -> None:
    world = World(policies=[policy(drift=FREE)])
    (changed,) = run(world, RevokeZone("cyberjaya-1")).models
    assert changed.what == "without a place"
    assert changed.after is not None
    assert changed.after.message
    assert changed.worse


def test_what_a_brake_holds_isnt_evicted() -> None:
    world = two_zones(models=[], policies=[policy()], pods=[job(f"t-{n}", "k1", 1) for n in range(5)])
    found = run(world, RevokeZone("kulim-1"))
    assert sum(e.pods for e in found.evictions) == 1
    (changed,) = found.policies
    assert changed.after is not None
    assert changed.after.held == 4
    assert changed.after.problems["Upheld"][0] == "BrakeHeld"


def test_a_deleted_zone_takes_nothing_away() -> None:
    found = run(jobs(), Remove(KULIM))
    assert found.evictions == ()
    (changed,) = found.policies
    assert changed.after is not None
    assert changed.after.problems["Upheld"][0] == "Undecided"


def test_a_banned_chip_refuses_the_models_that_name_it_alone_and_evicts_its_pods() -> None:
    world = two_zones(models=[model(accelerators=[choice(ASCEND, 4)])])
    found = run(world, put("SovereigntyPolicy", policy(accelerators={"profiles": [H20]}, drift=FREE)))
    (changed,) = found.models
    assert changed.what == "refused"
    assert changed.after is not None
    assert changed.after.message.startswith('SUP-08 spec.accelerators["huawei-ascend-910b"].profile: ')
    assert [e.models for e in found.evictions] == [("treasury/deepseek",)]


def test_a_policy_that_allows_fewer_registries_ends_the_model_and_refuses_pods_created_anew() -> None:
    world = two_zones(pods=[plain("web"), plain("mirrored", ELSEWHERE + "web@sha256:" + "1a" * 32)])
    found = run(world, put("SovereigntyPolicy", policy(images={"registries": [ELSEWHERE]}, drift=FREE)))
    (refused,) = found.refused
    assert (refused.policy, refused.sample) == ("confidential", ("treasury/web",))
    assert all(message.startswith("STO-07 spec.containers") for message in refused.messages)
    assert [m.what for m in found.models] == ["refused"]
    assert sum(e.pods for e in found.evictions) == 1


def test_pods_that_would_be_refused_before_the_change_arent_its_effect() -> None:
    strict = policy(images={"registries": [ELSEWHERE]}, drift=FREE)
    world = two_zones(models=[], policies=[strict], pods=[plain("web")])
    changed = policy(images={"registries": [ELSEWHERE], "requireDigest": True}, drift=FREE)
    assert run(world, put("SovereigntyPolicy", changed)).refused == ()


def test_a_lost_node_moves_its_model_to_another() -> None:
    found = run(two_zones(), LoseNode("a1"))
    assert [(e.why, e.first, e.policies) for e in found.evictions] == [("its node is lost", 0.0, ())]
    assert found.models == ()


def test_the_only_node_lost_leaves_the_model_without_a_place() -> None:
    world = World(nodes=[ascend("a1")], policies=[policy(drift=FREE)])
    assert [m.what for m in run(world, LoseNode("a1")).models] == ["without a place"]


def test_a_model_that_is_added_is_placed_and_makes_nothing_worse() -> None:
    found = run(two_zones(), put("SovereignModel", model("second")))
    assert [(m.name, m.what) for m in found.models] == [("second", "placed")]
    assert not found.worse


def test_a_model_that_is_added_without_room_is_left_without_a_place() -> None:
    world = World(nodes=[ascend("a1", count=4)])
    found = run(world, put("SovereignModel", model("second")))
    assert [(m.name, m.what) for m in found.models] == [("second", "without a place")]
    assert found.worse


def test_a_model_that_is_deleted_frees_its_devices_for_one_that_waits() -> None:
    world = World(nodes=[h20("h1", count=2)], models=[model(), model("second")])
    found = run(world, Remove(Ref("SovereignModel", "treasury", "deepseek")))
    assert {m.name: m.what for m in found.models} == {"deepseek": "removed", "second": "runs again"}


def test_an_exemption_that_is_withdrawn_applies_no_more() -> None:
    world = World(policies=[policy(models={"licenses": ["Apache-2.0"]}, drift=FREE)], exemptions=[exemption()])
    active = run(world, Remove(Ref("SovereigntyExemption", "", "e")))
    assert [(e.name, e.active) for e in active.exemptions] == [("e", False)]


def test_what_is_under_way_isnt_an_effect_of_the_change() -> None:
    world = two_zones(models=[], pods=[job("t-0", "k1")])
    world.nodes = [n for n in world.nodes if n["metadata"]["name"] != "k1"] + [ascend("k1", "nowhere")]
    found = run(world, put("SovereignModel", model()))
    assert (found.under_way, found.evictions) == (1, ())


def test_a_longer_grace_period_is_waited_for() -> None:
    world = two_zones(models=[], policies=[policy(drift={**FREE, "gracePeriod": "50m"})], pods=[job("t-0", "k1")])
    (evicted,) = run(world, RevokeZone("kulim-1")).evictions
    assert 3000 <= evicted.first <= 3001


def test_an_end_before_everything_happened_is_said() -> None:
    world = two_zones(models=[], policies=[policy(drift={**FREE, "gracePeriod": "2h"})], pods=[job("t-0", "k1")])
    found = run(world, RevokeZone("kulim-1"), within=HOUR)
    assert (found.converged, found.evictions) == (False, ())


@pytest.mark.parametrize("change", [RevokeZone("a"), LoseNode("a"), Remove(Ref("SovereigntyPolicy", "", "a"))])
def test_what_isnt_there_cant_be_taken_away(change: Changes) -> None:
    with pytest.raises(NotThere, match="isn't there"):
        run(two_zones(), change)


def _many(nodes: int, pods: int, devices: int) -> World:
    placed = [job(f"t-{n}", f"{'ak'[n % 2]}{n % nodes}", devices) for n in range(pods)]
    made = [
        ascend(f"{site}{n}", where) for site, where in (("a", "cyberjaya-1"), ("k", "kulim-1")) for n in range(nodes)
    ]
    return two_zones(nodes=made, pods=placed)


_SAME: list[Callable[[World], list[Changes]]] = [
    lambda world: [],
    lambda world: [put("SovereigntyPolicy", deepcopy(world.policies[0]))],
    lambda world: [put("SovereignZone", deepcopy(raw)) for raw in world.zones],
    lambda world: [put("SovereignModel", deepcopy(world.models[0]))],
    lambda world: [put("Node", deepcopy(raw)) for raw in world.nodes],
]


@settings(max_examples=10, deadline=None)
@given(nodes=st.integers(1, 3), pods=st.integers(0, 4), devices=st.integers(1, 4), same=st.sampled_from(_SAME))
def test_a_change_that_changes_nothing_changes_nothing(
    nodes: int, pods: int, devices: int, same: Callable[[World], list[Changes]]
) -> None:
    world = _many(nodes, pods, devices)
    found = run(world, *same(world))
    assert (found.policies, found.models, found.evictions, found.waiting, found.refused) == ((), (), (), (), ())
    assert not found.worse


@settings(max_examples=5, deadline=None)
@given(nodes=st.integers(1, 3), pods=st.integers(0, 4))
def test_two_simulations_of_the_same_say_the_same(nodes: int, pods: int) -> None:
    assert run(_many(nodes, pods, 2), RevokeZone("kulim-1")) == run(_many(nodes, pods, 2), RevokeZone("kulim-1"))


def test_a_simulation_leaves_what_it_was_given_as_it_was() -> None:
    world = jobs()
    before = deepcopy(world)
    run(world, RevokeZone("kulim-1"), put("SovereignModel", model()), LoseNode("a1"))
    assert world == before


@pytest.mark.parametrize("unserved", [UNSERVED, UNSERVED - {"LeaderWorkerSet"}])
def test_a_replica_of_several_nodes_moves_as_a_whole(unserved: frozenset[str]) -> None:
    world = two_zones(models=[model(accelerators=[choice(ASCEND, 16, nodes=2)])])
    found = simulate(cluster(world, unserved), [RevokeZone("cyberjaya-1")], HOUR)
    (moved,) = found.models
    assert moved.what == "moved"
    assert moved.after is not None
    assert (moved.after.zone, moved.after.reason) == ("kulim-1", "")
    assert sum(e.pods for e in found.evictions) == 2
    assert found.converged


def test_an_ungoverned_pod_stays() -> None:
    world = two_zones(models=[], pods=[pod("free", "k1", namespace="lab")])
    assert run(world, RevokeZone("kulim-1")).evictions == ()
