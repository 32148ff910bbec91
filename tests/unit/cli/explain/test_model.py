"""`daulat explain model` shows every place as a tree, who is in the way there, and what would change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daulat.api import reasons
from tests.unit.cli.explain.test_explain import run, told, typed
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    NVIDIA_RESOURCE,
    Raw,
    ascend,
    choice,
    h20,
    model,
    namespace,
    node,
    pod,
    policy,
    standing,
    zone,
)


def world(
    nodes: list[Raw], asking: Raw, *more: Raw, policies: list[Raw] | None = None, zones: list[Raw] | None = None
) -> list[Raw]:
    found = [typed("SovereigntyPolicy", p) for p in policies or [policy()]]
    found += [typed("SovereignZone", z) for z in zones or [zone(), zone("annex", country="SG")]]
    found += [typed("Node", n) for n in nodes]
    return [*found, typed("Namespace", namespace()), typed("SovereignModel", asking), *more]


def wanting(*choices: Raw, replicas: int = 1, **more: Any) -> Raw:
    return model(accelerators=list(choices or [choice(ASCEND, 8)]), replicas=replicas, **more)


def holder(name: str, on: str, count: int, **more: Any) -> Raw:
    return typed("Pod", pod(name, on, {ASCEND_RESOURCE: str(count)}, **more))


def place(tmp_path: Path, items: list[Raw]) -> dict[str, Any]:
    (found,) = told(run(tmp_path, "model", "deepseek", "-n", "treasury", "-o", "json", items=items))["placements"]
    assert isinstance(found, dict)
    return found


def changes(tmp_path: Path, items: list[Raw]) -> list[str]:
    found: list[str] = place(tmp_path, items)["changes"]
    return found


@pytest.mark.parametrize(
    "target", [["model", "deepseek"], ["model/deepseek"], ["smodel/treasury/deepseek"], ["smodel", "deepseek"]]
)
def test_a_model_is_named_as_kubectl_names_it(tmp_path: Path, target: list[str]) -> None:
    found = told(run(tmp_path, *target, "-n", "treasury", "-o", "json", items=world([ascend("a1")], wanting())))
    assert found["object"] == "SovereignModel treasury/deepseek"


def test_a_policy_called_model_is_still_a_policy(tmp_path: Path) -> None:
    items = world([ascend("a1")], wanting(), policies=[policy("model")])
    assert told(run(tmp_path, "model", "-o", "json", items=items))["policy"] == "model"


FULL = world(
    [ascend("a1"), ascend("a2", count=4), h20("h1", count=2), ascend("sg-1", "annex")],
    wanting(choice(ASCEND, 4), choice(H20, 4), replicas=3),
    holder("r1-x", "a1", 4, model="r1"),
    holder("trainer-0", "a1", 2, namespace="lab"),
    holder("own", "a2", 4, model="deepseek"),
)


def test_every_zone_accelerator_and_node_is_shown_with_what_is_free_and_who_has_the_rest(tmp_path: Path) -> None:
    (found,) = place(tmp_path, FULL)["zones"]
    assert found["zone"] == "cyberjaya-1"
    first, second = found["accelerators"]
    assert (first["profile"], first["devices"], first["room"], first["replicas"], first["chosen"]) == (
        ASCEND,
        4,
        1,
        3,
        False,
    )
    assert (second["profile"], second["resource"], second["room"]) == (H20, NVIDIA_RESOURCE, 0)
    one, two = first["nodes"]
    assert (one["node"], one["free"], one["offered"]) == ("a1", 2, 8)
    assert [(h["kind"], h["name"], h["count"]) for h in one["holders"]] == [("model", "r1", 4), ("pod", "trainer-0", 2)]
    assert (two["node"], two["free"], two["holders"]) == ("a2", 4, []), "its own pods don't stand in its way"


def test_the_tree_is_written_with_each_level_further_in(tmp_path: Path) -> None:
    text = run(tmp_path, "model", "deepseek", "-n", "treasury", items=FULL).stdout
    lines = text.splitlines()
    at = lines.index("  zone cyberjaya-1")
    assert lines[at + 1].startswith(
        "    huawei-ascend-910b: room for 1 of 3 replicas, with 4 huawei.com/Ascend910 each"
    )
    assert lines[at + 2] == "      a1: 2 of 8 free, held 4 by model treasury/r1, 2 by pod lab/trainer-0"
    assert "  not sg-1: zone annex is in SG, outside MY" in lines
    assert "  not a1" not in text, "what is in the tree isn't told twice"
    assert lines.index("what would change it") > at


def test_how_many_devices_more_on_which_node_is_told_with_who_has_them(tmp_path: Path) -> None:
    items = world([ascend("a1")], wanting(), holder("r1-x", "a1", 4, model="r1"), holder("t", "a1", 2, namespace="lab"))
    assert changes(tmp_path, items) == [
        "huawei-ascend-910b in zone cyberjaya-1: 6 more free huawei.com/Ascend910 on node a1: "
        "wait for or remove model treasury/r1 (4) or pod lab/t (2)"
    ]


def test_the_node_that_is_nearest_to_having_room_is_told(tmp_path: Path) -> None:
    items = world([ascend("a1"), ascend("a2")], wanting(replicas=2), holder("p", "a1", 8), holder("q", "a2", 1))
    (told_,) = changes(tmp_path, items)
    assert (
        "1 more free huawei.com/Ascend910 on node a2, and as many for another replica: wait for or remove pod treasury/q (1)"
        in told_
    )


def test_nodes_that_take_no_pods_are_told_with_what_brings_them_back(tmp_path: Path) -> None:
    bad = ascend("a1", ready=False)
    bad["spec"] = {"unschedulable": True, "taints": [{"key": "x", "effect": "NoSchedule"}]}
    where = "huawei-ascend-910b in zone cyberjaya-1"
    assert changes(tmp_path, world([bad], wanting())) == [
        f"{where}: make node a1 ready",
        f"{where}: uncordon node a1: kubectl uncordon a1",
        f"{where}: remove the taint that keeps pods away from node a1",
    ]


def test_what_could_never_fit_is_told_so(tmp_path: Path) -> None:
    assert changes(tmp_path, world([ascend("a1")], wanting(replicas=3)))[0].endswith(
        "request at most 1 of 3 replicas, or add nodes there"
    )
    assert changes(tmp_path, world([ascend("a1", count=4)], wanting()))[0].endswith(
        "request at most 4 devices on a node, or add nodes with 8 there"
    )


def test_a_replica_on_several_nodes_is_told_what_it_needs_together(tmp_path: Path) -> None:
    asking = wanting(choice(ASCEND, 16, nodes=2))
    busy = [holder("p", "a1", 1), holder("q", "a2", 1)]
    (found,) = changes(tmp_path, world([ascend("a1"), ascend("a2")], asking, *busy))
    assert found == (
        "huawei-ascend-910b in zone cyberjaya-1: 2 interconnected nodes with 8 free huawei.com/Ascend910 each: "
        "wait for or remove pod treasury/p (1) or pod treasury/q (1)"
    )
    (zone_,) = place(tmp_path, world([ascend("a1"), ascend("a2")], asking))["zones"]
    (each,) = zone_["accelerators"]
    assert (each["devices"], each["nodesEach"], each["chosen"]) == (8, 2, True)
    assert changes(tmp_path, world([ascend("a1")], asking))[0].endswith(
        "request fewer than 2 nodes per replica, or add nodes with 8 devices there"
    )


def test_an_accelerator_that_eligible_nodes_have_is_proposed(tmp_path: Path) -> None:
    assert changes(tmp_path, world([h20("h1")], wanting())) == [
        "list nvidia-h20 in spec.accelerators: eligible nodes have it"
    ]


def test_a_profile_to_make_to_approve_or_to_extend_is_told(tmp_path: Path) -> None:
    items = world(
        [h20("h1")],
        wanting(choice("acme-1", 1), choice("nvidia-b200", 1), choice(ASCEND, 1), engine={"name": "llama.cpp"}),
    )
    found = changes(tmp_path, items)
    assert "create AcceleratorProfile acme-1, or list another" in found
    assert "approve nvidia-b200 in spec.accelerators.profiles of policy confidential" in found
    assert "choose an engine that huawei-ascend-910b runs, or add llama.cpp to its spec.engines" in found


def test_nodes_with_the_accelerator_that_arent_eligible_are_told_with_what_keeps_them_out(tmp_path: Path) -> None:
    mixed = node(
        "mixed", devices={ASCEND_RESOURCE: "8", NVIDIA_RESOURCE: "1"}, labels=ascend("x")["metadata"]["labels"]
    )
    mixed["metadata"]["labels"]["nvidia.com/gpu.product"] = "NVIDIA-H20"
    only = policy(accelerators={"profiles": [ASCEND]})
    items = world([ascend("stray", ""), ascend("sg-1", "annex"), mixed, node("plain", "")], wanting(), policies=[only])
    found = changes(tmp_path, items)
    assert "sg-1: policy confidential doesn't accept their zone: zone annex is in SG, outside MY" in found
    assert "approve nvidia-h20 in spec.accelerators.profiles of policy confidential: mixed have it" in found
    assert any(s.startswith("stray: assign a zone; label them") for s in found)
    assert not any("plain" in s for s in found), "a node without the accelerator would be no help"


def conditions(reason: str) -> Raw:
    failing = {
        "type": "WorkloadReady",
        "status": "False",
        "reason": str(reason),
        "message": "0 of 1 replicas are ready",
    }
    return {**standing(ASCEND, ASCEND_RESOURCE, "a1"), "conditions": [failing]}


def test_a_placed_model_is_told_by_what_its_status_says(tmp_path: Path) -> None:
    items = world([ascend("a1")], wanting(status=conditions("QuotaExceeded")))
    result = told(run(tmp_path, "model", "deepseek", "-n", "treasury", "-o", "json", items=items))
    assert result["conditions"][0]["reason"] == "QuotaExceeded"
    (found,) = result["placements"]
    assert found["changes"] == [reasons.QUOTA_EXCEEDED.remedy]
    assert "ResourceQuota" in reasons.QUOTA_EXCEEDED.remedy
    text = run(tmp_path, "model", "deepseek", "-n", "treasury", items=items).stdout
    assert "WorkloadReady=False QuotaExceeded: 0 of 1 replicas are ready" in text
    assert "huawei-ascend-910b: chosen, with 8 huawei.com/Ascend910 each" in text


def test_a_model_that_runs_needs_no_change(tmp_path: Path) -> None:
    assert changes(tmp_path, world([ascend("a1")], wanting())) == []


@pytest.mark.parametrize("reason", reasons.reasons_of(reasons.WORKLOAD_READY))
def test_every_reason_for_which_a_workload_isnt_ready_has_an_answer(tmp_path: Path, reason: reasons.Reason) -> None:
    expected = (
        [reason.remedy]
        if reason not in (reasons.REPLICAS_READY, reasons.SCALED_TO_ZERO, reasons.WAITING_FOR_PLACEMENT)
        else []
    )
    assert all(expected)
    assert changes(tmp_path, world([ascend("a1")], wanting(status=conditions(reason)))) == expected


def test_a_reason_that_this_release_doesnt_know_has_no_answer(tmp_path: Path) -> None:
    assert changes(tmp_path, world([ascend("a1")], wanting(status=conditions("FromAnotherRelease")))) == []


def test_a_long_list_of_nodes_is_cut_in_the_text_alone(tmp_path: Path) -> None:
    for number, more in ((9, "and 1 more node"), (20, "and 12 more nodes")):
        items = world([ascend(f"a{n:02}") for n in range(number)], wanting(replicas=30))
        lines = run(tmp_path, "model", "deepseek", "-n", "treasury", items=items).stdout.splitlines()
        assert more in [line.strip(" -") for line in lines]
    assert len(place(tmp_path, items)["zones"][0]["accelerators"][0]["nodes"]) == 20
