"""What holds while the operator is gone or the API server restarts: no violating pod, and work goes on afterwards."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from daulat.admission.policy import compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators
from daulat.workload.network import DEFAULT_DENY
from dev.cluster import ClusterError
from dev.deployment import NAMESPACE, OperatorProcess, poll

from .test_admission import Stream
from .world import (
    World,
    lower,
    model_manifest,
    namespace_manifest,
    pod_manifest,
    policy_manifest,
    raise_world,
    unique,
)

PREFIX = "daulat.node-restriction.kubernetes.io/"


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster for the tests here, which stop and kill its parts. Expressions are type checked, as in clusters of users."""
    directory = tmp_path_factory.mktemp("operator")
    raised = raise_world(unique("fragile"), directory, say=lambda line: None, controller_args=())
    yield raised
    lower(raised)


@pytest.fixture
def breakable(fragile: World) -> World:
    """That cluster with its operator leading, whatever an earlier test did."""
    if not fragile.operator.pid:
        fragile.operator.start()
    poll("the operator to lead", lambda: fragile.metric(fragile.operator, "daulat_leader") == 1)
    return fragile


def test_the_api_server_has_no_warning_about_an_expression_of_a_policy(breakable: World) -> None:
    world = breakable
    policy, _ = world.govern()
    advice = f"{policy}.advice.daulat.dev"
    poll("the policy that advises", lambda: world.exists("validatingadmissionpolicy", advice))
    compiled = [f"{policy}.", "cluster.daulat.dev"]

    def statuses() -> dict[str, dict[str, Any]]:
        items = world.get("validatingadmissionpolicies")["items"]
        names = [i for i in items if any(part in i["metadata"]["name"] for part in compiled)]
        return {i["metadata"]["name"]: i.get("status", {}) for i in names}

    poll("all expressions to be type checked", lambda: all("typeChecking" in s for s in statuses().values()))
    assert {n: w for n, s in statuses().items() if (w := s["typeChecking"].get("expressionWarnings"))} == {}
    assert advice in statuses()


def test_with_the_operator_stopped_pods_are_still_refused_admitted_and_pinned(breakable: World) -> None:
    world = breakable
    policy, namespace = world.govern()
    world.operator.kill()
    for spec, says in (
        ({"nodeName": "sg-gpu-1"}, "USE-04 "),
        ({"containers": [{"name": "main", "image": "registry.example.com/x"}]}, "STO-07 "),
    ):
        assert says in world.refusal(pod_manifest("bad", namespace, **spec))
    assert world.refusal(pod_manifest("good", namespace)) == ""
    poll("the pod on a node", lambda: bool(world.get("pod", "good", namespace=namespace)["spec"].get("nodeName")))
    spec = world.get("pod", "good", namespace=namespace)["spec"]
    assert spec["nodeSelector"] == {PREFIX + policy: "eligible"}
    assert world.get("node", spec["nodeName"])["metadata"]["labels"][PREFIX + "site"] == "cyberjaya-1"
    # A model waits until the operator is back: nothing runs in the meantime that nobody has judged.
    world.admin.apply([model_manifest("m", namespace)])
    # The guard of namespaces needs nobody either.
    mallory = world.grant(
        unique("mallory"), {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch"]}
    )
    patch = {"metadata": {"name": namespace, "labels": {"daulat.dev/scope": None}}}
    with pytest.raises(ClusterError, match="MGD-13"):
        mallory.run("patch", "namespace", namespace, "--type=merge", f"--patch={json.dumps(patch)}")

    # What happens to the record meanwhile is caught up with: another policy, an edit, a deletion.
    late = unique("late")
    world.admin.apply([policy_manifest(late), policy_manifest(policy, controls={"SUP-01": "Warn"})])
    assert not world.exists("deployment", "m", namespace)
    world.operator.start()
    world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    poll(
        "the edit to be in force",
        lambda: world.exists("validatingadmissionpolicy", f"{policy}.pods.warn.daulat.dev"),
    )
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    world.remove(namespace, policy, late)


def _refused_again(streams: list[Stream], before: list[int]) -> None:
    poll(
        "every stream to be refused again",
        lambda: all(s.refused > count + 5 for s, count in zip(streams, before, strict=True)),
    )


def test_no_violating_pod_slips_in_while_the_api_server_restarts(breakable: World) -> None:
    world = breakable
    policy, namespace = world.govern()
    world.admin.apply([model_manifest("m", namespace)])
    world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    pods = [p["metadata"]["uid"] for p in world.pods(namespace)]
    pid = world.operator.pid
    streams = [Stream(world, policy, namespace) for _ in range(3)]
    with streams[0], streams[1], streams[2]:
        for kill in (True, False):
            before = [s.refused for s in streams]
            world.cluster.restart_apiserver(kill=kill)
            _refused_again(streams, before)
    assert [s.let_in for s in streams] == [[], [], []]
    # An answer may have been lost; a pod would be there.
    assert not [p for p in world.pods(namespace) if p["metadata"]["name"].startswith("bad-")]
    assert all(s.unanswered for s in streams), "the API server was never away"
    # The operator went through all of that as one process, and hears what happens next.
    assert world.operator.pid == pid
    revision = world.get("sovereigntypolicy", policy)["status"]["revision"]
    world.admin.apply([policy_manifest(policy, controls={"SUP-01": "Warn"})])
    poll("a new revision", lambda: world.get("sovereigntypolicy", policy)["status"]["revision"] != revision)
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    world.admin.apply([model_manifest("n", namespace)])
    world.wait_condition("sovereignmodel", "n", "Ready", "True", namespace)
    world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    assert set(pods) <= {p["metadata"]["uid"] for p in world.pods(namespace)}
    world.remove(namespace, policy)


@pytest.fixture
def second(breakable: World) -> Iterator[OperatorProcess]:
    """One more operator on the cluster; not started yet."""
    operator = OperatorProcess(breakable.cluster, breakable.operator.log.parent, "operator-1")
    yield operator
    operator.stop(signal.SIGKILL)


def _holder(world: World) -> str:
    lease = world.get("lease", "daulat-operator", namespace=NAMESPACE)
    return str(lease["spec"].get("holderIdentity"))


def test_one_of_two_operators_leads_and_the_other_takes_over(breakable: World, second: OperatorProcess) -> None:
    world, first = breakable, breakable.operator
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
    assert first.stop() == 0
    assert _holder(world) != "operator-0", "a leader that ends gives its lease up"
    poll("the second to lead", lambda: world.metric(second, "daulat_leader") == 1)
    assert _holder(world) == "operator-1"
    first.start()
    assert world.metric(first, "daulat_leader") == 0

    # Ended without a chance to hand over, its lease must run out first.
    second.kill()
    world.admin.apply([policy_manifest(policy, controls={"SUP-01": "Warn"})])
    poll("the first to lead again", lambda: world.metric(first, "daulat_leader") == 1)
    assert _holder(world) == "operator-0"
    generation = world.get("sovereigntypolicy", policy)["metadata"]["generation"]
    poll(
        "the edit to be enforced",
        lambda: world.condition("sovereigntypolicy", policy, "Enforced").get("observedGeneration") == generation,
    )
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    after = world.get("replicasets", namespace=namespace)["items"]
    assert [r["metadata"]["uid"] for r in after] == [r["metadata"]["uid"] for r in revisions]
    world.remove(namespace, policy)


def test_an_operator_killed_at_any_moment_loses_nothing_and_leaves_nothing_over(breakable: World) -> None:
    world, operator = breakable, breakable.operator
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
        poll("the operator to write", lambda: written() - start >= writes or not operator.pid, pause=0.005)
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
        poll("the operator to lead", lambda: world.metric(operator, "daulat_leader") == 1)
        world.admin.apply(step)
        killed_after(chance.randint(1, 6))
    # What is deleted while nobody watches is swept up too.
    poll("the operator to lead", lambda: world.metric(operator, "daulat_leader") == 1)
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
        )
        for n in range(2):
            world.wait_condition("sovereignmodel", f"m{n}", "Ready", "True", spaces[policy])
    poll("what the deleted policy left to go", lambda: not _compiled(world, gone))
    for policy in policies:
        spec = SovereigntyPolicySpec.model_validate(world.get("sovereigntypolicy", policy)["spec"])
        wanted = compile_policy(policy, spec, accelerators.shipped()).manifests
        found = [name.partition("/")[2] for name in _compiled(world, policy)]
        assert sorted(found) == sorted(m["metadata"]["name"] for m in wanted)
        expected = {"m0", "m1"} | ({"before"} if policy == policies[0] else set())
        for kind in ("deployments", "services", "networkpolicies"):
            rendered = world.get(kind, namespace=spaces[policy])["items"]
            shared = {DEFAULT_DENY} if kind == "networkpolicies" else set()
            assert {o["metadata"]["name"] for o in rendered} == expected | shared
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
    for policy in policies:
        world.remove(spaces[policy], policy)


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
