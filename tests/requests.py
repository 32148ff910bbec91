"""Turns a control's example into the request that the evaluator and the API server are asked."""

from __future__ import annotations

import copy
from typing import Any

from daulat.admission.boundvolumes import compile_bound_volumes
from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.policy import compile_policy
from daulat.admission.screen import CONDITION
from daulat.admission.ungoverned import compile_ungoverned
from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request
from daulat.controls import library
from daulat.controls.library import Control, Example, Guard, Resources

EXAMPLES = [(c, e) for c in library.controls() for e in c.examples]
IDS = [f"{c.id}.{c.guard}-{e.name}" for c, e in EXAMPLES]
CREATED = "2026-11-23T00:00:00Z"
"""When every object is created. The API server says so on CREATE, too, and exemptions end by it."""
NAMESPACE = "treasury"
# The kinds that guards know which stand in no namespace.
CLUSTER_SCOPED = frozenset(
    [
        "acceleratorprofiles",
        "adminnetworkpolicies",
        "apiservices",
        "baselineadminnetworkpolicies",
        "ciliumclusterwidenetworkpolicies",
        "clusternetworkpolicies",
        "customresourcedefinitions",
        "deviceclasses",
        "gatewayclasses",
        "globalnetworkpolicies",
        "ingressclasses",
        "namespaces",
        "nodefeaturerules",
        "nodes",
        "persistentvolumes",
        "resourceslices",
        "runtimeclasses",
        "sovereigntyexemptions",
        "sovereigntypolicies",
        "sovereignzones",
        "storageclasses",
        "volumeattributesclasses",
        "volumegroupsnapshotclasses",
        "volumesnapshotclasses",
    ]
)


def merge(target: Any, patch: Any) -> Any:
    """Merge as RFC 7386 says: null takes a field away, and lists are replaced whole."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def unscreened(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a policy that judges every request that meets its other conditions."""
    made = copy.deepcopy(manifest)
    conditions = made["spec"].get("matchConditions", [])
    made["spec"]["matchConditions"] = [c for c in conditions if c["name"] != CONDITION]
    return made


def policy_of(example: Example) -> SovereigntyPolicySpec:
    """Return the spec of the policy that the example is judged by."""
    return SovereigntyPolicySpec.model_validate(merge(library.base()["policy"], example.policy))


def zones_of(example: Example) -> dict[str, SovereignZoneSpec]:
    """Return the specs of the zones that there are, by name."""
    raw = merge(library.base()["zones"], example.zones)
    return {name: SovereignZoneSpec.model_validate(spec) for name, spec in raw.items()}


def profiles_of(patch: dict[str, Any]) -> dict[str, AcceleratorProfileSpec]:
    """Return the specs of the AcceleratorProfiles that there are, by name: those that are shipped, with a patch over them."""
    if not patch:
        return dict(accelerators.shipped())
    shipped = {m["metadata"]["name"]: m["spec"] for m in accelerators.manifests()}
    return {n: AcceleratorProfileSpec.model_validate(s) for n, s in merge(shipped, patch).items()}


def manifests_of(control: Control, example: Example) -> list[dict[str, Any]]:
    """Return the compiled policy, or the cluster's guards, that judge the example."""
    scope = library.guards()[control.guard].scope
    if scope == "cluster":
        return compile_cluster_guards()
    if scope == "policies":
        return compile_ungoverned([policy_of(example).namespace_selector])
    spec, zones = policy_of(example), zones_of(example)
    if scope == "namespaces":
        return compile_bound_volumes("confidential", spec, zones, [NAMESPACE])
    profiles = profiles_of(example.profiles)
    return list(compile_policy("confidential", spec, profiles, zones=zones).manifests)


def request_of(control: Control, example: Example) -> Request:
    """Return the request that a control's example is."""
    return request_for(control.guard, example)


def request_for(guard: str, example: Example, namespace: str = NAMESPACE) -> Request:
    """Return the request that an example is for a guard. An object that names another namespace is there."""
    base = base_object(guard, example.resource)
    # What is deleted is the old object alone.
    new = None if example.operation == "DELETE" else merge(base, example.object)
    old = merge(base, example.oldObject) if example.oldObject is not None else None
    resource, rule = asked_about(library.guards()[guard], example.resource, new or old or {})
    metadata = (new or old or {}).get("metadata") or {}
    name, own = str(metadata.get("name") or "example"), str(metadata.get("namespace") or NAMESPACE)
    namespace = namespace if own == NAMESPACE else own
    inside = "" if resource.partition("/")[0] in CLUSTER_SCOPED else namespace
    labels = {"kubernetes.io/metadata.name": namespace, **example.namespace_labels}
    if example.operation == "CONNECT" and new is not None:
        # The options of a connection have no metadata: a base object has it to say whom it is to.
        new = {k: v for k, v in new.items() if k != "metadata"}
    return Request(
        object=_stored(new),
        old_object=_stored(old),
        operation=example.operation,
        resource=resource,
        group=rule.group,
        version=rule.version if rule.version != "*" else str((new or old or {})["apiVersion"]).rpartition("/")[2],
        namespace=name if resource.partition("/")[0] == "namespaces" else inside,
        name=name,
        user=example.user,
        user_groups=(*example.groups, "system:authenticated"),
        user_extra=example.extra,
        allowed=frozenset(example.allowed),
        namespace_object={"metadata": {"name": namespace, "labels": labels}} if inside else None,
    )


def base_object(guard: str, resource: str | None) -> dict[str, Any]:
    """Return what the examples of a guard are merged over."""
    base: dict[str, Any] = library.base()["objects"][guard]
    return {**base, "kind": "Secret"} if resource == "secrets" else base


def asked_about(guard: Guard, resource: str | None, manifest: dict[str, Any]) -> tuple[str, Resources]:
    """Return the resource that is asked for, and the guard's rule that is about it: that of the object's own group if any is."""
    rules = [r for r in guard.resources if resource is None or resource in r.resources]
    group, _, version = str(manifest.get("apiVersion", "")).rpartition("/")
    own = [r for r in rules if r.group == group and r.version in ("*", version)]
    rule = (own or rules)[0]
    return resource or rule.resources[0], rule


def _stored(manifest: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the object as the API server would show it: with the time of its creation, where it has metadata."""
    if manifest is None or "metadata" not in manifest:
        return manifest
    return {**manifest, "metadata": {"creationTimestamp": CREATED, **(manifest["metadata"] or {})}}
