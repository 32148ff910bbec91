"""Objects of every kind that make no sense are refused by the API server, with a sentence that helps, in a dry run too."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.catalog import accelerators

from .world import World, model_manifest, namespace_manifest, policy_manifest, unique, zone_manifest


def _set(manifest: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    target: Any = manifest
    *parents, last = path.split(".")
    for part in parents:
        target = target[int(part)] if part.isdigit() else target.setdefault(part, {})
    target[last] = value
    return manifest


def _profile() -> dict[str, Any]:
    spec = accelerators.shipped()["nvidia-h20"].model_dump(by_alias=True, exclude_none=True, mode="json")
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "AcceleratorProfile"}
    return {**head, "metadata": {"name": "malformed"}, "spec": spec}


def _exemption() -> dict[str, Any]:
    spec = {
        "policy": "confidential",
        "controls": ["STO-07"],
        "namespaces": ["treasury"],
        "reason": "the mirror moves this week",
        "requestedBy": "kubernetes-admin",
        "expiresAt": "2031-01-01T00:00:00Z",
    }
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereigntyExemption"}
    return {**head, "metadata": {"name": "x"}, "spec": spec}


VALID = {
    "SovereignModel": lambda: model_manifest("m", "default"),
    "SovereigntyPolicy": lambda: policy_manifest("malformed"),
    "SovereignZone": lambda: zone_manifest("malformed"),
    "AcceleratorProfile": _profile,
    "SovereigntyExemption": _exemption,
}

CASES = [
    ("SovereignZone", "spec.country", "Malaysia", "spec.country"),
    ("SovereignZone", "spec.operator.country", "my", "spec.operator.country"),
    ("SovereignZone", "spec.nodeSelector", {}, "the selector must name at least one label"),
    (
        "SovereignZone",
        "spec.nodeSelector",
        {"matchExpressions": [{"key": "daulat.node-restriction.kubernetes.io/site", "operator": "DoesNotExist"}]},
        "the selector must require a label",
    ),
    (
        "SovereignZone",
        "spec.nodeSelector",
        {
            "matchExpressions": [
                {"key": "daulat.node-restriction.kubernetes.io/site", "operator": "NotIn", "values": ["x"]}
            ]
        },
        "the selector must require a label",
    ),
    ("SovereignZone", "spec.maximumDataClass", "top-secret", '"public", "internal", "restricted", "confidential"'),
    ("SovereignZone", "spec.facility.unLocode", "KUL", "spec.facility.unLocode"),
    ("SovereignZone", "spec.contry", "MY", 'unknown field "spec.contry"'),
    ("SovereignZone", "metadata.name", "z" * 64, "at most 63 characters"),
    ("SovereigntyPolicy", "metadata.name", "zone", "choose another name"),
    ("SovereigntyPolicy", "metadata.name", "site", "choose another name"),
    ("SovereigntyPolicy", "metadata.name", "p" * 51, "at most 50 characters"),
    ("SovereigntyPolicy", "metadata.name", "a.b", "letters, digits and dashes"),
    ("SovereigntyPolicy", "spec.namespaceSelector", {}, "the selector must name at least one label"),
    (
        "SovereigntyPolicy",
        "spec.namespaceSelector",
        {"matchExpressions": [{"key": "a", "operator": "In"}]},
        "In and NotIn need values",
    ),
    ("SovereigntyPolicy", "spec.controls", {"sup-1": "Warn"}, "keys are control ids, such as SUP-01"),
    ("SovereigntyPolicy", "spec.controls", {"SUP-01": "Ignore"}, '"Enforce", "Warn", "Audit", "Off"'),
    ("SovereigntyPolicy", "spec.action", "Deny", '"Enforce", "Warn", "Audit"'),
    ("SovereigntyPolicy", "spec.images.registries", ["registry.example.my"], "spec.images.registries[0]"),
    ("SovereigntyPolicy", "spec.zones.countries", [], "spec.zones.countries"),
    ("SovereigntyPolicy", "spec.zones.county", ["MY"], 'unknown field "spec.zones.county"'),
    ("SovereignModel", "spec.model.uri", "https://huggingface.co/x", "spec.model.uri"),
    ("SovereignModel", "spec.model.uri", "oci://registry.example.my/x@sha256:12", "spec.model.uri"),
    ("SovereignModel", "spec.accelerators", [], "spec.accelerators"),
    ("SovereignModel", "spec.accelerators.0.count", 0, "spec.accelerators[0].count"),
    ("SovereignModel", "spec.accelerators.0.count", "four", "spec.accelerators[0].count"),
    ("SovereignModel", "spec.replicas", -1, "spec.replicas"),
    ("SovereignModel", "spec.engine", {"name": "magic"}, "spec.engine.name"),
    ("SovereignModel", "spec.replica", 2, 'unknown field "spec.replica"'),
    ("SovereignModel", "spec.engine.gracePeriod", "4s", "a time from 5s to 1h, such as 90s or 10m"),
    ("SovereignModel", "spec.engine.gracePeriod", "61m", "a time from 5s to 1h, such as 90s or 10m"),
    ("SovereignModel", "spec.engine.gracePeriod", "1m30s", "a time from 5s to 1h, such as 90s or 10m"),
    ("SovereignModel", "spec.engine.gracePeriod", "soon", "a time from 5s to 1h, such as 90s or 10m"),
    ("SovereignModel", "spec.engine.gracePeriod", 90, "spec.engine.gracePeriod"),
    ("SovereignModel", "metadata.name", "m" * 51, "at most 50 characters"),
    ("AcceleratorProfile", "spec.vendor.country", "China", "spec.vendor.country"),
    ("AcceleratorProfile", "spec.resources", [], "spec.resources"),
    ("AcceleratorProfile", "spec.vender", {}, 'unknown field "spec.vender"'),
    ("SovereigntyExemption", "spec.expiresAt", "next Tuesday", "spec.expiresAt"),
    ("SovereigntyExemption", "spec.controls", ["sto-7"], "spec.controls[0]"),
    ("SovereigntyExemption", "spec.requestedBy", "", "spec.requestedBy"),
    ("SovereigntyExemption", "spec.reason", "because", "spec.reason"),
    ("SovereigntyExemption", "spec.until", "x", 'unknown field "spec.until"'),
]


@pytest.mark.parametrize("kind", VALID)
def test_what_the_malformed_objects_are_made_from_is_well_formed(world: World, kind: str) -> None:
    assert world.refusal(VALID[kind](), "--dry-run=server", "--validate=strict") == ""


@pytest.mark.parametrize(
    ("kind", "path", "value", "says"), CASES, ids=[f"{c[0]} {c[1]} {str(c[2])[:16]}" for c in CASES]
)
def test_a_malformed_object_is_refused_with_the_field_and_what_would_do(
    world: World, kind: str, path: str, value: Any, says: str
) -> None:
    manifest = _set(VALID[kind](), path, value)
    told = world.refusal(manifest, "--validate=strict")
    assert says in told
    tried = world.refusal(manifest, "--validate=strict", "--dry-run=server")
    assert says in tried


def test_what_is_left_out_is_named(world: World) -> None:
    for kind, make in VALID.items():
        told = world.refusal({**make(), "spec": {}})
        assert "Required value" in told, kind


def test_a_control_that_does_not_exist_keeps_what_was_in_force(world: World) -> None:
    with world.governed() as (policy, namespace):
        before = world.get("sovereigntypolicy", policy)["status"]["revision"]
        world.admin.apply([policy_manifest(policy, controls={"ZZZ-99": "Warn"})])
        told = world.wait_condition("sovereigntypolicy", policy, "Enforced", "False")
        assert told["reason"] == "Invalid"
        assert "ZZZ-99 is not a control; known are " in told["message"]
        assert world.get("sovereigntypolicy", policy)["status"]["revision"] == before
        # A model can't be judged, so nothing is changed about it; pods are judged by what was in force.
        refusal = world.refusal(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": namespace},
                "spec": {"nodeName": "x", "containers": [{"name": "c", "image": "x"}]},
            }
        )
        assert "USE-04 " in refusal
        world.admin.apply([model_manifest("m", namespace)])
        waits = world.wait_condition("sovereignmodel", "m", "Ready", "Unknown", namespace)
        assert waits["reason"] == "PolicyUnreadable"
        world.admin.apply([policy_manifest(policy, controls={"SUP-01": "Warn"})])
        world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)


def test_a_policy_for_a_system_namespace_is_refused_and_the_namespace_is_unaffected(world: World) -> None:
    for protected in ("kube-system", "daulat-system"):
        policy = unique("pol")
        selector = {"matchLabels": {"kubernetes.io/metadata.name": protected}}
        world.admin.apply([policy_manifest(policy, namespaceSelector=selector)])
        told = world.wait_condition("sovereigntypolicy", policy, "Enforced", "False")
        assert told["reason"] == "ProtectedNamespace"
        assert protected in told["message"]
        assert not world.admin.run(
            "get", "validatingadmissionpolicies", "-l", f"daulat.dev/policy={policy}", "-o", "name"
        )
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": protected},
            "spec": {"nodeName": "x", "containers": [{"name": "c", "image": "x"}]},
        }
        assert "policy" not in world.refusal(pod, "--dry-run=server")
        world.admin.run("delete", "sovereigntypolicy", policy)


def test_a_policy_that_grows_over_a_system_namespace_keeps_what_it_governed_before(world: World) -> None:
    with world.governed() as (policy, namespace):
        wide = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]}
        world.admin.apply([policy_manifest(policy, namespaceSelector=wide)], "--force-conflicts")
        # Server-side apply merges matchLabels: a whole selector is set by a patch.
        world.admin.run(
            "patch",
            "sovereigntypolicy",
            policy,
            "--type=merge",
            '--patch={"spec":{"namespaceSelector":{"matchLabels":null}}}',
        )
        told = world.wait_condition("sovereigntypolicy", policy, "Enforced", "False")
        assert told["reason"] == "ProtectedNamespace"
        bad = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": namespace},
            "spec": {"nodeName": "x", "containers": [{"name": "c", "image": "x"}]},
        }
        assert "USE-04 " in world.refusal(bad, "--dry-run=server")
        for free in ("kube-system", "default"):
            elsewhere = {**bad, "metadata": {"name": "p", "namespace": free}}
            assert "USE-04 " not in world.refusal(elsewhere, "--dry-run=server")


def test_a_policy_that_selects_by_open_labels_says_so(world: World) -> None:
    policy, namespace = unique("pol"), unique("ns")
    world.admin.apply(
        [
            namespace_manifest(namespace, team=policy),
            policy_manifest(policy, namespaceSelector={"matchLabels": {"team": policy}}),
        ]
    )
    told = world.wait_condition("sovereigntypolicy", policy, "ScopeTamperable", "True")
    assert "team can be changed by every user who may label namespaces" in told["message"]
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    world.remove(namespace, policy)


def test_a_zone_that_selects_by_open_labels_says_so(world: World) -> None:
    zone = unique("zone")
    world.admin.apply([zone_manifest(zone, nodeSelector={"matchLabels": {"test/none": zone}})])
    told = world.wait_condition("sovereignzone", zone, "WeakEvidence", "True")
    assert told["reason"] == "SelectsUnprotectedLabels"
    assert world.condition("sovereignzone", zone, "Certified")["reason"] == "NoNodes"
    world.admin.run("delete", "sovereignzone", zone)
