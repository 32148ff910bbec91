"""The cluster's guards know the operator by where and as what it is installed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.admission.cluster import Installation, cluster_name, compile_cluster_guards
from daulat.cel.evaluator import Request, Verdict, evaluate
from daulat.controls import library

DIGEST = "sha256:" + "1a" * 32
TAGGED = Installation("sovereign", "keeper", "registry.example.my/daulat:1.0", ("registry.example.my/proxy:2",))
BY_DIGEST = Installation("sovereign", "keeper", f"registry.example.my/daulat@{DIGEST}")


def guard(name: str, installation: Installation = TAGGED, kind: str = "ValidatingAdmissionPolicy") -> dict[str, Any]:
    found = [m for m in compile_cluster_guards(installation) if m["kind"] == kind]
    return next(m for m in found if m["metadata"]["name"] == cluster_name(name))


def pod(*images: str, account: str = "keeper", **container: Any) -> Request:
    containers = [{"name": f"c{n}", "image": image, **container} for n, image in enumerate(images)]
    spec = {"serviceAccountName": account, "containers": containers}
    return Request(object={"metadata": {"name": "p"}, "spec": spec}, namespace="sovereign")


def software(request: Request, installation: Installation = TAGGED) -> Verdict:
    return evaluate(guard("software", installation), request)


def test_the_same_installation_compiles_to_the_same_bytes() -> None:
    assert json.dumps(compile_cluster_guards(TAGGED)) == json.dumps(compile_cluster_guards(TAGGED))


def test_only_the_operators_own_guards_are_kept_to_its_namespace() -> None:
    for one in library.guards().values():
        if one.scope == "cluster":
            binding = guard(one.guard, kind="ValidatingAdmissionPolicyBinding")
            where = binding["spec"]["matchResources"]["namespaceSelector"]
            own = {"matchLabels": {"kubernetes.io/metadata.name": "sovereign"}}
            assert where == (own if one.operator_namespace else {})


@pytest.mark.parametrize("image", ["registry.example.my/daulat:1.0", f"registry.example.my/daulat:1.0@{DIGEST}"])
def test_the_operator_runs_the_releases_image(image: str) -> None:
    assert software(pod(image, "registry.example.my/proxy:2")).allowed


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.my/daulat:1.0.1",
        "registry.example.my/daulat:1.0-evil",
        f"registry.example.my/daulat@{DIGEST}",
        "registry.example.my/tools:1",
        "",
    ],
)
def test_the_operator_runs_no_other_image(image: str) -> None:
    assert software(pod(image)).violations[0].startswith('MGD-08 spec.containers["c0"].image')
    assert software(pod(image, account="default")).allowed


def test_a_release_by_digest_runs_that_digest_alone() -> None:
    assert software(pod(BY_DIGEST.image), BY_DIGEST).allowed
    assert not software(pod(f"{BY_DIGEST.image}@{DIGEST}"), BY_DIGEST).allowed
    assert not software(pod(f"registry.example.my/daulat@sha256:{'2b' * 32}"), BY_DIGEST).allowed


def test_the_releases_image_runs_its_own_program() -> None:
    found = software(pod(TAGGED.image, command=["python3", "-c", "pass"]))
    assert found.violations[0].startswith('MGD-08 spec.containers["c0"].command: "python3"')
    assert software(pod(TAGGED.image, command=[], args=["operator"])).allowed


def test_a_taint_of_record_with_several_effects_is_told_once() -> None:
    effects = [{"key": "daulat.dev/held", "effect": effect} for effect in ("NoSchedule", "NoExecute")]
    nodes = [{"metadata": {"name": "n"}, "spec": {"taints": taints}} for taints in (effects, [])]
    request = Request(nodes[1], nodes[0], operation="UPDATE", resource="nodes", user="mallory")
    (told,) = evaluate(guard("nodes"), request).violations
    assert told.startswith('MGD-02 spec.taints["daulat.dev/held"]')


def test_a_heartbeat_never_gets_to_the_authorizer() -> None:
    """The first condition that doesn't hold ends it, and the costly one stands last."""
    conditions = [c["expression"] for c in guard("capacity")["spec"]["matchConditions"]]
    assert ["authorizer" in c for c in conditions] == [False, False, True]


def test_no_guard_asks_the_authorizer_where_a_message_is_made() -> None:
    for manifest in compile_cluster_guards(TAGGED):
        assert "authorizer" not in json.dumps(manifest["spec"].get("variables", []))
