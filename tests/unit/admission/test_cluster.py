"""The cluster's guards know the operator by where and as what it is installed."""

from __future__ import annotations

import json
from typing import Any

from daulat.admission.cluster import Installation, cluster_name, compile_cluster_guards
from daulat.cel.evaluator import Request, evaluate
from daulat.controls import library

DIGEST = "sha256:" + "1a" * 32
TAGGED = Installation("sovereign", "keeper", "registry.example.my/daulat:1.0", ("registry.example.my/proxy:2",))
BY_DIGEST = Installation("sovereign", "keeper", f"registry.example.my/daulat@{DIGEST}")


def guard(name: str, installation: Installation = TAGGED, kind: str = "ValidatingAdmissionPolicy") -> dict[str, Any]:
    found = [m for m in compile_cluster_guards(installation) if m["kind"] == kind]
    return next(m for m in found if m["metadata"]["name"] == cluster_name(name))


def test_the_same_installation_compiles_to_the_same_bytes() -> None:
    assert json.dumps(compile_cluster_guards(TAGGED)) == json.dumps(compile_cluster_guards(TAGGED))


def test_only_the_operators_own_guards_are_kept_to_its_namespace() -> None:
    for one in library.guards().values():
        if one.scope == "cluster":
            binding = guard(one.guard, kind="ValidatingAdmissionPolicyBinding")
            where = binding["spec"]["matchResources"]["namespaceSelector"]
            own = {"matchLabels": {"kubernetes.io/metadata.name": "sovereign"}}
            assert where == (own if one.operator_namespace else {})


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
