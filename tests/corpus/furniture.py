"""The objects around the cases: bindings that hold where a case is played, kinds that aren't installed, and sentinels."""

from __future__ import annotations

from typing import Any

from daulat.controls import library
from tests.requests import CLUSTER_SCOPED

from .scene import SCOPE_LABEL, Scene
from .server import Manifest

ADMISSION = "admissionregistration.k8s.io/v1"


def bindings(policy: Manifest, scene: Scene) -> list[Manifest]:
    """Return what puts an admission policy in force for a scene, and for no scene under another policy.

    A policy's guard judges cluster-scoped objects whatever the namespace. The compiled policy stays as it is: its binding is
    narrowed to the objects of the scene, by their label, or by their names where a request shows none.
    """
    name = policy["metadata"]["name"]
    (own,) = (m for m in scene.in_force if m["spec"].get("policyName") == name)
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    if library.guards()[scene.case.guard].scope != "policy" or not any(_split(r, True) for r in rules):
        return [own]
    if scene.request.namespace:
        return [_narrowed(own, "namespaced", {"resourceRules": [s for r in rules for s in _split(r, False)]})]
    of_cluster = [s for r in rules for s in _split(r, True)]
    if scene.request.operation == "CONNECT":
        named = [{**r, "resourceNames": [scene.name]} for r in of_cluster]
        return [_narrowed(own, scene.name, {"resourceRules": named})]
    selector = {"matchLabels": {SCOPE_LABEL: scene.namespace}}
    return [_narrowed(own, "cluster", {"resourceRules": of_cluster, "objectSelector": selector})]


def definition(group: str, version: str, plural: str, kind: str) -> Manifest:
    """Return a CustomResourceDefinition that takes any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, stands in for the real one"},
        },
        "spec": {
            "group": group,
            "scope": "Cluster" if plural in CLUSTER_SCOPED else "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def sentinels(namespace: str, *, mutates: bool) -> list[Manifest]:
    """Return admission policies that refuse one ConfigMap, saying both once the mutating one holds as well, else one."""
    constraints = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        ],
    }
    conditions = [{"name": "sentinel", "expression": "object.metadata.name == 'sentinel'"}]
    common = {"matchConstraints": constraints, "matchConditions": conditions, "failurePolicy": "Fail"}
    patch = '[JSONPatch{op: "add", path: "/data", value: {"seen": "yes"}}]'
    mutations = [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}]
    validations = [{"expression": "false", "messageExpression": "has(object.data) ? 'both' : 'one'"}]
    first = [
        _manifest("MutatingAdmissionPolicy", {**common, "reinvocationPolicy": "Never", "mutations": mutations}),
        _manifest("MutatingAdmissionPolicyBinding", {"policyName": "sentinel"}),
    ]
    return [
        *(first if mutates else []),
        _manifest("ValidatingAdmissionPolicy", {**common, "validations": validations}),
        _manifest("ValidatingAdmissionPolicyBinding", {"policyName": "sentinel", "validationActions": ["Deny"]}),
    ]


def _split(rule: Manifest, of_cluster: bool) -> list[Manifest]:
    """Return the rule for its cluster-scoped resources alone, or for the others; nothing where it has none of them."""
    resources = [r for r in rule["resources"] if (r.partition("/")[0] in CLUSTER_SCOPED) is of_cluster]
    return [{**rule, "resources": resources}] if resources else []


def _narrowed(binding: Manifest, suffix: str, resources: dict[str, Any]) -> Manifest:
    name = f"{binding['metadata']['name']}.{suffix}"
    return {
        **binding,
        "metadata": {"name": name},
        "spec": {**binding["spec"], "matchResources": {**binding["spec"]["matchResources"], **resources}},
    }


def _manifest(kind: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": "sentinel"}, "spec": spec}
