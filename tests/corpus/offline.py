"""What is in force for a case, and what the offline evaluator says about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from daulat.admission.boundvolumes import compile_bound_volumes
from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.policy import compile_policy
from daulat.admission.ungoverned import compile_ungoverned
from daulat.admission.validating import where
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.names import ELIGIBLE, eligible_label
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.cel.evaluator import Request, Verdict, evaluate, matches_resource
from daulat.controls import library
from daulat.facts.child import namespace_selector
from dev.cluster.kubernetes import versions
from tests.requests import NAMESPACE, merge, profiles_of, request_for

from .case import Case

Manifest = dict[str, Any]
POLICY = "confidential"
EXEMPTION = {
    "policy": POLICY,
    "namespaces": [NAMESPACE],
    "reason": "A case of the corpus",
    "requestedBy": "tenant",
    "approvals": [{"user": "officer", "reference": "T-1"}],
    "expiresAt": "2999-01-01T00:00:00Z",
}


@dataclass(frozen=True)
class Said:
    """What one admission policy says about a request that it doesn't let by."""

    policy: str
    """The name of the ValidatingAdmissionPolicy."""
    action: str
    """Deny, Warn or Audit: the first of what its binding asks for."""
    verdict: Verdict

    @property
    def ids(self) -> frozenset[str]:
        """The controls that it speaks of."""
        return frozenset(v.partition(" ")[0] for v in self.verdict.violations)


def scope(case: Case) -> str:
    """Return what tells the cases apart that can't share a namespace: everything that is in force there."""
    shared = library.guards()[case.guard].scope
    return json.dumps([shared, _inputs(case), case.asked.namespace_labels, case.pinned], sort_keys=True)


def in_force(case: Case, namespace: str = NAMESPACE, prefix: str = "") -> list[Manifest]:
    """Return what judges a case: the cluster's guards, and in a policy's namespace what the policies compile to.

    The prefix keeps the names of two namespaces' policies apart.
    """
    judged_by = library.guards()[case.guard].scope
    if judged_by == "policies":
        return [*_ungoverned(_inputs(case), namespace, prefix), *_cluster_guards()]
    if judged_by == "namespaces":
        return [*_bound_volumes(_inputs(case), namespace, prefix), *_cluster_guards()]
    return [*(_compiled(_inputs(case), namespace, prefix) if judged_by == "policy" else []), *_cluster_guards()]


@cache
def _ungoverned(inputs: str, namespace: str, prefix: str) -> list[Manifest]:
    """Return the guards that all policies share, for one namespace alone."""
    base = library.base()["policy"]
    specs = [SovereigntyPolicySpec.model_validate(merge(base, patch)) for patch in json.loads(inputs)[0].values()]
    found = [_renamed(m, prefix) for m in compile_ungoverned([s.namespace_selector for s in specs])]
    only = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]}
    for binding in (m for m in found if m["kind"].endswith("Binding")):
        selected = binding["spec"]["matchResources"]["namespaceSelector"]
        binding["spec"]["matchResources"] = where({"matchExpressions": [*selected["matchExpressions"], only]})
    return found


@cache
def _bound_volumes(inputs: str, namespace: str, prefix: str) -> list[Manifest]:
    """Return the guards of volumes of policies that govern this namespace alone."""
    patches, zones, _, exemptions = json.loads(inputs)
    base = library.base()
    given = {n: SovereignZoneSpec.model_validate(z) for n, z in merge(base["zones"], zones).items()}
    granted = [_exemption(e, namespace) for e in exemptions]
    found: list[Manifest] = []
    for name, patch in patches.items():
        spec = SovereigntyPolicySpec.model_validate(merge(base["policy"], patch))
        found += [_renamed(m, prefix) for m in compile_bound_volumes(name, spec, given, [namespace], granted)]
    return found


@cache
def _cluster_guards() -> list[Manifest]:
    return compile_cluster_guards()


def request(case: Case, namespace: str = NAMESPACE) -> Request:
    """Return the request as it reaches the policies."""
    asked = request_for(case.guard, case.asked, namespace)
    if not (case.pinned and asked.object and versions.offered().has("pin")):
        return asked
    pins = {eligible_label(name): ELIGIBLE for name in [POLICY, *case.policies]}
    missing = {k: v for k, v in pins.items() if k not in (asked.object["spec"].get("nodeSelector") or {})}
    return replace(asked, object=merge(asked.object, {"spec": {"nodeSelector": missing}}))


def asks(policy: Manifest, binding: Manifest, asked: Request) -> bool:
    """Say whether an admission policy is asked about the request, in the namespace where it is made."""
    if not matches_resource(policy, asked) or asked.namespace_object is None:
        return matches_resource(policy, asked)
    selector = namespace_selector(binding)
    assert selector is not None
    return selector.matches(asked.namespace_object["metadata"]["labels"])


def judge(manifests: Sequence[Manifest], asked: Request) -> list[Said]:
    """Return what every admission policy among the manifests says that doesn't let the request by, by its binding."""
    bindings = {m["spec"]["policyName"]: m for m in manifests if m["kind"] == "ValidatingAdmissionPolicyBinding"}
    found = []
    for manifest in manifests:
        if manifest["kind"] != "ValidatingAdmissionPolicy":
            continue
        name = manifest["metadata"]["name"]
        if asks(manifest, bindings[name], asked) and not (verdict := evaluate(manifest, asked)).allowed:
            found.append(Said(name, bindings[name]["spec"]["validationActions"][0], verdict))
    return found


def _inputs(case: Case) -> str:
    patches = {POLICY: case.asked.policy, **case.policies}
    return json.dumps([patches, case.asked.zones, case.asked.profiles, case.exemptions], sort_keys=True)


@cache
def _compiled(inputs: str, namespace: str, prefix: str) -> list[Manifest]:
    patches, zones, profiles, exemptions = json.loads(inputs)
    base = library.base()
    given = {n: SovereignZoneSpec.model_validate(z) for n, z in merge(base["zones"], zones).items()}
    known = profiles_of(profiles)
    granted = [_exemption(e, namespace) for e in exemptions]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    found: list[Manifest] = []
    for name, patch in patches.items():
        spec = SovereigntyPolicySpec.model_validate({**merge(base["policy"], patch), "namespaceSelector": selector})
        compiled = compile_policy(name, spec, known, exemptions=granted, zones=given, capabilities=versions.offered())
        found += [_renamed(m, prefix) for m in compiled.manifests]
    return found


def _exemption(patch: dict[str, Any], namespace: str) -> SovereigntyExemptionSpec:
    whole = merge(EXEMPTION, patch)
    whole["namespaces"] = [namespace if n == NAMESPACE else n for n in whole["namespaces"]]
    return SovereigntyExemptionSpec.model_validate(whole)


def _renamed(manifest: Manifest, prefix: str) -> Manifest:
    """Return the manifest under a name of its own, and as nobody's: an operator would take what it doesn't know away."""
    spec = dict(manifest["spec"])
    if "policyName" in spec:
        spec["policyName"] = prefix + spec["policyName"]
    metadata = {"name": prefix + manifest["metadata"]["name"]}
    return {**manifest, "metadata": metadata, "spec": spec}
