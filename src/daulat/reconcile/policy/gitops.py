"""Compares what a GitOps tool applied with what a policy compiles to. Nothing is written and nothing is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daulat.admission.approved import NOTHING_MATCHES
from daulat.admission.policy import CompiledPolicy
from daulat.api import reasons
from daulat.api.counted import counted, few
from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.names import REVISION_ANNOTATION, SOURCE_ANNOTATION
from daulat.api.policy import EnforcementSource
from daulat.catalog.kubernetes import Capabilities
from daulat.facts.child import Child
from daulat.facts.snapshot import Policy
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import Condition, condition

PATIENCE = 30.0
"""Seconds between tries while the cluster hasn't what the policy compiles to: somebody else's pipeline has to run first."""
SAMPLE = 3


def source(policy: Policy) -> EnforcementSource:
    """Return who applies what the policy compiles to."""
    return policy.spec.enforcement.source if policy.spec.enforcement else EnforcementSource.OPERATOR


def manifests(policy: Policy, compiled: CompiledPolicy) -> tuple[Manifest, ...]:
    """Return what is to be applied, each with a note of who applies it: it outlives the policy, and says who may delete it."""
    return tuple(_noted(m, source(policy).value) for m in compiled.manifests)


def drift(wanted: Iterable[Manifest], children: Iterable[Child]) -> list[str]:
    """Return what differs in the cluster, one sentence an object, in the order in which they would be applied."""
    found = {child.ref: child for child in children if not child.deleting}
    differing = []
    for manifest in wanted:
        ref = Ref.of(manifest["kind"], manifest)
        why = _differs(manifest, found.pop(ref, None))
        if why:
            differing.append(f"{ref.kind} {ref.name} {why}")
    return [*differing, *(f"{ref.kind} {ref.name} isn't part of it any more" for ref in sorted(found))]


def compiled_condition(
    compiled: CompiledPolicy, cluster: Capabilities, differing: Sequence[str], absent: bool, proved: bool
) -> Condition:
    """Return the condition ``Compiled``. Where no object is there and the canary was refused, static manifests hold it.

    What a policy compiles to depends on the cluster's version and on its pin, so the message has both.
    """
    if not differing:
        message = (
            f"the cluster has {counted(len(compiled.controls), 'control')} in revision {compiled.revision}, as compiled"
        )
        if compiled.approved.nothing_matches:
            message += f"; spec.accelerators: {NOTHING_MATCHES}"
        return condition(reasons.COMPILED, True, reasons.IN_SYNC, message)
    if absent and proved:
        message = f"revision {compiled.revision} is in force without an object in the API, by the API server's static manifests"
        return condition(reasons.COMPILED, True, reasons.STATIC_MANIFESTS, message)
    told_of = few(differing, SAMPLE, between="; ", last="; and ")
    command = f"daulat compile --kubernetes-version {cluster.version} --pin {cluster.pin}"
    message = f"{told_of}. Apply what {command} prints for revision {compiled.revision}."
    return condition(reasons.COMPILED, False, reasons.OUT_OF_SYNC, message)


def _differs(manifest: Manifest, child: Child | None) -> str:
    if child is None:
        return "is missing"
    revision = manifest["metadata"]["annotations"][REVISION_ANNOTATION]
    if child.revision != revision:
        return f"is of revision {child.revision or 'unknown'}"
    return "" if child.content == digest(manifest["spec"]) else "has another spec"


def _noted(manifest: Manifest, who: str) -> Manifest:
    meta = manifest["metadata"]
    return {**manifest, "metadata": {**meta, "annotations": {**meta["annotations"], SOURCE_ANNOTATION: who}}}
