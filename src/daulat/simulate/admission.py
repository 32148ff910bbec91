"""Finds running pods that admission would refuse after a change if they were created anew, and wouldn't refuse before."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.names import MODEL_LABEL, NODE_PREFIX
from daulat.api.timestamps import stamp
from daulat.check.governance import Namespaces
from daulat.check.inventory import Inventory
from daulat.check.judge import Judge, Options
from daulat.kube.ref import Ref
from daulat.manifest.document import from_api

from .world import World

_JUDGED_BY = ("SovereigntyPolicy", "SovereignZone", "AcceleratorProfile", "SovereigntyExemption", "Namespace")
_OF_POD = ("labels", "annotations")
SAMPLE = 5


@dataclass(frozen=True)
class Refusal:
    """Pods that would be refused with the same messages."""

    policy: str
    messages: tuple[str, ...]
    pods: int
    sample: tuple[str, ...]
    """Some of the pods, as namespace/name."""


@dataclass(frozen=True)
class Rules:
    """What judges pods at one moment."""

    inventory: Inventory
    now: float

    @classmethod
    def of(cls, world: World) -> Rules:
        """Return the rules of a world as it is now. What can't be read or compiled judges nothing, as in a cluster."""
        inventory = Inventory()
        for kind in _JUDGED_BY:
            for _, manifest in world.of_kind(kind):
                inventory.take(from_api(_plain(manifest)))
        return cls(inventory, world.now)

    @property
    def namespaces(self) -> Namespaces:
        """The namespaces with their labels."""
        return Namespaces(self.inventory.namespaces)

    @property
    def shared(self) -> tuple[object, ...]:
        """What every policy is compiled with. Which nodes a zone selects is no part of it."""
        found, labels = self.inventory, self.namespaces.labels
        zones = {name: spec.model_copy(update={"node_selector": None}) for name, spec in found.zones.items()}
        return found.profiles, found.exemptions, zones, {name: labels(name) for name in found.namespaces}

    def of_policies(self, names: Container[str]) -> Rules:
        """Return the rules of these policies alone."""
        kept = {name: spec for name, spec in self.inventory.policies.items() if name in names}
        return replace(self, inventory=replace(self.inventory, policies=kept))

    def judge(self, world: World) -> Judge:
        """Return what evaluates the rules."""
        policies, _ = self.inventory.compiled(self.now, world.store.capabilities)
        options = Options(
            created=stamp(self.now),
            cluster=world.store.capabilities,
            operator_namespace=world.snapshot.operator_namespace,
        )
        return Judge(policies, self.inventory.known_profiles, self.namespaces, options, self.inventory.scopes)


def refusals(before: Rules, after: Rules, pods: Iterable[tuple[Ref, Manifest]], world: World) -> list[Refusal]:
    """Return which pods would be refused after the change and not before it. Pods of models are left out: their models are judged.

    ``pods``: those that ran before the change. Pods that differ in name and node alone are judged once.
    """
    was, will_be = before.inventory.policies, after.inventory.policies
    if before.shared == after.shared:
        # Compiling takes a tenth of a second a policy, so it is done for those alone that differ.
        differing = {name for name in {*was, *will_be} if was.get(name) != will_be.get(name)}
        before, after = before.of_policies(differing), after.of_policies(differing)
        if not differing:
            return []
    selectors = [spec.namespace_selector for spec in after.inventory.policies.values()]
    labels = {name: after.namespaces.labels(name) or {} for name in after.inventory.namespaces}
    governed = {name for name, of in labels.items() if any(s.matches(of) for s in selectors)}
    judges = before.judge(world), after.judge(world)
    known: dict[str, set[tuple[str, str]]] = {}
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for ref, pod in pods:
        if ref.namespace not in governed or MODEL_LABEL in (pod["metadata"].get("labels") or {}):
            continue
        bare = _anew(pod)
        key = digest([ref.namespace, bare["spec"], {k: bare["metadata"].get(k) for k in _OF_POD}])
        if key not in known:
            refused = [_refused(judge, bare) for judge in judges]
            known[key] = refused[1] - refused[0]
        for policy in sorted({policy for policy, _ in known[key]}):
            messages = tuple(sorted(message for of, message in known[key] if of == policy))
            found.setdefault((policy, messages), []).append(f"{ref.namespace}/{ref.name}")
    return [
        Refusal(policy, messages, len(names), tuple(sorted(names)[:SAMPLE]))
        for (policy, messages), names in sorted(found.items())
    ]


def _refused(judge: Judge, pod: Manifest) -> set[tuple[str, str]]:
    findings = judge.judge(from_api(pod)).findings
    return {(f.policy, f.message) for f in findings if f.action == "Enforce" and f.policy}


def _anew(pod: Manifest) -> Manifest:
    """Return the pod as it would be created: without its node, and without what admission added."""
    meta = {k: v for k, v in pod["metadata"].items() if k in ("name", "namespace", *_OF_POD)}
    spec = {k: v for k, v in pod["spec"].items() if k != "nodeName"}
    own = {k: v for k, v in (spec.get("nodeSelector") or {}).items() if not k.startswith(NODE_PREFIX)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**spec, "nodeSelector": own}}


_API = {"Namespace": "v1"}


def _plain(manifest: Manifest) -> Manifest:
    api = _API.get(manifest["kind"], "daulat.dev/v1alpha1")
    meta = {k: v for k, v in manifest["metadata"].items() if k in ("name", "namespace", "labels")}
    spec = {"spec": manifest["spec"]} if "spec" in manifest and manifest["kind"] != "Namespace" else {}
    return {"apiVersion": api, "kind": manifest["kind"], "metadata": meta, **spec}
