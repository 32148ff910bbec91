"""Judges an object of a governed namespace as if it were created now, by the compiled policies: the only text of a control."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from daulat.admission.policy import PolicyError, compile_policy
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.kinds import Manifest
from daulat.api.timestamps import stamp
from daulat.cel.evaluator import Request, evaluate_each
from daulat.check.rules import JudgingPolicy, judging_policy
from daulat.doctor.workloads import as_created
from daulat.facts.declared import Unparsable
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.reported import OF_WRITERS
from daulat.kube.resources import Resource
from daulat.reconcile.policy.compiled import (
    compiled,
    governs_protected,
    named_exemptions_now,
    protected_namespaces,
)

from .result import Outcome, Result, Subject
from .writers import ORDINARY_USER, writer

DRIFT = "drift"
"""The rule of a pod on a node that isn't eligible any more."""
UNCOMPILED = "compilation"
"""The rule of a policy that can't be compiled, and so judges nothing."""
UNREAD = "reading"
"""The rule of objects that couldn't be read or judged."""
_CONTROL = re.compile(r"^([A-Z]{3}-[0-9]{2}) ")


@dataclass(frozen=True)
class _Judging:
    """A policy as it judges, as it would without its exemptions, and those."""

    policy: Policy
    rules: JudgingPolicy
    bare: JudgingPolicy | None
    """None where no exemption holds."""
    exemptions: Sequence[tuple[str, SovereigntyExemptionSpec]]
    drifted: Mapping[str, str]
    """Why nodes aren't eligible any more, by name."""

    def exemption(self, namespace: str, control: str) -> str:
        """Return the name of the exemption that takes a control away in a namespace; empty where none does."""
        return next(
            (n for n, e in self.exemptions if e.approved and namespace in e.namespaces and control in e.controls), ""
        )


class Judge:
    """Judges by the policies of a snapshot, at a time in seconds since the epoch."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self._created = stamp(now)
        self._policies: dict[str, _Judging] = {}
        self.problems: list[Result] = []
        """Policies that can't be compiled or read: nothing is judged by them."""
        for name, why in sorted(_unreadable(snapshot).items()):
            self.problems.append(_unjudging(name, why))
        for name, policy in sorted(snapshot.known_policies.items()):
            try:
                if protected := governs_protected(policy, snapshot):
                    raise PolicyError(protected)
                self._policies[name] = _judging(policy, snapshot, now)
            except PolicyError as error:
                self.problems.append(_unjudging(name, str(error)))
        self._snapshot = snapshot
        # Given to the evaluator only where an expression reads it: it costs a second conversion of the request.
        self._reads_namespace = any(
            "namespaceObject" in str(r.manifest) for j in self._policies.values() for r in j.rules.rules
        )
        self._governing: dict[str, tuple[_Judging, ...]] = {}

    @property
    def namespaces(self) -> list[str]:
        """The governed namespaces, without those on their way out."""
        return sorted(n for n, found in self._snapshot.namespaces.items() if not found.terminating and self._of(n))

    def judges(self, resource: Resource, namespace: str) -> bool:
        """Say whether any policy of the namespace judges such objects when they are created."""
        return any(
            resource.group in rule["apiGroups"]
            and resource.plural in rule["resources"]
            and "CREATE" in rule["operations"]
            for judging in self._of(namespace)
            for each in judging.rules.rules
            for rule in each.manifest["spec"]["matchConstraints"]["resourceRules"]
        )

    def judge(self, item: Manifest, resource: Resource, namespace: str, of: Manifest | None) -> Iterator[Result | None]:
        """Yield what each policy finds about an object as a list has it; None for a policy that finds nothing.

        ``of`` is the raw namespace.
        """
        subject = _subject(item, resource, namespace)
        request = self._request(item, resource, namespace, of)
        for judging in self._of(namespace):
            user = writer(item, resource, judging.policy.spec)
            by = request if user == request.user else replace(request, user=user)
            found = list(self._found(judging, by, subject, item))
            if found:
                yield from found
            else:
                yield None

    def unread(self, resource: Resource, namespace: str, why: str) -> Iterator[Result]:
        """Yield what says that a kind couldn't be read, for each policy of the namespace."""
        subject = Subject(resource.api_version, resource.kind, namespace)
        for judging in self._of(namespace):
            message = f"{resource.plural} weren't judged, since they couldn't be listed: {why}"
            yield Result(Outcome.ERROR, judging.policy.name, UNREAD, subject, message)

    def unjudged(self, item: Manifest, resource: Resource, namespace: str, why: str) -> Iterator[Result]:
        """Yield what says that judging one object failed, for each policy of the namespace."""
        subject = _subject(item, resource, namespace)
        for judging in self._of(namespace):
            message = f"{subject.kind} {subject.name} couldn't be judged: {why}"
            yield Result(Outcome.ERROR, judging.policy.name, UNREAD, subject, message)

    def _found(self, judging: _Judging, request: Request, subject: Subject, item: Manifest) -> Iterator[Result]:
        now = dict.fromkeys(_results(judging.rules, request, subject))
        yield from now
        if judging.bare is not None and any(request.namespace in e.namespaces for _, e in judging.exemptions):
            for result in _results(judging.bare, request, subject):
                if result not in now and (name := judging.exemption(request.namespace, result.rule)):
                    yield result.exempted(name)
        node = str((item.get("spec") or {}).get("nodeName") or "") if subject.kind == "Pod" else ""
        if node in judging.drifted:
            message = f"spec.nodeName: the pod runs on {node}, which isn't eligible any more: {judging.drifted[node]}"
            yield Result(Outcome.FAIL, judging.policy.name, DRIFT, subject, message)

    def _of(self, namespace: str) -> tuple[_Judging, ...]:
        if namespace not in self._governing:
            labels = self._snapshot.namespaces[namespace].labels
            self._governing[namespace] = tuple(
                j for j in self._policies.values() if j.rules.selector.matches({**labels, _NAME: namespace})
            )
        return self._governing[namespace]

    def _request(self, item: Manifest, resource: Resource, namespace: str, of: Manifest | None) -> Request:
        body = as_created(item) if resource.kind == "Pod" else {**item}
        body |= {"apiVersion": resource.api_version, "kind": resource.kind}
        # As if it were created now: what an exemption took away until yesterday is refused today.
        meta = {k: v for k, v in (item.get("metadata") or {}).items() if k != "managedFields"}
        body["metadata"] = {**meta, "creationTimestamp": self._created}
        if resource.kind == "PersistentVolumeClaim":
            body = _unbound(body)
        return Request(
            object=body,
            resource=resource.plural,
            group=resource.group,
            version=resource.version,
            namespace=namespace,
            user=ORDINARY_USER,
            namespace_object=of if self._reads_namespace else None,
        )


_BINDING = (
    "pv.kubernetes.io/",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
)
"""What the annotations begin with by which Kubernetes binds a claim."""
_NAME = "kubernetes.io/metadata.name"


def _unbound(claim: Manifest) -> Manifest:
    """Return the claim as it was created: Kubernetes has written its volume since, and annotations on how it is bound."""
    meta = claim["metadata"]
    kept = {k: v for k, v in (meta.get("annotations") or {}).items() if not k.startswith(_BINDING)}
    spec = {k: v for k, v in (claim.get("spec") or {}).items() if k != "volumeName"}
    return {**claim, "metadata": {**meta, "annotations": kept}, "spec": spec}


def _judging(policy: Policy, snapshot: Snapshot, now: float) -> _Judging:
    exemptions = named_exemptions_now(policy, snapshot, now)
    bare = None
    if exemptions:
        zones = {name: zone.spec for name, zone in snapshot.known_zones.items()}
        protected = protected_namespaces(snapshot)
        bare = judging_policy(
            compile_policy(
                policy.name, policy.spec, snapshot.known_profiles, (), protected, zones, snapshot.capabilities
            )
        )
    drifted = {node.node: node.reason or "no reason is on record" for node in policy.status.drift or ()}
    return _Judging(policy, judging_policy(compiled(policy, snapshot, now)), bare, exemptions, drifted)


def _results(policy: JudgingPolicy, request: Request, subject: Subject) -> Iterator[Result]:
    rules = {id(rule.manifest): rule for rule in policy.rules}
    for manifest, verdict in evaluate_each([rule.manifest for rule in policy.rules], request):
        action = rules[id(manifest)].action
        if verdict.allowed:
            continue
        for message in verdict.violations or (verdict.message,):
            control = _CONTROL.match(message)
            # A policy admin may have made what an ordinary user may not: such an object may be no violation.
            certain = subject.kind not in OF_WRITERS
            outcome = Outcome.FAIL if action == "Enforce" and certain else Outcome.WARN
            if verdict.error:
                outcome = Outcome.ERROR
            rule = control[1] if control else str(manifest["metadata"]["name"])
            yield Result(outcome, policy.name, rule, subject, message, action)


def _subject(item: Manifest, resource: Resource, namespace: str) -> Subject:
    meta = item.get("metadata") or {}
    name, uid = str(meta.get("name") or ""), str(meta.get("uid") or "")
    return Subject(resource.api_version, resource.kind, namespace, name, uid)


def _unreadable(snapshot: Snapshot) -> dict[str, str]:
    return {name: found.reason for name, found in snapshot.policies.items() if isinstance(found, Unparsable)}


def _unjudging(name: str, why: str) -> Result:
    subject = Subject("daulat.dev/v1alpha1", "SovereigntyPolicy", "", name)
    return Result(Outcome.ERROR, name, UNCOMPILED, subject, f"nothing is judged by policy {name}: {why}")
