"""How replicas are replaced: with a spare device before the old one goes, without one after; a drain gets a replica elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.reconcile.result import EmitEvent
from daulat.workload.manifests import DEADLINE
from tests.requests import merge
from tests.unit.world import ASCEND, ASCEND_RESOURCE, IMAGE, pod

from .deployed import (
    LATE,
    NOW,
    applied,
    at,
    condition,
    cordon,
    evictable,
    rolling,
    run,
    settled,
    status,
    under_way,
    unplaced,
    without_image,
)


def test_a_change_that_requests_more_than_a_node_has_ends_nothing_that_runs() -> None:
    cluster = settled(nodes=1)
    cluster.world.nodes[0]["status"]["allocatable"]["cpu"] = "16"
    cluster.world.models[0]["spec"]["resources"] = {"requests": {"cpu": "32"}}
    cluster.world.models[0]["metadata"]["generation"] = 2
    result = run(cluster.world)
    assert rolling(result) == (1, 0)
    assert "no node there is large enough" in condition(result, "Placed")["message"]


def test_a_rollout_surges_where_a_spare_device_exists() -> None:
    cluster = settled(nodes=2)
    assert rolling(run(cluster.world)) == (0, 1)
    cluster.change()
    assert rolling(run(cluster.world)) == (1, 0)


def test_a_rollout_takes_the_old_one_first_where_there_is_no_spare_device() -> None:
    cluster = settled(nodes=1)
    cluster.change()
    assert rolling(run(cluster.world)) == (0, 1)


def test_a_surge_whose_device_others_took_becomes_one_at_a_time() -> None:
    cluster, old = under_way()
    thief = pod("thief", "a2", {ASCEND_RESOURCE: "8"})
    former, waiting = cluster.pod("p0", "a1", revision=old), cluster.pod("p1", **unplaced())
    cluster.pods(former, waiting, updated=1, ready=1)
    assert rolling(run(cluster.world)) == (1, 0), "a2 is free, so the scheduler will find it"
    cluster.world.pods.append(thief)
    assert rolling(run(cluster.world)) == (0, 1)


def test_the_strategy_doesnt_follow_what_others_do_between_rollouts() -> None:
    cluster = settled(nodes=2)
    cluster.change()
    cluster.take(run(cluster.world))
    cluster.pods(cluster.pod("p1", "a2"), updated=1, ready=1)
    cluster.take(run(cluster.world))
    assert rolling(run(cluster.world)) == (1, 0)
    cluster.world.pods.append(pod("other", "a1", {ASCEND_RESOURCE: "8"}))
    assert rolling(run(cluster.world)) == (1, 0)


def test_a_rollout_that_fails_keeps_the_old_one_and_says_so() -> None:
    cluster, old = under_way()
    broken = without_image(cluster)
    cluster.pods(cluster.pod("p0", "a1", revision=old), broken, updated=1, ready=1)
    result = run(cluster.world)
    assert condition(result, "WorkloadReady")["status"] == "True"
    failed = condition(result, "RolledOut")
    assert (failed["status"], failed["reason"]) == ("False", "RolloutFailed")
    assert failed["message"] == (
        "1 of 2 replicas run the present settings; the others go on with the former ones. Pod p1: container engine: not found"
    )
    assert condition(result, "Ready")["reason"] == "RolloutFailed"
    assert status(result)["url"]


def test_a_rollout_that_takes_too_long_has_failed() -> None:
    cluster, old = under_way()
    cluster.pods(cluster.pod("p0", "a1", revision=old), cluster.pod("p1", "a2", ready=False), updated=1, ready=1)
    assert condition(run(cluster.world), "RolledOut")["reason"] == "RollingOut"
    cluster.world.children[0]["status"] = {**cluster.counts, "conditions": [LATE]}
    failed = condition(run(cluster.world), "RolledOut")
    assert (failed["reason"], failed["message"].endswith("took too long")) == ("RolloutFailed", True)


def test_a_rollout_and_replicas_that_arent_ready_yet_are_events_that_warn_of_nothing() -> None:
    cluster = settled(nodes=2)
    cluster.change()
    begins = [(e.type, e.reason) for e in run(cluster.world).events if isinstance(e, EmitEvent)]
    assert begins == [("Normal", "RollingOut")]
    cluster, _ = under_way(nodes=1)
    cluster.pods(cluster.pod("p1", "a1", ready=False), updated=1, ready=0)
    told = {e.reason: e.type for e in run(cluster.world).events if isinstance(e, EmitEvent)}
    assert told["ReplicasPending"] == "Normal"


def test_the_history_tells_every_template_and_a_rollback() -> None:
    cluster = settled(nodes=2)
    (first,) = cluster.world.models[0]["status"]["history"]
    assert (first["revision"], first["template"], first["generation"]) == (1, cluster.wanted, 1)
    assert first["finishedAt"] == at(NOW)
    assert first["summary"] == (
        f"vllm {IMAGE} serves oci://registry.example.my/models/deepseek@sha256:{'1a' * 32} with 8 x {ASCEND} in zone cyberjaya-1"
    )
    cluster.change()
    cluster.take(run(cluster.world, NOW + 60))
    assert [e["revision"] for e in cluster.world.models[0]["status"]["history"]] == [1, 2]
    assert "finishedAt" not in cluster.world.models[0]["status"]["history"][1]
    cluster.world.models[0]["spec"]["accelerators"][0]["image"] = IMAGE
    cluster.take(run(cluster.world, NOW + 120))
    last = cluster.world.models[0]["status"]["history"][-1]
    assert (last["revision"], last["rollbackTo"], last["template"]) == (3, 1, first["template"])


@pytest.mark.parametrize(
    "change",
    [
        {"engine": {"context": 4096}},
        {"engine": {"args": ["--seed=1"]}},
        {"engine": {"gracePeriod": "90s"}},
        {"podMetadata": {"labels": {"example.com/team": "ml"}}},
        {"volumes": [{"name": "ca", "mountPath": "/mnt/ca", "configMap": {"name": "ca"}}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_revisions_that_follow_each_other_never_read_the_same(change: dict[str, Any]) -> None:
    cluster = settled(nodes=2)
    cluster.world.models[0]["spec"] = merge(cluster.world.models[0]["spec"], change)
    cluster.take(run(cluster.world, NOW + 60))
    first, second = cluster.world.models[0]["status"]["history"]
    assert first["template"] != second["template"]
    assert first["summary"] != second["summary"]


def test_the_status_says_how_many_replicas_are_ready_of_how_many() -> None:
    cluster = settled(nodes=2)
    cluster.world.models[0]["spec"]["replicas"] = 3
    assert status(run(cluster.world))["ready"] == "1/3"


def test_the_history_keeps_the_last_ten() -> None:
    cluster = settled(nodes=2)
    for n in range(12):
        cluster.world.models[0]["spec"]["accelerators"][0]["image"] = IMAGE.replace("2b", f"{n + 10}")
        cluster.take(run(cluster.world))
    kept = cluster.world.models[0]["status"]["history"]
    assert [e["revision"] for e in kept] == list(range(4, 14))


def test_more_replicas_are_no_rollout() -> None:
    cluster = settled(nodes=2)
    cluster.world.models[0]["spec"]["replicas"] = 2
    result = run(cluster.world)
    assert len(status(result)["history"]) == 1
    assert condition(result, "RolledOut")["status"] == "True"


def test_the_only_replica_gets_another_elsewhere_before_it_may_be_evicted() -> None:
    cluster = settled(nodes=2)
    assert evictable(run(cluster.world)) == 0
    cordon(cluster, "a1")
    result = run(cluster.world)
    assert (applied(result, "Deployment")["spec"]["replicas"], evictable(result)) == (2, 0)
    assert status(result)["drain"] == {"since": at(NOW), "nodes": ["a1"]}
    assert result.requeue_after == DEADLINE
    cluster.take(result)
    cluster.pods(cluster.pod("p0", "a1"), cluster.pod("p1", "a2", ready=False), updated=2, ready=1)
    loading = run(cluster.world, NOW + 600)
    assert (applied(loading, "Deployment")["spec"]["replicas"], evictable(loading)) == (2, 0)
    cluster.pods(cluster.pod("p0", "a1"), cluster.pod("p1", "a2"), updated=2, ready=2)
    ready = run(cluster.world, NOW + 900)
    assert (applied(ready, "Deployment")["spec"]["replicas"], evictable(ready)) == (2, 1)
    cluster.take(ready)
    cluster.pods(cluster.pod("p1", "a2"), cluster.pod("p2", **unplaced()), updated=2, ready=1)
    after = run(cluster.world, NOW + 960)
    assert (applied(after, "Deployment")["spec"]["replicas"], evictable(after)) == (1, 0)
    assert "drain" not in status(after)


def test_a_drain_isnt_kept_waiting_where_there_is_no_room_elsewhere() -> None:
    cluster = settled(nodes=1)
    cordon(cluster, "a1")
    result = run(cluster.world)
    assert (applied(result, "Deployment")["spec"]["replicas"], evictable(result)) == (1, 1)


def test_a_drain_isnt_kept_waiting_for_ever() -> None:
    cluster = settled(nodes=2)
    cordon(cluster, "a1")
    cluster.take(run(cluster.world))
    cluster.pods(cluster.pod("p0", "a1"), cluster.pod("p1", "a2", ready=False), updated=2, ready=1)
    late = run(cluster.world, NOW + DEADLINE)
    assert applied(late, "Deployment")["spec"]["replicas"] == 1
    assert evictable(late) == 2, "the pod that may go, beside the one that isn't ready"
    assert late.requeue_after is None


def test_of_several_replicas_all_on_drained_nodes_go_where_nothing_replaces_them() -> None:
    cluster = settled(nodes=3, replicas=3)
    assert evictable(run(cluster.world)) == 1
    cordon(cluster, "a1", "a2")
    result = run(cluster.world)
    assert evictable(result) == 1, "one at a time, as long as none is missing"
    cluster.take(result)
    waiting = cluster.pod("p3", **unplaced())
    cluster.pods(cluster.pod("p1", "a2"), cluster.pod("p2", "a3"), waiting, updated=3, ready=2)
    assert evictable(run(cluster.world)) == 2


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_pod_that_doesnt_serve_never_keeps_a_node(replicas: int) -> None:
    cluster = settled(nodes=2, replicas=replicas)
    budget = applied(run(cluster.world), "PodDisruptionBudget")["spec"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
