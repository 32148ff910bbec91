"""Collects facts from raw objects as they come, and answers with the changes: what each fact was before, and is now."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from daulat.api.kinds import KINDS
from daulat.api.meta import ConditionedStatus
from daulat.api.names import MANAGED_BY
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.kube.ref import Ref
from daulat.kube.resources import CHILDREN, kinds

from .change import Change
from .charge import WINDOW, Charge
from .child import parse_child
from .clock import Clock
from .declared import Declared, parse_declared
from .definition import Definition
from .derived import DerivedFacts
from .devices import parse_claim, parse_slice
from .gateway import parse_gateway
from .namespace import parse_namespace
from .node import parse_node
from .platform import Platform
from .pod import parse_placed, parse_pod
from .queued import parse_admission_check, parse_flavor, parse_workload
from .report import Report
from .snapshot import Canary, Proof, Snapshot
from .tally import Tally
from .volume import parse_volume

OWN_KINDS = {
    "SovereignZone": "zones",
    "AcceleratorProfile": "profiles",
    "SovereigntyPolicy": "policies",
    "SovereigntyExemption": "exemptions",
    "NodeAttestation": "attestations",
    "SovereignModel": "models",
    "AcceleratorInventory": "inventories",
}
CHILD_KINDS = kinds(*CHILDREN)
DEVICE_KINDS = {"ResourceSlice": "slices", "ResourceClaim": "allocations"}
QUEUE_KINDS = {"Workload": "workloads", "AdmissionCheck": "admission_checks", "ResourceFlavor": "flavors"}
_NAMESPACED = CHILD_KINDS | {"Pod", "Gateway", "ResourceClaim", "SovereignModel", "Workload"}
KUBERNETES = Ref("Kubernetes", "", "cluster")
"""What a change of the cluster's capabilities is about. No object of that kind exists."""
assert {k.kind for k in KINDS} == set(OWN_KINDS)  # noqa: S101


class Store:
    """The facts as they are now. An object older than what is already known of it is ignored."""

    def __init__(
        self,
        operator_namespace: str,
        weights_image: str = "",
        platform: Platform | None = None,
        parse: Callable[[str, dict[str, Any]], Any] | None = None,
    ) -> None:
        """Take how objects of a kind are read; None for ``parse_fact``."""
        self._parse = parse or parse_fact
        self._operator_namespace, self._weights_image = operator_namespace, weights_image
        self._platform = platform or Platform()
        self._facts: dict[str, dict[Any, Any]] = {
            name: {}
            for name in (
                "nodes",
                "namespaces",
                "pods",
                "children",
                "gateways",
                "volumes",
                *DEVICE_KINDS.values(),
                *QUEUE_KINDS.values(),
                *OWN_KINDS.values(),
            )
        }
        self._versions: dict[Ref, int] = {}
        self._gone: dict[Ref, int] = {}
        self._canaries: dict[str, Canary] = {}
        self._proofs: dict[str, Proof] = {}
        self._charges: dict[str, tuple[Charge, ...]] = {}
        self._reports: dict[Ref, Report] = {}
        self._unserved: set[str] = set()
        self._unlisted: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._untrusted: dict[str, str] = {}
        self._definitions: dict[str, Definition] = {}
        self._assumed: dict[Ref, ConditionedStatus] = {}
        self._capabilities = DEFAULT
        self._clock = Clock()
        self._tally = Tally()
        self._snapshot: Snapshot | None = None
        self._views: dict[str, Any] = {}
        self._derived = DerivedFacts()

    def apply(self, kind: str, raw: Mapping[str, Any]) -> Change | None:
        """Take an object in. Return the change, or None where no fact about it differs."""
        raw = dict(raw)
        ref, version = Ref.of(kind, raw), _number(version_of(raw))
        if self._is_known(ref, version):
            return None
        fact = self._parse(kind, raw)
        self._versions[ref] = version
        self._gone.pop(ref, None)
        if kind == "Pod" and self._tally.place(ref, parse_placed(raw)):
            self._snapshot = None
        return self._put(ref, fact)

    def is_known(self, ref: Ref, version: str) -> bool:
        """Say whether nothing would come of taking the object in, since this resource version of it or a later one is known."""
        return self._is_known(ref, _number(version))

    def _is_known(self, ref: Ref, version: int) -> bool:
        known = self._versions.get(ref, 0)
        return version < known or bool(version and version == known) or version <= self._gone.get(ref, -1)

    def delete(self, kind: str, raw: Mapping[str, Any]) -> Change | None:
        """Forget an object. Return the change, or None where nothing was known about it."""
        ref, version = Ref.of(kind, dict(raw)), _number(version_of(raw))
        if version < self._versions.get(ref, 0):
            return None
        return self._forget(ref, version)

    def refs(self, kind: str) -> set[Ref]:
        """Return the objects of a kind that are known."""
        return {ref for ref in self._versions if ref.kind == kind}

    def retain(self, kind: str, listed: Container[Ref], version: int) -> list[Change]:
        """Forget the objects of a kind that a full list, made at that resource version, doesn't hold any more."""
        gone = [
            ref for ref, seen in self._versions.items() if ref.kind == kind and ref not in listed and seen <= version
        ]
        changes = [change for ref in gone if (change := self._forget(ref, version)) is not None]
        self._gone = {ref: at for ref, at in self._gone.items() if ref.kind != kind or at > version}
        return changes

    def replace(self, kind: str, items: Iterable[Mapping[str, Any]], version: int) -> list[Change]:
        """Take in a full list of a kind, made at that resource version, and forget what isn't in it any more."""
        listed, changes = set(), []
        for item in items:
            listed.add(Ref.of(kind, dict(item)))
            if (change := self.apply(kind, item)) is not None:
                changes.append(change)
        return [*changes, *self.retain(kind, listed, version)]

    def advance(self, now: float) -> list[Change]:
        """Take in the time. Return a change, of two equal sides, for each NodeAttestation whose statement begins or ends by that.

        ``now`` counts seconds since the epoch, and may be earlier than before.
        """
        names = self._clock.advance(now)
        if not names:
            return []
        facts = self._facts["attestations"]
        changes = [Change(Ref("NodeAttestation", "", n), facts[n], facts[n]) for n in names if n in facts]
        for change in changes:
            self._anew(change)
        return changes

    def record_served(self, kind: str, *, served: bool) -> list[Change]:
        """Take in whether the API server serves a kind that clusters do without. What isn't served isn't there."""
        if served == (kind not in self._unserved):
            return []
        self._anew()
        self._derived.reset()
        if served:
            self._unserved.discard(kind)
            return []
        self._unserved.add(kind)
        own = [(ref, version) for ref, version in self._versions.items() if ref.kind == kind]
        return [change for ref, version in own if (change := self._forget(ref, version)) is not None]

    @property
    def capabilities(self) -> Capabilities:
        """What the cluster's Kubernetes offers."""
        return self._capabilities

    def record_capabilities(self, capabilities: Capabilities) -> Change | None:
        """Take in what the cluster's Kubernetes offers. Return the change, or None where that is known already."""
        before, self._capabilities = self._capabilities, capabilities
        if before == capabilities:
            return None
        self._anew()
        self._derived.reset()
        return Change(KUBERNETES, before, capabilities)

    def record_unlisted(self, kinds: frozenset[str], refused: frozenset[str] = frozenset()) -> None:
        """Take in of which kinds there was no full list yet, and which of these the API server refuses to list."""
        if (kinds, refused & kinds) != (self._unlisted, self._refused):
            self._unlisted, self._refused = kinds, refused & kinds
            self._anew()
            self._derived.reset()

    def record_untrusted(self, groups: Mapping[str, str]) -> Change | None:
        """Take in of which API groups nothing new is believed, and why. Return the change, or None where that is known already."""
        before, self._untrusted = self._untrusted, dict(groups)
        if before == self._untrusted:
            return None
        self._anew()
        return Change(KUBERNETES, self._capabilities, self._capabilities)

    def record_definition(self, kind: str, definition: Definition) -> Change | None:
        """Take in how the definition of one of Daulat's own kinds differs from this release's. None where that is known already."""
        before = self._definitions.get(kind, Definition())
        self._definitions[kind] = definition
        if (before.missing, before.unknown) == (definition.missing, definition.unknown):
            return None
        self._anew()
        return Change(KUBERNETES, self._capabilities, self._capabilities)

    def record_canary(self, policy: str, canary: Canary, proof: Proof | None = None) -> None:
        """Take in what came of a canary, and what it proves. A try without a verdict disproves nothing."""
        if policy.partition("/")[0] not in self._facts["policies"]:
            return  # It is gone since it was tried.
        self._canaries[policy] = canary
        if proof is not None:
            self._proofs[policy] = proof
        elif not canary.error:
            known = self._proofs.get(policy)
            if known is not None and not (canary.refused and f"revision {known.revision}" in canary.message):
                del self._proofs[policy]
        self._anew()

    def record_charge(self, policy: str, charge: Charge) -> None:
        """Take in that running pods are being taken away under a policy. What is older than the window is forgotten.

        What is charged again counts once, with the most pods that it had: fewer are left of a workload whose pods go one by one.
        """
        if policy not in self._facts["policies"]:
            return
        recent = [c for c in self._charges.get(policy, ()) if charge.at - c.at < WINDOW]
        pods = max([charge.pods, *(c.pods for c in recent if c.uid and c.uid == charge.uid)])
        others = (c for c in recent if not c.uid or c.uid != charge.uid)
        self._charges[policy] = (*others, replace(charge, pods=pods))
        self._anew()

    def record_report(self, ref: Ref, report: Report) -> bool:
        """Take in what became of the last pass over a key. Return whether that is news."""
        if self._reports.get(ref, Report()) == report:
            return False
        if report == Report():
            del self._reports[ref]
        else:
            self._reports[ref] = report
        self._anew()
        return True

    def assume(self, ref: Ref, status: ConditionedStatus | None) -> None:
        """Count on this status of a model or a policy, decided and perhaps not written yet, or on what is known alone.

        The next decision sees it, however long the write takes and whether or not its answer comes.
        """
        if self._assumed.get(ref) is not status:
            self._anew()
            if status is None:
                del self._assumed[ref]
            else:
                self._assumed[ref] = status

    def version(self, ref: Ref, uid: str) -> str:
        """Return the resource version of an object whose status the operator writes; empty where none of that uid is known."""
        facts, key = self._place(ref)
        known, version = facts.get(key), self._versions.get(ref)
        return str(version) if version and known is not None and known.uid == uid else ""

    def snapshot(self) -> Snapshot:
        """Return everything known now."""
        if self._snapshot is None:
            # Only what changed is copied: a snapshot is taken for every pass, and there may be tens of thousands of pods.
            for name in self._facts.keys() - self._views.keys():
                self._views[name] = MappingProxyType(dict(self._facts[name]))
            self._snapshot = Snapshot(
                **self._views,
                **self._tally.views(),
                derived=self._derived,
                sequence=self._derived.sequence,
                canaries=dict(self._canaries),
                proofs=dict(self._proofs),
                charges=dict(self._charges),
                reports=dict(self._reports),
                assumed=dict(self._assumed),
                unserved=frozenset(self._unserved),
                unlisted=self._unlisted,
                refused=self._refused,
                untrusted=dict(self._untrusted),
                definitions=dict(self._definitions),
                capabilities=self._capabilities,
                moment=self._clock.now,
                operator_namespace=self._operator_namespace,
                weights_image=self._weights_image,
                platform=self._platform,
            )
        return self._snapshot

    def _put(self, ref: Ref, fact: Any) -> Change | None:
        facts, key = self._place(ref)
        old = facts.get(key)
        if old == fact and ref.kind not in OWN_KINDS:
            return None  # A heartbeat, for instance. Only Daulat's own kinds have a status beside what is compared.
        change = Change(ref, old, fact) if old != fact else None
        if change is None and isinstance(old, Declared):
            # The same spec stays the same object: derived facts go by that.
            fact = replace(old, status=fact.status, stored=fact.stored)
        # A status alone is no change of a fact, but must be seen.
        self._anew(change, ref)
        self._count(ref, old, fact)
        if fact is None:
            facts.pop(key, None)
        else:
            facts[key] = fact
        if ref.kind == "NodeAttestation":
            self._clock.follow(ref.name, fact)
        return change

    def _forget(self, ref: Ref, version: int) -> Change | None:
        self._versions.pop(ref, None)
        self._gone[ref] = version
        if ref.kind == "Pod" and self._tally.place(ref, None):
            self._snapshot = None
        facts, key = self._place(ref)
        old = facts.pop(key, None)
        if old is None:
            return None
        change = Change(ref, old, None)
        self._anew(change, ref)
        self._count(ref, old, None)
        if ref.kind == "NodeAttestation":
            self._clock.follow(ref.name, None)
        self._assumed.pop(ref, None)
        self._reports.pop(ref, None)
        if ref.kind == "SovereigntyPolicy":
            self._proofs.pop(ref.name, None)
            self._charges.pop(ref.name, None)
            for name in [n for n in self._canaries if n.partition("/")[0] == ref.name]:
                del self._canaries[name]
        return change

    def _count(self, ref: Ref, old: Any, new: Any) -> None:
        if ref.kind == "Pod" or ref.kind in CHILD_KINDS:
            self._tally.change(old, new)

    def _anew(self, change: Change | None = None, ref: Ref | None = None) -> None:
        """Drop the snapshot, and the view of the object's kind."""
        self._snapshot = None
        if ref is not None:
            self._views.pop(_shelf(ref), None)
        self._derived.changed(change)

    def _place(self, ref: Ref) -> tuple[dict[Any, Any], Any]:
        return self._facts[_shelf(ref)], ref if ref.kind in _NAMESPACED else ref.name


def _shelf(ref: Ref) -> str:
    if ref.kind in CHILD_KINDS:
        return "children"
    others = {"Pod": "pods", "Node": "nodes", "Namespace": "namespaces", "Gateway": "gateways"}
    others |= {"PersistentVolume": "volumes", **DEVICE_KINDS, **QUEUE_KINDS}
    return OWN_KINDS.get(ref.kind) or others[ref.kind]


def parse_fact(kind: str, raw: dict[str, Any]) -> Any:
    """Read an object of a kind as the operator needs it; None where it is of no interest. KeyError for other kinds."""
    meta = raw.get("metadata") or {}
    if kind in OWN_KINDS:
        return parse_declared(kind, raw)
    if kind in CHILD_KINDS:
        return parse_child(kind, raw) if (meta.get("labels") or {}).get(MANAGED_BY) == "daulat" else None
    if kind == "Node":
        return parse_node(raw)
    if kind == "Pod":
        return parse_pod(raw)
    if kind == "Gateway":
        return parse_gateway(raw)
    if kind == "PersistentVolume":
        return parse_volume(raw)
    if kind == "ResourceSlice":
        return parse_slice(raw)
    if kind == "ResourceClaim":
        return parse_claim(raw)
    if kind == "Namespace":
        return parse_namespace(meta)
    if kind == "Workload":
        return parse_workload(raw)
    if kind == "AdmissionCheck":
        return parse_admission_check(raw)
    if kind == "ResourceFlavor":
        return parse_flavor(raw)
    raise KeyError(kind)


def version_of(raw: Mapping[str, Any]) -> str:
    """Return the object's resource version; empty where it has none."""
    return str((raw.get("metadata") or {}).get("resourceVersion") or "")


def _number(version: str) -> int:
    """Return a resource version as a number, which is comparable since Kubernetes 1.35; 0 where it isn't one."""
    return int(version) if version.isdigit() else 0
