"""What stands beside a model's pods comes and goes with it, one autoscaler at a time, and is told wherever it isn't as asked."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.facts.platform import Platform
from daulat.kube.ref import Ref
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.result import Apply, ApplyStatus, Delete, Result
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    World,
    ascend,
    child,
    choice,
    gateway,
    model,
    pod,
    policy,
    standing,
    zone,
)

REF = Ref("SovereignModel", "treasury", "deepseek")
HPA, KEDA, ROUTE, POOL = "HorizontalPodAutoscaler", "ScaledObject", "HTTPRoute", "InferencePool"
KNOWN = Platform(prometheus="http://prometheus.monitoring.svc:9090", wake_query="sum(requests)")
BARE = ("ScaledObject", "HTTPRoute", "InferencePool", "PodMonitor", "Gateway")
"""What a cluster with nothing installed doesn't know."""
STANDS = standing(ASCEND, ASCEND_RESOURCE, "a1", "a2")


def run(world: World) -> Result:
    return reconcile_model(REF, world.snapshot(), 1_800_000_000.0)


def scaled(replicas: int = 1, status: dict[str, Any] | None = None, **autoscaling: Any) -> dict[str, Any]:
    asked = {"maxReplicas": 9, "target": 5, **autoscaling}
    return model(autoscaling=asked, replicas=replicas, accelerators=[choice(ASCEND, 4)], status=status)


def exposed(**exposure: Any) -> World:
    """Return a world in which nothing stands in the way of a route."""
    return World(
        models=[model(exposure={"gateway": "internal", "hostnames": ["deepseek.example.my"], **exposure})],
        policies=[policy(exposure={"gatewayClasses": ["internal"]})],
        zones=[zone(gatewayClasses=["internal"])],
        gateways=[gateway()],
    )


def applied(result: Result) -> list[str]:
    return [e.manifest["kind"] for e in result.effects if isinstance(e, Apply)]


def deleted(result: Result) -> list[str]:
    return [e.ref.kind for e in result.effects if isinstance(e, Delete)]


def condition(result: Result, type_: str) -> tuple[str, str, str]:
    (status,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    found = next(c for c in status["conditions"] if c["type"] == type_)
    return found["status"], found["reason"], found["message"]


def status(result: Result) -> dict[str, Any]:
    (found,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return found


def of(kind: str, **more: Any) -> dict[str, Any]:
    return child(kind, "deepseek", "treasury", model="deepseek", **more)


def taken(message: str = "") -> dict[str, Any]:
    """Return the status of a route that a Gateway has taken, or refused for a reason."""
    accepted = {"type": "Accepted", "status": "False" if message else "True", "message": message}
    resolved = {"type": "ResolvedRefs", "status": "True"}
    return {"parents": [{"conditions": [{**c, "observedGeneration": 1} for c in (accepted, resolved)]}]}


def test_a_model_that_asks_for_nothing_beside_its_pods_has_nothing_and_says_nothing() -> None:
    result = run(World())
    assert not {HPA, KEDA, ROUTE, POOL, "PodMonitor"} & set(applied(result))
    assert not {"Autoscaled", "Exposed"} & {c["type"] for c in status(result)["conditions"]}
    assert "externalUrl" not in status(result)


def test_an_autoscaler_comes_after_the_pods_and_says_that_it_scales() -> None:
    result = run(World(models=[scaled()], unserved=BARE))
    assert applied(result)[-1] == HPA
    assert condition(result, "Autoscaled")[:2] == ("Unknown", "AutoscalerPending")
    works = {"conditions": [{"type": t, "status": "True"} for t in ("AbleToScale", "ScalingActive", "ScalingLimited")]}
    result = run(World(models=[scaled()], children=[of(HPA, status=works)], unserved=BARE))
    assert condition(result, "Autoscaled") == (
        "True",
        "ScalingActive",
        "1 to 9 replicas by vllm_num_requests_waiting, with a HorizontalPodAutoscaler",
    )


def test_what_an_autoscaler_says_against_itself_is_told() -> None:
    fails = {"type": "ScalingActive", "status": "False", "message": "no metrics returned from custom metrics API"}
    result = run(World(models=[scaled()], children=[of(HPA, status={"conditions": [fails]})], unserved=BARE))
    assert condition(result, "Autoscaled") == (
        "False",
        "AutoscalerFailed",
        "HorizontalPodAutoscaler: no metrics returned from custom metrics API",
    )


@pytest.mark.parametrize(("old", "platform", "unserved"), [(HPA, KNOWN, ()), (KEDA, Platform(), BARE[1:])])
def test_one_autoscaler_goes_before_the_other_comes(old: str, platform: Platform, unserved: tuple[str, ...]) -> None:
    new = KEDA if old == HPA else HPA
    world = World(models=[scaled()], children=[of(old)], platform=platform, unserved=unserved)
    result = run(world)
    assert (new in applied(result), deleted(result)) == (False, [old])
    assert condition(result, "Autoscaled")[:2] == ("False", "AutoscalerMigrating")
    # KEDA's finalizer holds it: it isn't deleted again, and nothing takes its place yet.
    world.children[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    result = run(world)
    assert (new in applied(result), deleted(result)) == (False, [])
    world.children = []
    assert new in applied(run(world))


def test_without_keda_a_model_that_wanted_to_sleep_stays_awake_and_says_so() -> None:
    """The ScaledObjects went with their CRD."""
    world = World(models=[scaled(minReplicas=0)], children=[of(KEDA)], platform=KNOWN, unserved=BARE)
    result = run(world)
    assert (HPA in applied(result), deleted(result)) == (True, [])
    assert condition(result, "Autoscaled")[:2] == ("False", "ScaleToZeroUnavailable")


@pytest.mark.parametrize("asked", [{}, {"autoscaling": {"maxReplicas": 2, "target": 1}}])
def test_what_is_asked_for_no_more_goes(asked: dict[str, Any]) -> None:
    result = run(World(models=[model(**asked)], children=[of(k) for k in (HPA, ROUTE, POOL, "PodMonitor")]))
    kept = {HPA} if asked else set()
    assert set(deleted(result)) == {HPA, ROUTE, POOL, "PodMonitor"} - kept


def test_what_somebody_else_made_under_the_models_name_stays() -> None:
    raw = of(ROUTE)
    raw["metadata"]["ownerReferences"] = [{"uid": "somebody"}]
    assert deleted(run(World(children=[raw]))) == []


def test_a_model_that_is_stopped_loses_its_route_and_its_autoscaler() -> None:
    world = World(children=[of(k) for k in (HPA, ROUTE, POOL)], policies=[policy(models={"licenses": ["Apache-2.0"]})])
    assert set(deleted(run(world))) == {HPA, ROUTE, POOL}


def test_where_nothing_is_decided_nothing_goes() -> None:
    world = exposed()
    world.children = [of(ROUTE)]
    world.policies.append(policy("broken", zones={"countries": ["nowhere"]}))
    result = run(world)
    assert (applied(result), deleted(result)) == ([], [])
    assert condition(result, "Exposed")[:2] == ("Unknown", "WaitingForPlacement")


def test_replicas_beyond_what_fits_wait_in_the_chosen_zone_and_move_nothing() -> None:
    """Two nodes of eight devices have room for four replicas of four. The zone next door has plenty."""
    world = World(
        zones=[zone(), zone("johor-1")],
        nodes=[ascend("a1"), ascend("a2"), *(ascend(f"j{n}", "johor-1") for n in range(9))],
        models=[scaled(9, STANDS)],
        pods=[pod("p0", "a1", {ASCEND_RESOURCE: "4"}, "deepseek")],
        unserved=BARE,
    )
    result = run(world)
    assert status(result)["placement"]["zone"] == "cyberjaya-1"
    assert condition(result, "Autoscaled") == (
        "False",
        "ExceedsCapacity",
        "9 replicas are requested, and zone cyberjaya-1 has room for 4 on huawei-ascend-910b: the others stay pending "
        "there and don't run in another zone",
    )
    (deployment,) = [e.manifest for e in result.effects if isinstance(e, Apply) and e.manifest["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 9
    selector = deployment["spec"]["template"]["spec"]["nodeSelector"]
    assert selector["daulat.node-restriction.kubernetes.io/zone"] == "cyberjaya-1"


def test_a_model_whose_pods_have_all_gone_stays_although_more_is_asked_for_than_fits() -> None:
    """After a node is lost no pod has a node for a moment: that mustn't stop a model whose autoscaler asks for much."""
    world = World(nodes=[ascend("a1"), ascend("a2")], models=[scaled(9, STANDS)], unserved=BARE)
    result = run(world)
    assert status(result)["placement"]["zone"] == "cyberjaya-1"
    assert "Deployment" in applied(result)
    unscaled = World(nodes=[ascend("a1"), ascend("a2")], models=[model(replicas=9, status=STANDS)])
    assert condition(run(unscaled), "Placed")[:2] == ("False", "InsufficientDevices")


def test_a_models_least_replicas_must_find_room_before_it_is_placed() -> None:
    world = World(nodes=[ascend("a1")], models=[scaled(9, minReplicas=3)], unserved=BARE)
    assert condition(run(world), "Placed")[:2] == ("False", "InsufficientDevices")
    world = World(nodes=[ascend("a1")], models=[scaled(9, minReplicas=2)], unserved=BARE)
    assert condition(run(world), "Placed")[:2] == ("True", "PlacementChosen")


def test_no_replica_goes_while_one_that_has_its_devices_loads() -> None:
    def policy_of(pods: list[dict[str, Any]]) -> str:
        result = run(World(models=[scaled(2, STANDS)], pods=pods, unserved=BARE))
        (made,) = [e.manifest for e in result.effects if isinstance(e, Apply) and e.manifest["kind"] == HPA]
        return str(made["spec"]["behavior"]["scaleDown"]["selectPolicy"])

    loads = pod("p0", "a1", {ASCEND_RESOURCE: "4"}, "deepseek")
    serves = {**loads, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    waits = pod("p1", "", {ASCEND_RESOURCE: "4"}, "deepseek")
    crashing = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "name": "engine", "restartCount": 9}
    crashes = {**loads, "status": {"phase": "Running", "containerStatuses": [crashing]}}
    assert policy_of([loads]) == "Disabled"
    assert policy_of([serves]) == "Max"
    # One that waits for room is what should go, and one that crashes never comes.
    assert policy_of([waits]) == "Max"
    assert policy_of([crashes]) == "Max"


def test_a_route_is_told_as_its_gateway_takes_it() -> None:
    world = exposed()
    result = run(world)
    assert applied(result)[-1] == ROUTE
    assert condition(result, "Exposed")[:2] == ("Unknown", "RoutePending")
    assert "externalUrl" not in status(result)
    world.children = [of(ROUTE, status=taken())]
    assert condition(run(world), "Exposed") == ("True", "RouteAccepted", "by https://deepseek.example.my/v1")
    assert status(run(world))["externalUrl"] == "https://deepseek.example.my/v1"
    world.children = [of(ROUTE, status=taken("no listener allows it"))]
    assert condition(run(world), "Exposed") == ("False", "RouteNotAccepted", "no listener allows it")


def test_what_a_gateway_said_of_an_older_route_counts_no_more() -> None:
    world = exposed()
    raw = of(ROUTE, status=taken())
    raw["metadata"]["generation"] = 2
    world.children = [raw]
    assert condition(run(world), "Exposed")[:2] == ("Unknown", "RoutePending")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"zones": [zone()]}, "GatewayClassNotInZone"),
        ({"policies": [policy()]}, "GatewayClassNotApproved"),
        ({"gateways": [gateway(class_="public")]}, "GatewayClassNotApproved"),
        ({"gateways": []}, "GatewayNotFound"),
        ({"unserved": BARE}, "CRDNotInstalled"),
    ],
)
def test_a_route_that_may_be_no_more_is_taken_away(change: dict[str, Any], reason: str) -> None:
    world = exposed()
    for name, value in change.items():
        setattr(world, name, value)
    if "unserved" not in change:
        world.children = [of(ROUTE, status=taken())]
    result = run(world)
    assert deleted(result) == [ROUTE] * len(world.children)
    # Not among what is swept: that doesn't happen where the API server refuses any of the rest.
    assert [e.ref.kind for e in result.evict] == [ROUTE] * len(world.children)
    assert ROUTE not in applied(result)
    assert condition(result, "Exposed")[:2] == ("False", reason)
    assert "externalUrl" not in status(result)


def test_a_gateway_that_changes_concerns_the_models_that_it_leads_to() -> None:
    world = exposed()
    world.models += [model("plain"), model("elsewhere", "other", exposure={"gateway": "internal"})]
    assert world.woken("Gateway", gateway(class_="other")) == [REF]


def test_pod_monitors_are_made_where_the_cluster_knows_them_and_somebody_may_read() -> None:
    read = policy(monitoring={"allow": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]})
    assert "PodMonitor" in applied(run(World(policies=[read])))
    assert "PodMonitor" not in applied(run(World(policies=[read], unserved=BARE)))


def test_nothing_is_written_where_nothing_changed() -> None:
    world = exposed()
    world.models[0]["spec"]["autoscaling"] = {"maxReplicas": 2, "target": 1}
    world.with_status_of(run(world).effects)
    assert not [e for e in run(world).effects if isinstance(e, ApplyStatus)]


def test_a_queue_and_a_priority_pass_through() -> None:
    result = run(World(models=[model(queueName="inference", priorityClassName="batch")]))
    for manifest in (e.manifest for e in result.effects if isinstance(e, Apply)):
        queued = manifest["metadata"]["labels"].get("kueue.x-k8s.io/queue-name")
        assert queued == ("inference" if manifest["kind"] == "Deployment" else None)
    (deployment,) = [e.manifest for e in result.effects if isinstance(e, Apply) and e.manifest["kind"] == "Deployment"]
    assert deployment["spec"]["template"]["spec"]["priorityClassName"] == "batch"
