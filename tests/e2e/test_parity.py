"""Every control's examples get the same verdict and the same words from the API server as from the offline evaluator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.admission.policy import compile_policy
from daulat.catalog import accelerators
from daulat.cel.evaluator import evaluate_all
from daulat.controls import library
from daulat.controls.library import Control, Example
from dev.cluster import ClusterError
from dev.deployment import poll
from tests.requests import EXAMPLES, IDS, manifests_of, policy_of, request_of

from .world import World, namespace_manifest, pod_manifest, unique

OBJECTS = [n for n, (c, _) in enumerate(EXAMPLES) if c.guard in ("pods", "models", "settings")]
ANNOTATIONS = [n for n, (c, _) in enumerate(EXAMPLES) if c.guard == "annotations"]
BINDINGS = [n for n, (c, _) in enumerate(EXAMPLES) if c.guard == "bindings"]
CLUSTER = [n for n, (c, _) in enumerate(EXAMPLES) if library.guards()[c.guard].scope == "cluster"]
RBAC = "rbac.authorization.k8s.io"
# What the examples' users may do, so that RBAC isn't what stops them: everything but what an example says they may.
RIGHTS = {
    "tenant": [("", "pods")],
    "system:serviceaccount:kube-system:ascend-device-plugin": [("", "pods")],
    "mallory": [("", "nodes"), ("", "nodes/status"), ("", "namespaces"), ("", "pods/binding"), ("", "bindings")],
    "zone-admin": [("", "nodes"), ("", "nodes/status"), ("daulat.dev", "sovereignzones")],
    "policy-admin": [("", "namespaces"), ("daulat.dev", "sovereigntypolicies")],
}


def _ids(numbers: list[int]) -> list[str]:
    return [IDS[n] for n in numbers]


def test_every_example_is_asked_of_the_api_server() -> None:
    assert sorted(OBJECTS + ANNOTATIONS + BINDINGS + CLUSTER) == list(range(len(EXAMPLES)))


@pytest.fixture(scope="module", autouse=True)
def users(world: World) -> None:
    """Give the examples' users their rights."""
    for user, rights in RIGHTS.items():
        name = f"parity-{user.rpartition(':')[2]}"
        rules = [{"apiGroups": [group], "resources": [resource], "verbs": ["*"]} for group, resource in rights]
        subject = {"apiGroup": RBAC, "kind": "User", "name": user}
        ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
        world.admin.apply(
            [
                {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
                {
                    "apiVersion": f"{RBAC}/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": name},
                    "roleRef": ref,
                    "subjects": [subject],
                },
            ]
        )


@pytest.fixture(scope="module")
def namespace(world: World) -> str:
    """A namespace under the very policy that the examples are written for, compiled and applied as a GitOps tool would."""
    name = unique("parity")
    spec = policy_of(EXAMPLES[0][1]).model_copy(
        update={
            "namespace_selector": policy_of(EXAMPLES[0][1]).namespace_selector.model_validate(
                {"matchLabels": {"kubernetes.io/metadata.name": name}}
            )
        }
    )
    world.admin.apply([namespace_manifest(name)])
    manifests = compile_policy("confidential", spec, accelerators.shipped()).manifests
    # Without Daulat's labels these are nobody's, so the operator leaves them alone.
    for manifest in manifests:
        manifest["metadata"].pop("labels")
    world.admin.apply(manifests)
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": name},
        "spec": {"nodeName": "x", "containers": [{"name": "c", "image": "x"}]},
    }

    def live() -> bool:
        answer = world.refusal(probe, "--dry-run=server")
        # Refused by the pods' guard, and pinned: so the mutating policy is live as well.
        return "USE-04 " in answer and "USE-01 " not in answer

    poll("the policy to be live", live)
    return name


@pytest.mark.parametrize("number", OBJECTS, ids=_ids(OBJECTS))
def test_the_api_server_says_what_the_evaluator_says(world: World, namespace: str, number: int) -> None:
    control, example = EXAMPLES[number]
    if example.setup:
        world.admin.apply(list(example.setup))
    request = request_of(control, example)
    manifest: dict[str, Any] = {**request.object, "metadata": {**request.object["metadata"], "namespace": namespace}}
    told = _told(world.refusal(manifest, "--dry-run=server"))
    assert told == ("" if example.pinned else _expected(control, example))


@pytest.mark.parametrize("number", ANNOTATIONS, ids=_ids(ANNOTATIONS))
def test_a_later_annotation_gets_the_evaluators_answer(world: World, namespace: str, number: int) -> None:
    control, example = EXAMPLES[number]
    name = unique("annotated")
    pod = pod_manifest(name, namespace, schedulingGates=[{"name": "example.my/wait"}])
    world.admin.run("create", "-f", "-", stdin=json.dumps(pod))
    patch = json.dumps(example.object)
    user = world.as_user(example.user)
    try:
        user.run("patch", "pod", name, "--namespace", namespace, "--type=merge", "-p", patch, "--dry-run=server")
        answer = ""
    except ClusterError as error:
        answer = str(error)
    assert _told(answer) == _expected(control, example)


@pytest.mark.parametrize("number", BINDINGS, ids=_ids(BINDINGS))
def test_a_binding_gets_the_evaluators_answer(world: World, namespace: str, number: int) -> None:
    control, example = EXAMPLES[number]
    name = unique("bound")
    pod = pod_manifest(name, namespace, schedulingGates=[{"name": "example.my/wait"}])
    world.admin.run("create", "-f", "-", stdin=json.dumps(pod))
    binding = {**request_of(control, example).object, "metadata": {"name": name, "namespace": namespace}}
    collection = "bindings" if example.resource == "bindings" else f"pods/{name}/binding"
    path = f"/api/v1/namespaces/{namespace}/{collection}?dryRun=All"
    answer = world.refusal(binding, "--raw", path, kubectl=world.as_user(example.user))
    if not example.violations:
        # The pod waits on purpose, so the registry objects once admission is through.
        assert "has non-empty .spec.schedulingGates" in answer
        return
    assert _told(answer) == _expected(control, example)


@pytest.mark.parametrize("number", CLUSTER, ids=_ids(CLUSTER))
def test_a_cluster_guard_gives_the_evaluators_answer(world: World, number: int) -> None:
    control, example = EXAMPLES[number]
    request = request_of(control, example)
    name = unique("guarded")
    user = world.as_user(example.user)
    if request.old_object is not None:
        world.admin.run("create", "-f", "-", stdin=json.dumps(_named(request.old_object, name)))
    verb = "create" if request.old_object is None else "replace"
    options = ["--dry-run=server"]
    if request.resource.endswith("/status"):
        options.append("--subresource=status")
    try:
        answer = world.refusal(_named(request.object, name), *options, kubectl=user, verb=verb)
        assert _told(answer) == _expected(control, example)
    finally:
        kind = request.object["kind"].lower()
        world.admin.run("delete", kind, name, "--ignore-not-found", "--wait=false")


def _named(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "name": name}}


def _expected(control: Control, example: Example) -> str:
    verdicts = evaluate_all(manifests_of(control, example), request_of(control, example))
    return " ".join(v.message for v in verdicts)


def _told(answer: str) -> str:
    _, denied, message = answer.partition(" denied request: ")
    assert not answer or denied, f"refused for another reason: {answer}"
    return message
