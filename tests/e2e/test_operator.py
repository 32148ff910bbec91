"""The operator as a process: what it logs, who leads, and what a restart at any moment leaves behind."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dev.deployment import NAMESPACE, OperatorProcess, poll

from .world import World, model_manifest, namespace_manifest, policy_manifest, unique


@pytest.fixture
def second(own_world: World) -> Iterator[OperatorProcess]:
    """One more operator on the cluster; not started yet."""
    operator = OperatorProcess(own_world.cluster, own_world.operator.log.parent, "operator-1")
    yield operator
    operator.stop(signal.SIGKILL)


def _holder(world: World) -> str:
    lease = world.get("lease", "daulat-operator", namespace=NAMESPACE)
    return str(lease["spec"].get("holderIdentity"))


def test_one_of_two_operators_leads_and_the_other_takes_over(own_world: World, second: OperatorProcess) -> None:
    world, first = own_world, own_world.operator
    poll("the first to lead", lambda: world.metric(first, "daulat_leader") == 1)
    second.start()
    policy, namespace = world.govern()
    world.admin.apply([model_manifest("m", namespace)])
    world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    revisions = world.get("replicasets", namespace=namespace)["items"]
    assert (world.metric(first, "daulat_leader"), world.metric(second, "daulat_leader")) == (1, 0)
    assert _holder(world) == "operator-0"
    # The one that stands by has the facts, and wrote nothing.
    assert world.metric(second, "daulat_facts_synced") == 1
    assert world.metric(second, "daulat_watch_events_total") > 0
    assert world.metric(second, "daulat_effects_total") == 0

    # Asked to end, the leader hands over at once.
    began = time.monotonic()
    assert first.stop() == 0
    poll("the second to lead", lambda: world.metric(second, "daulat_leader") == 1, 10)
    assert _holder(world) == "operator-1"
    assert time.monotonic() - began < 10
    first.start()
    assert world.metric(first, "daulat_leader") == 0

    # Ended without a chance to hand over, its lease must run out first.
    began = time.monotonic()
    second.kill()
    world.admin.apply([policy_manifest(policy, controls={"SUP-01": "Warn"})])
    poll("the first to lead again", lambda: world.metric(first, "daulat_leader") == 1, 30)
    assert time.monotonic() - began < 30
    assert _holder(world) == "operator-0"
    generation = world.get("sovereigntypolicy", policy)["metadata"]["generation"]
    poll(
        "the edit to be enforced",
        lambda: world.condition("sovereigntypolicy", policy, "Enforced").get("observedGeneration") == generation,
    )
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    after = world.get("replicasets", namespace=namespace)["items"]
    assert [r["metadata"]["uid"] for r in after] == [r["metadata"]["uid"] for r in revisions]


def test_an_operator_killed_at_any_moment_loses_nothing_and_leaves_nothing_over(own_world: World) -> None:
    world, operator = own_world, own_world.operator
    chance = random.Random(20)
    policies = [unique("pol") for _ in range(3)]
    spaces = {policy: f"ns-{policy}" for policy in policies}
    # A model that was there before must not have a single pod rolled by what follows.
    world.admin.apply(
        [
            *(namespace_manifest(spaces[p], p) for p in policies),
            policy_manifest(policies[0]),
            model_manifest("before", spaces[policies[0]]),
        ]
    )
    world.wait_condition("sovereignmodel", "before", "Ready", "True", spaces[policies[0]])
    before = _uids(world, "replicasets,pods", spaces[policies[0]])

    def written() -> float:
        return world.metric(operator, "daulat_effects_total")

    def killed_after(writes: int) -> None:
        start = written()
        poll("the operator to write", lambda: written() - start >= writes or not operator.pid, 30, pause=0.005)
        operator.kill()
        operator.start()

    work: list[list[dict[str, Any]]] = [
        [policy_manifest(p) for p in policies[1:]],
        [model_manifest(f"m{n}", spaces[p]) for p in policies for n in range(2)],
        [policy_manifest(p, controls={"SUP-01": "Warn"}) for p in policies],
        [policy_manifest(policies[2], controls={"SUP-01": "Warn", "STO-07": "Audit"})],
    ]
    for step in work:
        # It has the name of the one that was killed, as in a StatefulSet, and so the lease.
        poll("the operator to lead", lambda: world.metric(operator, "daulat_leader") == 1, 30)
        world.admin.apply(step)
        killed_after(chance.randint(1, 6))
    # What is deleted while nobody watches is swept up too.
    poll("the operator to lead", lambda: world.metric(operator, "daulat_leader") == 1, 30)
    operator.kill()
    gone = policies.pop(1)
    world.remove(spaces[gone])
    world.admin.run("delete", "sovereigntypolicy", gone)
    operator.start()

    for policy in policies:
        generation = world.get("sovereigntypolicy", policy)["metadata"]["generation"]
        poll(
            "the policy's last edit to be enforced",
            lambda p=policy, g=generation: (  # type: ignore[misc]
                (told := world.condition("sovereigntypolicy", p, "Enforced")).get("observedGeneration") == g
                and told["status"] == "True"
            ),
            60,
        )
        for n in range(2):
            world.wait_condition("sovereignmodel", f"m{n}", "Ready", "True", spaces[policy], 60)
    poll("what the deleted policy left to go", lambda: not _compiled(world, gone))
    for policy in policies:
        names = _compiled(world, policy)
        # Each once: the pin, and a guard an action.
        assert len(names) == len(set(names))
        assert f"mutatingadmissionpolicy.admissionregistration.k8s.io/{policy}.pin.daulat.dev" in names
        expected = {"m0", "m1"} | ({"before"} if policy == policies[0] else set())
        for kind in ("deployments", "services", "networkpolicies"):
            found = world.get(kind, namespace=spaces[policy])["items"]
            assert {o["metadata"]["name"] for o in found} == expected
        sets = world.get("replicasets", namespace=spaces[policy])["items"]
        assert sorted(s["metadata"]["ownerReferences"][0]["name"] for s in sets) == sorted(expected)
    # One more restart with nothing to do writes no workload and rolls no pod.
    after = _uids(world, "replicasets,pods", spaces[policies[0]])
    assert before.items() <= after.items()
    generations = _generations(world)
    assert operator.stop() == 0
    operator.start()
    # Models come last, so by then it has looked at everything.
    passes, models = "daulat_reconcile_total", 2 * len(policies) + 1
    poll("every model to be looked at", lambda: world.metric(operator, passes, '"SovereignModel"') >= models)
    assert _generations(world) == generations
    assert _uids(world, "replicasets,pods", spaces[policies[0]]) == after


def _uids(world: World, kinds: str, namespace: str) -> dict[str, str]:
    found = world.get(kinds, namespace=namespace)["items"]
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["uid"] for o in found}


def _generations(world: World) -> dict[str, int]:
    kinds = "deployments,networkpolicies,validatingadmissionpolicies,mutatingadmissionpolicies"
    found = json.loads(world.admin.run("get", kinds, "-A", "-o", "json"))["items"]
    return {o["metadata"]["uid"]: o["metadata"]["generation"] for o in found}


def _compiled(world: World, policy: str) -> list[str]:
    verbs, ends = ("validating", "mutating"), ("ies", "ybindings")
    kinds = ",".join(f"{verb}admissionpolic{end}" for verb in verbs for end in ends)
    return world.admin.run("get", kinds, "-l", f"daulat.dev/policy={policy}", "-o", "name").split()


def test_the_log_is_json_and_tells_no_secret(world: World) -> None:
    secret, value = unique("s3cr3t-of-a-secret"), unique("s3cr3t-of-a-model")
    with world.governed() as (_, namespace):
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": namespace}}
        world.admin.apply([{**head, "stringData": {"token": secret}}])
        manifest = model_manifest("m", namespace)
        for choice in manifest["spec"]["accelerators"]:
            choice["env"] = {"MY_TOKEN": value}
        world.admin.apply([manifest])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        pods = world.pods(namespace)
        assert {"name": "MY_TOKEN", "value": value} in pods[0]["spec"]["containers"][0]["env"]
        # The log speaks of the model, so its silence about the value means something.
        assert any(namespace in json.dumps(line) for line in world.operator.lines())
    text = world.operator.log.read_text()
    assert secret not in text
    assert value not in text
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in world.operator.lines())
    assert not [line for line in world.operator.lines() if line["level"] in ("ERROR", "CRITICAL")]


def test_the_log_stays_free_of_secrets_when_the_workload_is_refused(world: World) -> None:
    value = unique("s3cr3t-of-a-model")
    with world.governed() as (_, namespace):
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": namespace}}
        world.admin.apply([{**quota, "spec": {"hard": {"count/deployments.apps": "0"}}}])
        poll(
            "the quota to be counted",
            lambda: "hard" in world.get("quota", "none", namespace=namespace).get("status", {}),
        )
        manifest = model_manifest("m", namespace)
        for choice in manifest["spec"]["accelerators"]:
            choice["env"] = {"MY_TOKEN": value}
        world.admin.apply([manifest])
        poll(
            "the refusal to be told",
            lambda: world.condition("sovereignmodel", "m", "WorkloadReady", namespace).get("reason") == "ApplyFailed",
        )
    text = world.operator.log.read_text()
    assert "exceeded quota: none" in text
    assert value not in text
