"""Keeps the annotations by which an admission plugin of the API server adds policies' labels to the nodeSelector of pods.

Where pods are pinned by mutating policies, no namespace has such an annotation. A namespace has one annotation for all policies
that govern it, so each namespace is a key of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daulat.admission.policy import CompiledPolicy, PolicyError
from daulat.api.names import ELIGIBLE, NODE_PREFIX, eligible_label
from daulat.api.policy import EnforcementSource
from daulat.catalog.kubernetes import PIN_ANNOTATIONS, Pin
from daulat.facts.namespace import Namespace
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.result import PinNamespace, Result

from . import gitops
from .compiled import compiled, governs_protected

KIND = "NamespacePin"


def key(namespace: str) -> Ref:
    """Return the key of a namespace's annotations. No object of that kind exists."""
    return Ref(KIND, "", namespace)


def keys(snapshot: Snapshot) -> Iterator[Ref]:
    """Return the namespaces that have such an annotation, or may need one."""
    everywhere = bool(snapshot.capabilities.pin.annotation)
    return (key(name) for name, namespace in sorted(snapshot.namespaces.items()) if everywhere or namespace.pins)


def reconcile_pins(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return what makes a namespace's annotations add what they should to the nodeSelector of its pods."""
    namespace = snapshot.namespaces.get(ref.name)
    if namespace is None or namespace.terminating:
        return Result()
    wanted, untouched = _labels(namespace, snapshot, now)
    effects = []
    for annotation in sorted(PIN_ANNOTATIONS):
        has = namespace.pins.get(annotation, frozenset())
        own = wanted if annotation == snapshot.capabilities.pin.annotation else frozenset()
        if (labels := own | (has & untouched)) != has:
            effects.append(PinNamespace(namespace.name, namespace.uid, annotation, tuple(sorted(labels))))
    return Result(apply=tuple(effects))


def is_pinned(namespace: Namespace, policy: str, snapshot: Snapshot) -> bool:
    """Say whether the annotation in use adds the policy's label to the nodeSelector of the namespace's pods."""
    return _adds(namespace, snapshot.capabilities.pin.annotation, eligible_label(policy))


def _adds(namespace: Namespace, annotation: str, label: str) -> bool:
    return label in namespace.pins.get(annotation, ())


def missing(policy: Policy, result: CompiledPolicy, governed: Sequence[Namespace]) -> list[str]:
    """Return what lacks in governed namespaces to pin their pods under this policy, one sentence a namespace."""
    annotation, label = result.pin.annotation, eligible_label(policy.name)
    return [
        f"Namespace {n.name} has no entry {label}={ELIGIBLE} in annotation {annotation}"
        for n in sorted(governed, key=lambda n: n.name)
        if annotation
        and not n.terminating
        and n.name not in result.unpinned_namespaces
        and not _adds(n, annotation, label)
    ]


def superseded(result: CompiledPolicy, governed: Sequence[Namespace]) -> Iterator[Ref]:
    """Return the keys of governed namespaces whose annotation a mutating policy takes the place of, once that is applied."""
    if result.pin is Pin.MUTATING_POLICY:
        yield from (key(n.name) for n in governed if result.name in policies_in(n))


def failed(policy: Policy, result: CompiledPolicy, governed: Sequence[Namespace], snapshot: Snapshot) -> str:
    """Return why governed namespaces couldn't be annotated, for the first of those that couldn't; empty where none failed."""
    for namespace in sorted(governed, key=lambda n: n.name):
        report = snapshot.reports.get(key(namespace.name))
        if report is not None and report.apply and (lacking := missing(policy, result, [namespace])):
            return f"{lacking[0]}, and it can't be set: {report.apply}"
    return ""


def _labels(namespace: Namespace, snapshot: Snapshot, now: float) -> tuple[frozenset[str], frozenset[str]]:
    """Return the labels that the annotation in use is to have, and those that stay where they are, in whichever annotation."""
    wanted: set[str] = set()
    untouched: set[str] = set()
    for name in snapshot.policies:
        policy, label = snapshot.known_policies.get(name), eligible_label(name)
        # What was in force of a policy that can't be compiled stays in force.
        if policy is None or gitops.source(policy) is EnforcementSource.GITOPS or governs_protected(policy, snapshot):
            untouched.add(label)
            continue
        try:
            result = compiled(policy, snapshot, now)
        except PolicyError:
            untouched.add(label)
            continue
        governs = policy.spec.namespace_selector.matches(namespace.labels)
        if not governs or namespace.name in result.unpinned_namespaces:
            continue
        if result.pin.annotation:
            wanted.add(label)
        elif result.pin is Pin.MUTATING_POLICY and not _has_mutating_policy(name, snapshot):
            # From one pin to the next: the annotation goes once what takes its place is there.
            untouched.add(label)
    return frozenset(wanted), frozenset(untouched)


def _has_mutating_policy(policy: str, snapshot: Snapshot) -> bool:
    children = snapshot.children_by_policy.get(policy, ())
    return {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"} <= {c.ref.kind for c in children}


def policies_in(namespace: Namespace) -> frozenset[str]:
    """Return the policies whose labels the namespace's annotations have."""
    return frozenset(label.removeprefix(NODE_PREFIX) for labels in namespace.pins.values() for label in labels)
