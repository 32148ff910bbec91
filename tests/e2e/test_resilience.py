"""What holds while the operator is gone or the API server restarts: no violating pod, and work goes on afterwards."""

from __future__ import annotations

import json

import pytest

from dev.cluster import ClusterError
from dev.deployment import poll

from .test_admission import Stream
from .world import World, model_manifest, pod_manifest, policy_manifest, unique

PREFIX = "daulat.node-restriction.kubernetes.io/"


def test_with_the_operator_stopped_pods_are_still_refused_admitted_and_pinned(own_world: World) -> None:
    world = own_world
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
    patch = {"metadata": {"name": namespace, "labels": {"daulat.dev/data-class": None}}}
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


def test_no_violating_pod_slips_in_while_the_api_server_restarts(own_world: World) -> None:
    world = own_world
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
            poll(
                "every stream to be refused again",
                lambda b=before: all(s.refused > n + 5 for s, n in zip(streams, b, strict=True)),
            )  # type: ignore[misc]
    assert [s.let_in for s in streams] == [[], [], []]
    # An answer may have been lost; a pod would be there.
    assert not [p for p in world.pods(namespace) if p["metadata"]["name"].startswith("bad-")]
    assert all(s.unanswered for s in streams), "the API server was never away"
    # The operator went through all of that as one process, and hears what happens next.
    assert world.operator.pid == pid
    revision = world.get("sovereigntypolicy", policy)["status"]["revision"]
    world.admin.apply([policy_manifest(policy, controls={"SUP-01": "Warn"})])
    poll("a new revision", lambda: world.get("sovereigntypolicy", policy)["status"]["revision"] != revision, 60)
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    world.admin.apply([model_manifest("n", namespace)])
    world.wait_condition("sovereignmodel", "n", "Ready", "True", namespace)
    world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    assert set(pods) <= {p["metadata"]["uid"] for p in world.pods(namespace)}
