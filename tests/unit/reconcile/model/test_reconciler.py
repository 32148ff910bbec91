"""A model is brought to where policies let it run, or told why it doesn't run."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import REVISION_ANNOTATION
from daulat.kube.ref import Ref
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.result import Apply, ApplyStatus, Delete, EmitEvent, Result
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    IMAGE,
    World,
    ascend,
    child,
    choice,
    device,
    exemption,
    h20,
    model,
    namespace,
    offered,
    pod,
    policy,
    standing,
)

REF = Ref("SovereignModel", "treasury", "deepseek")
NOW = 1_800_000_000.0
PIN = "daulat.node-restriction.kubernetes.io/confidential"


def run(world: World, now: float = NOW) -> Result:
    return reconcile_model(REF, world.snapshot(), now)


def kinds(result: Result) -> list[str]:
    return [type(e).__name__ for e in result.effects]


def status(result: Result) -> dict[str, Any]:
    (found,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return found


def condition(result: Result, type_: str) -> tuple[str, str]:
    found = next(c for c in status(result)["conditions"] if c["type"] == type_)
    return found["status"], found["reason"]


def message(result: Result, type_: str = "PolicyCompliant") -> str:
    return str(next(c for c in status(result)["conditions"] if c["type"] == type_)["message"])


def deployed(world: World, ready: int = 0, uid: str = "uid-treasury-deepseek", **more: Any) -> World:
    (made,) = [
        e.manifest for e in run(world).effects if isinstance(e, Apply) and e.manifest["kind"] == "Deployment"
    ] or [{"metadata": {}, "spec": {}}]
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "observedGeneration": 1, **more}
    raw = child("Deployment", "deepseek", "treasury", model="deepseek", status=counts, spec=made["spec"])
    raw["metadata"] |= {
        "ownerReferences": [{"uid": uid}],
        "annotations": made["metadata"].get("annotations", {}),
    }
    world.children = [raw]
    return world


def applied(result: Result) -> list[str]:
    return [e.manifest["kind"] for e in result.effects if isinstance(e, Apply)]


def deleted(result: Result) -> list[str]:
    return [str(e.ref) for e in result.effects if isinstance(e, Delete)]


def test_a_compliant_model_gets_its_workload_and_says_where() -> None:
    result = run(World())
    assert applied(result)[-1] == "Deployment"
    assert condition(result, "PolicyCompliant") == ("True", "Compliant")
    assert condition(result, "Placed") == ("True", "PlacementChosen")
    assert condition(result, "Ready") == ("False", "ReplicasPending")
    assert status(result)["phase"] == "Placing"
    assert status(result)["placement"]["nodes"] == ["a1", "a2"]


def known(name: str, context: int = 32768, **accelerator: Any) -> World:
    """Return a world with a model of the catalogue."""
    spec = {"name": name, "uri": "oci://registry.example.my/models/m@sha256:" + "1a" * 32}
    listed = [{"profile": ASCEND, "image": IMAGE, **accelerator}]
    return World(models=[model(model=spec, engine={"context": context}, accelerators=listed)])


def test_a_model_of_the_catalogue_is_sized_and_says_how() -> None:
    result = run(known("llama-3.3-70b"))
    sizing = status(result)["sizing"]
    assert (sizing["devices"], sizing["tensorParallel"], sizing["pipelineParallel"]) == (4, 4, 1)
    assert (sizing["precision"], sizing["context"], sizing["concurrency"]) == ("BF16", 32768, 1)
    assert sizing["account"][0] == "weights: 131.4 GiB; 70.5 billion parameters in BF16"
    (deployment,) = [e.manifest for e in result.effects if isinstance(e, Apply) and e.manifest["kind"] == "Deployment"]
    (engine,) = deployment["spec"]["template"]["spec"]["containers"]
    assert engine["resources"]["limits"] == {"huawei.com/Ascend910": "4"}
    assert {"--tensor-parallel-size=4", "--max-model-len=32768"} <= set(engine["args"])


def test_a_model_that_doesnt_fit_is_told_with_the_numbers_and_on_which_nodes() -> None:
    world = known("deepseek-r1")
    world.models[0]["spec"]["engine"]["name"] = "mindie"
    result = run(world)
    assert condition(result, "Placed") == ("False", "DoesNotFit")
    why = "deepseek-r1 needs 32 devices of huawei-ascend-910b on 4 nodes (1249.8 GiB of weights in BF16, 1 x 32768 tokens), "
    assert message(result, "Placed").startswith(why)
    assert "sizing" not in status(result)
    groups = {node: g["reason"] for g in status(result)["placement"]["rejected"] for node in g["sample"]}
    assert groups["a1"].startswith(why)
    assert groups["h1"] == "has no accelerator that the model lists"
    assert applied(result) == []


def test_a_model_keeps_its_devices_where_a_release_estimates_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    world = known("llama-3.3-70b")
    world.models[0]["status"] = status(run(world))
    monkeypatch.setattr("daulat.placement.sizing.WORKING_FACTOR", 2.0)
    for _ in range(2):
        told = status(run(world))
        assert (told["sizing"]["devices"], told["sizing"]["tensorParallel"]) == (4, 4)
        assert told["sizing"]["note"].startswith("by our estimate it may not fit: ")
        world.models[0]["status"] = {**told, "conditions": []}
    # Anew, it would get more; and it does once it is asked for something else.
    assert status(run(known("llama-3.3-70b")))["sizing"]["devices"] == 8
    world.models[0]["spec"]["engine"] = {"context": 16384}
    assert status(run(world))["sizing"]["devices"] == 8


@pytest.mark.parametrize("again", [False, True])
def test_a_count_that_cant_share_a_layer_is_advised_against_where_users_look(again: bool) -> None:
    world = known("qwen2.5-7b", count=3)
    result = run(world)
    if again:
        # What was decided once is kept, with the advice.
        world.models[0]["status"] = {**status(result), "conditions": []}
        result = run(world)
    why = "28 attention heads aren't divisible by 3, so 3 pipeline stages of 1 device follow each other"
    assert condition(result, "Placed") == ("True", "SizingAdvice")
    assert message(result, "Placed").endswith(f" in zone cyberjaya-1; {why}")
    assert status(result)["sizing"]["note"] == why
    assert next(e.reason for e in result.effects if isinstance(e, EmitEvent)) == "SizingAdvice"


def test_a_sized_model_stays_with_its_devices_while_others_come() -> None:
    first = known("llama-3.3-70b")
    snapshot = first.snapshot()
    placed = status(reconcile_model(REF, snapshot, NOW))
    sized = first.models[0] | {"status": placed}
    others = [model(f"m{n}", accelerators=[choice(ASCEND, 8)]) for n in range(2)]
    world = World(models=[sized, *others])
    # Two nodes with eight devices, of which four are held for the first: one of the others fits, whichever comes first.
    one = reconcile_model(Ref("SovereignModel", "treasury", "m0"), world.snapshot(), NOW)
    assert condition(one, "Placed") == ("True", "PlacementChosen")
    others[0]["status"] = status(one)
    other = reconcile_model(Ref("SovereignModel", "treasury", "m1"), world.snapshot(), NOW)
    assert condition(other, "Placed") == ("False", "InsufficientDevices")


def test_a_model_with_all_replicas_is_ready_and_has_an_address() -> None:
    result = run(deployed(World(), ready=1))
    assert condition(result, "Ready") == ("True", "ReplicasReady")
    assert status(result)["url"] == "http://deepseek.treasury.svc/v1"
    assert status(result)["phase"] == "Ready"


def test_a_model_that_asks_for_no_replica_is_ready() -> None:
    assert condition(run(World(models=[model(replicas=0)])), "WorkloadReady") == ("True", "ScaledToZero")


def test_nothing_is_written_where_nothing_changed() -> None:
    world = deployed(World(), ready=1)
    world.with_status_of(run(world).effects)
    again = run(world, NOW + 3600)
    assert set(kinds(again)) == {"Apply"}


VIOLATION: dict[str, Any] = {"model": {"developer": "acme"}}


@pytest.mark.parametrize(
    "world",
    [
        World(namespaces=[namespace(other="1")]),
        World(policies=[policy(zones={"countries": ["broken"]})]),
        World(policies=[policy(controls={"XXX-99": "Off"})]),
        World(models=[model(replicas=-1)]),
        World(nodes=[]),
        World(models=[model(**VIOLATION)], policies=[policy(models={"developers": ["deepseek-ai"]})]),
    ],
    ids=["ungoverned", "malformed policy", "unknown control", "malformed model", "no node", "violation"],
)
def test_nothing_is_written_where_nothing_changed_however_bad_it_is(world: World) -> None:
    first = run(world)
    assert "ApplyStatus" in kinds(first)
    world.with_status_of(first.effects)
    assert kinds(run(world, NOW + 60)) == []


def test_a_model_that_no_policy_governs_any_more_goes_on_as_it_is_and_is_told_why() -> None:
    result = run(deployed(World(namespaces=[namespace(other="1")])))
    assert deleted(result) == []
    assert applied(result) == []
    assert condition(result, "PolicyCompliant") == ("False", "NotGoverned")
    assert "no policy governs namespace treasury" in message(result)
    assert status(result)["phase"] == "Refused"


def test_a_namespace_that_nobody_knows_is_governed_by_nobody() -> None:
    assert condition(run(World(namespaces=[])), "PolicyCompliant") == ("False", "NotGoverned")


def test_a_model_that_breaks_a_control_gets_no_workload() -> None:
    world = World(models=[model(**VIOLATION)], policies=[policy(models={"developers": ["deepseek-ai"]})])
    result = run(deployed(world))
    assert applied(result) == []
    assert deleted(result) == ["Deployment/treasury/deepseek"]
    assert condition(result, "PolicyCompliant") == ("False", "PolicyViolation")
    assert message(result).startswith('SUP-12 spec.model.developer: "acme" was declared')
    assert "placement" not in status(result)


def test_a_model_that_breaks_a_control_that_only_warns_runs() -> None:
    lax = policy(models={"developers": ["deepseek-ai"]}, controls={"SUP-12": "Warn"})
    assert "Deployment" in applied(run(World(models=[model(**VIOLATION)], policies=[lax])))


def test_a_pod_that_would_break_a_control_is_never_made() -> None:
    """The profile's own image isn't from the approved registry, which only the pod shows."""
    bare = model(accelerators=[choice(ASCEND, 4, image=None)])
    result = run(World(models=[bare], policies=[policy(images={"registries": ["registry.example.my/"]})]))
    assert applied(result) == []
    assert 'STO-07 spec.accelerators["huawei-ascend-910b"].image: "quay.io/ascend' in message(result)
    assert "spec.containers" not in message(result)


def test_a_model_is_judged_by_all_policies() -> None:
    other = policy("two", models={"licenses": ["Apache-2.0"]})
    result = run(World(policies=[policy(), other]))
    assert applied(result) == []
    assert "policy two allows Apache-2.0" in message(result)


def test_a_model_in_a_namespace_with_more_sensitive_data_than_its_zones_handle_gets_no_workload() -> None:
    zones = {"countries": ["MY"], "minimumDataClass": "internal"}
    result = run(World(policies=[policy(zones=zones)]))
    assert applied(result) == []
    assert 'USE-02 metadata.namespace: the namespace holds "confidential" data' in message(result)


def test_an_exemption_lets_a_model_run_until_it_expires() -> None:
    tagged = model(accelerators=[choice(ASCEND, 4, image=IMAGE.partition("@")[0] + ":v1")])
    strict = policy(images={"registries": ["registry.example.my/"], "requireDigest": True})
    soon = exemption(controls=["SUP-01"], expiresAt="2027-01-15T08:00:01Z")
    world = World(models=[tagged], policies=[strict], exemptions=[soon])
    assert "Deployment" in applied(run(world, NOW))
    late = run(world, NOW + 1)
    assert applied(late) == []
    assert "SUP-01" in message(late)


@pytest.mark.parametrize("broken", [policy("b", zones={"countries": ["x"]}), policy("b", controls={"XXX-99": "Off"})])
def test_a_policy_that_nobody_understands_changes_nothing(broken: dict[str, Any]) -> None:
    world = deployed(World(policies=[policy(), broken]), ready=1)
    world.models[0]["status"] = {"placement": {"zone": "cyberjaya-1", "accelerator": ASCEND, "nodes": ["a1"]}}
    result = run(world)
    assert applied(result) == deleted(result) == []
    assert condition(result, "PolicyCompliant") == ("Unknown", "PolicyUnreadable")
    assert status(result)["placement"]["nodes"] == ["a1"]


def test_a_model_that_cant_be_read_is_told_and_left_alone() -> None:
    result = run(deployed(World(models=[model(replicas=-1)])))
    assert kinds(result) == ["ApplyStatus", "EmitEvent"]
    assert "spec.replicas" in message(result, "Ready")


def test_a_model_that_cant_be_read_keeps_its_status_byte_for_byte() -> None:
    """What this release can't read another one may: after an upgrade the model stands where it stood."""
    stood = {
        **standing(ASCEND, ASCEND_RESOURCE, "a1"),
        "sizing": {"devices": "four", "topology": {"rings": [2, 2]}},
        "mood": ["good"],
        "history": "a later form",
    }
    told = status(run(World(models=[model(status={**stood, "conditions": "a later form"}, replicas=-1)])))
    assert {k: v for k, v in told.items() if k not in ("conditions", "observedGeneration")} == stood
    assert [c["reason"] for c in told["conditions"]] == ["Invalid"]


def test_a_field_that_no_release_writes_any_more_leaves_the_status() -> None:
    world = deployed(World())
    world.with_status_of(run(world).effects)
    assert not [e for e in run(world).effects if isinstance(e, ApplyStatus)]
    for left in ({"mood": "good"}, {"placement": {**world.models[0]["status"]["placement"], "rack": "r1"}}):
        other = deployed(World(models=[{**world.models[0], "status": {**world.models[0]["status"], **left}}]))
        assert status(run(other)) == world.models[0]["status"]


def test_a_model_with_a_malformed_status_stays_where_it_stands() -> None:
    stood = standing(ASCEND, ASCEND_RESOURCE, "a2")
    malformed = {**stood["placement"], "policies": "confidential", "rejected": [7]}
    broken = model(status={"placement": malformed, "sizing": {"devices": 4, "tensorParallel": []}, "replicas": "many"})
    result = run(deployed(World(models=[broken])))
    assert deleted(result) == []
    assert status(result)["placement"]["zone"] == "cyberjaya-1"
    assert status(result)["sizing"]["devices"] == 4


def test_a_condition_without_a_time_gets_one() -> None:
    world = deployed(World())
    world.with_status_of(run(world).effects)
    raw = world.models[0]["status"]
    raw["conditions"] = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in raw["conditions"]]
    assert {c["lastTransitionTime"] for c in status(run(world))["conditions"]} == {"2027-01-15T08:00:00Z"}


def test_a_model_without_a_place_is_stopped_and_told_about_every_node() -> None:
    result = run(deployed(World(policies=[policy(zones={"countries": ["SG"]})])))
    assert deleted(result) == ["Deployment/treasury/deepseek"]
    assert condition(result, "Placed") == ("False", "NoEligibleNode")
    assert status(result)["placement"]["rejected"] == [
        {"reason": "zone cyberjaya-1 is in MY, outside SG", "count": 3, "sample": ["a1", "a2", "h1"]}
    ]


def test_a_deployment_of_somebody_else_is_not_deleted() -> None:
    assert deleted(run(deployed(World(namespaces=[namespace(other="1")]), uid="another"))) == []


def test_a_deployment_under_deletion_is_not_deleted_again() -> None:
    world = deployed(World(namespaces=[namespace(other="1")]))
    world.children[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert deleted(run(world)) == []


def test_a_model_that_is_gone_needs_nothing() -> None:
    assert run(World(models=[])) == Result()


def test_what_the_api_server_refused_is_told_and_tried_again() -> None:
    result = run(World(obstacles={REF: "quota exceeded"}))
    assert condition(result, "Ready") == ("False", "ApplyFailed")
    assert message(result, "WorkloadReady") == "quota exceeded"
    assert result.requeue_after is not None


def test_pods_that_the_api_server_refuses_are_told() -> None:
    stuck = [{"type": "ReplicaFailure", "status": "True", "message": "USE-16 refused"}]
    assert (
        message(run(deployed(World(), conditions=stuck)), "WorkloadReady")
        == "0 of 1 replicas are ready: USE-16 refused"
    )


def test_events_come_on_transitions_alone() -> None:
    world = World()
    first = run(world)
    assert [e.reason for e in first.effects if isinstance(e, EmitEvent)] == ["PlacementChosen"], "the rest is as ever"
    world.with_status_of(first.effects)
    second = run(deployed(world, ready=1), NOW + 60)
    assert {(e.type, e.reason) for e in second.effects if isinstance(e, EmitEvent)} == {("Normal", "ReplicasReady")}


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    world = World()
    first = run(world)
    world.with_status_of(first.effects)
    second = run(deployed(world, ready=1), NOW + 60)
    times = [{c["type"]: c["lastTransitionTime"] for c in status(o)["conditions"]} for o in (first, second)]
    assert times[0]["PolicyCompliant"] == times[1]["PolicyCompliant"] == "2027-01-15T08:00:00Z"
    assert (times[0]["Ready"], times[1]["Ready"]) == ("2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z")


FORBIDDEN = 'pods "deepseek-1" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=0, limited: pods=0'


def test_a_quota_that_keeps_pods_out_is_told_in_the_api_servers_words() -> None:
    stuck = [{"type": "ReplicaFailure", "status": "True", "message": FORBIDDEN}]
    result = run(deployed(World(), conditions=stuck))
    assert condition(result, "Ready") == ("False", "QuotaExceeded")
    assert message(result, "WorkloadReady") == f"0 of 1 replicas are ready: {FORBIDDEN}"


def test_a_quota_that_keeps_another_part_of_the_workload_out_is_told_too() -> None:
    answer = (
        "Deployment deepseek: deployments.apps is forbidden: exceeded quota: none, requested: count/deployments.apps=1"
    )
    result = run(World(obstacles={REF: answer}))
    assert condition(result, "WorkloadReady") == ("False", "QuotaExceeded")
    assert message(result, "WorkloadReady") == answer


def own_pod(name: str, on: str = "", **status: Any) -> dict[str, Any]:
    return {**pod(name, on, {ASCEND_RESOURCE: "4"}, model="deepseek"), "status": {"phase": "Pending", **status}}


def unschedulable(name: str) -> dict[str, Any]:
    words = {"reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}
    return own_pod(name, conditions=[{"type": "PodScheduled", "status": "False", **words}])


def starting(name: str, on: str = "a1") -> dict[str, Any]:
    return own_pod(name, on, containerStatuses=[{"name": "engine", "state": {"running": {}}, "started": False}])


def test_what_the_scheduler_says_of_a_pod_is_told() -> None:
    result = run(deployed(World(pods=[unschedulable("deepseek-1")])))
    assert condition(result, "Ready") == ("False", "Unschedulable")
    assert message(result, "WorkloadReady") == (
        "0 of 1 replicas are ready; pod deepseek-1: the scheduler says: 0/3 nodes are available: 3 Insufficient cpu."
    )


def test_a_real_trouble_comes_before_what_every_pod_goes_through() -> None:
    pods = [starting("deepseek-a"), unschedulable("deepseek-b")]
    assert condition(run(deployed(World(pods=pods))), "WorkloadReady") == ("False", "Unschedulable")
    assert condition(run(deployed(World(pods=pods[:1]))), "WorkloadReady") == ("False", "EngineStarting")


def test_a_node_that_is_lost_is_told_whatever_its_pods_said_last() -> None:
    world = deployed(World(nodes=[ascend("a1", ready=False), ascend("a2")], pods=[starting("deepseek-a")]))
    world.models[0]["status"] = standing(ASCEND, ASCEND_RESOURCE, "a1")
    result = run(world)
    assert condition(result, "WorkloadReady") == ("False", "NodeNotReady")
    assert "pod deepseek-a: its node a1 isn't ready" in message(result, "WorkloadReady")
    world.nodes = [ascend("a2")]
    assert "its node a1 is gone" in message(run(world), "WorkloadReady")


def test_a_model_whose_replicas_are_all_ready_has_no_trouble() -> None:
    assert condition(run(deployed(World(pods=[starting("deepseek-a")]), ready=1)), "Ready") == ("True", "ReplicasReady")


CLAIMED = {"claims": "DynamicResourceAllocation"}


def claiming(**claims: str) -> World:
    """Return a model on one H20, by a claim unless it is said otherwise."""
    return World(
        slices=[offered("h1", device("g0"))],
        models=[model(accelerators=[choice(H20, 1, **(claims or CLAIMED))])],
        nodes=[h20("h1")],
    )


def rolled(world: World, *templates: str, ready: bool = True, by: str = "", current: bool = True) -> World:
    """Add the model's Deployment, templates of claims, and its pod: of the current revision or not, ready or not."""
    (made,) = [e.manifest for e in run(world).effects if isinstance(e, Apply) and e.manifest["kind"] == "Deployment"]
    deployed(world, int(ready))
    world.children += [child("ResourceClaimTemplate", name, "treasury", model="deepseek") for name in templates]
    raw = pod("deepseek-1", "h1", model="deepseek", pins={PIN: "eligible"})
    raw["metadata"]["annotations"] = {REVISION_ANNOTATION: made["metadata"]["annotations"][REVISION_ANNOTATION]}
    if not current:
        raw["metadata"]["annotations"] = {REVISION_ANNOTATION: "another"}
    raw["spec"]["resourceClaims"] = [{"name": "devices", "resourceClaimTemplateName": by or "deepseek-new"}]
    raw["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
    world.pods.append(raw)
    return world


OLD = "ResourceClaimTemplate/treasury/deepseek-old"


def test_an_old_template_of_claims_goes_once_all_replicas_are_ready_and_no_pod_has_it() -> None:
    assert deleted(run(rolled(claiming(), "deepseek-old"))) == [OLD]


@pytest.mark.parametrize(
    ("ready", "by", "current"),
    [(False, "", True), (True, "deepseek-old", True), (True, "", False), (False, "deepseek-old", False)],
    ids=["failed", "in use", "another revision", "under way"],
)
def test_an_old_template_of_claims_stays_while_a_rollout_may_need_it(ready: bool, by: str, current: bool) -> None:
    assert deleted(run(rolled(claiming(), "deepseek-old", ready=ready, by=by, current=current))) == []


def test_an_old_template_of_claims_stays_while_there_is_no_pod_yet() -> None:
    world = rolled(claiming(), "deepseek-old")
    world.pods = []
    assert deleted(run(world)) == []


def test_a_template_that_is_anothers_is_left_alone() -> None:
    world = rolled(claiming(), "deepseek-old")
    world.children[-1]["metadata"]["ownerReferences"] = [{"uid": "somebody"}]
    assert deleted(run(world)) == []


def test_templates_go_once_the_model_asks_for_no_claims_any_more() -> None:
    assert deleted(run(rolled(claiming(claims="DevicePlugin"), "deepseek-old"))) == [OLD]
