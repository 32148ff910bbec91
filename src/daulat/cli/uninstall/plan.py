"""Decides what is removed, in which order, and what is kept: from lists of objects, without the cluster.

The order opens no gap before the end. First goes what lets something in or does nothing: models' workloads if they are
requested,
labels of nodes, what pins pods. As long as a step fails, all that refuses or isolates stays. Last go the guards, and of these the
one that keeps namespaces without a policy closed is the very last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from daulat.admission.node_selector import pins_in
from daulat.admission.ungoverned import UNGOVERNED
from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import (
    ELIGIBLE,
    GROUP,
    LEASE,
    MANAGED_BY,
    MODEL_LABEL,
    NODE_PREFIX,
    REPORT_NAME,
    UNDECIDED_TAINT,
    ZONE_LABEL,
)
from daulat.catalog.kubernetes import PIN_ANNOTATIONS
from daulat.kube.reported import REPORT_APIS
from daulat.kube.resources import REGISTRY, Resource, Use

_MADE = {r.kind: r for r in REGISTRY}
_LABELLED = tuple(r for r in REGISTRY if r.labels)
_ORDER = {Use.AUXILIARY: 0, Use.WORKLOAD: 1, Use.SUPPORT: 2}


class Step(IntEnum):
    """The steps, in order."""

    MODELS = 1
    """What runs models: only if it is asked for."""
    CLAIMS = 2
    """The claims that models' weights are kept in: only if they are requested."""
    LABELS = 3
    """Labels of nodes to which no pod is pinned, and annotations that pin the pods of namespaces."""
    PINS = 4
    """What pins pods. A pod that isn't pinned is refused, as long as the guards are there."""
    GUARDS = 5
    """Guards, the network's isolation, taints: from here on the cluster is open."""
    LEASE = 6
    """The Lease, and reports, which say nothing once no policy is in force."""
    DEFINITIONS = 7
    """The CustomResourceDefinitions with all their objects: only if it is asked for."""


@dataclass(frozen=True)
class Choice:
    """What is removed beside what nothing depends on."""

    models: bool = False
    weights: bool = False
    definitions: bool = False


@dataclass(frozen=True)
class Removal:
    """One object to delete, or, where ``labels``, ``taint`` or ``annotations`` are given, to take those from."""

    step: Step
    resource: Resource
    namespace: str
    name: str
    uid: str
    labels: tuple[str, ...] = ()
    taint: bool = False
    annotations: tuple[str, ...] = ()
    note: str = ""

    @property
    def deletes(self) -> bool:
        """Whether the object itself is deleted."""
        return not (self.labels or self.taint or self.annotations)

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        parts = [*(f"label {label}" for label in self.labels), *(f"annotation {a}" for a in self.annotations)]
        parts += [f"taint {UNDECIDED_TAINT}"] if self.taint else []
        told = f"{self.resource.kind} {where}" + (f": {', '.join(parts)}" if parts else "")
        return f"{told} ({self.note})" if self.note else told


@dataclass(frozen=True)
class Inventory:
    """The objects of a cluster that the plan is made from, by kind, as the API server lists them."""

    lists: Mapping[str, Sequence[Manifest]]
    resources: Mapping[str, Resource] = field(default_factory=lambda: _MADE)
    """Each kind in the version in which the cluster serves it."""

    def of(self, kind: str) -> Sequence[Manifest]:
        """Return the objects of a kind; nothing where it isn't served."""
        return self.lists.get(kind, ())


@dataclass(frozen=True)
class Plan:
    """What is removed, in order, and what is kept, as sentences."""

    removals: tuple[Removal, ...]
    kept: tuple[str, ...]


def plan(found: Inventory, choice: Choice, namespace: str) -> Plan:
    """Return the plan. ``namespace`` is the operator's."""
    # In the step of the guards these come first: as long as they refuse to go, the network and the nodes stay closed.
    removals = [
        *_admission(found),
        *_of_models(found, choice),
        *_of_nodes(found),
        *_of_namespaces(found),
        *_reports(found),
        *_lease(found, namespace),
        *_definitions(found, choice),
    ]
    return Plan(tuple(sorted(removals, key=lambda r: r.step)), tuple(_kept(found, choice, namespace)))


def running(found: Inventory, namespace: str, now: float) -> str:
    """Return what says that an operator runs, which would make anew what is removed; empty where none does."""
    for lease in found.of("Lease"):
        spec, meta = lease.get("spec") or {}, lease["metadata"]
        if (meta["namespace"], meta["name"]) != (namespace, LEASE) or not spec.get("holderIdentity"):
            continue
        renewed = datetime.fromisoformat(str(spec.get("renewTime") or "1970-01-01T00:00:00Z")).timestamp()
        if renewed + float(spec.get("leaseDurationSeconds") or 0) > now:
            return f"{spec['holderIdentity']} holds the Lease {namespace}/{LEASE}"
    for deployment in found.of("Deployment"):
        meta = deployment["metadata"]
        labels = meta.get("labels") or {}
        ours = meta["namespace"] == namespace and labels.get("app.kubernetes.io/name") == "daulat"
        if ours and labels.get(MANAGED_BY) != "daulat" and (deployment.get("spec") or {}).get("replicas", 1):
            return f"Deployment {namespace}/{meta['name']} has replicas"
    return ""


def _labels(item: Manifest) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _is_ours(item: Manifest) -> bool:
    return _labels(item).get(MANAGED_BY) == "daulat"


def _is_helms(item: Manifest) -> bool:
    return _labels(item).get(MANAGED_BY) == "Helm"


def _removal(found: Inventory, kind: str, item: Manifest, step: Step, note: str = "") -> Removal:
    meta = item["metadata"]
    return Removal(
        step, found.resources[kind], meta.get("namespace") or "", meta["name"], meta.get("uid") or "", note=note
    )


def _of_models(found: Inventory, choice: Choice) -> Iterator[Removal]:
    """Return what was made for models; isolation of the network last, and the one of whole namespaces in any case."""
    made = [r for r in _LABELLED if r.use in _ORDER]
    for resource in sorted(made, key=lambda r: _ORDER[r.use]):
        kind = resource.kind
        for item in found.of(kind):
            if not _is_ours(item):
                continue
            of_model = MODEL_LABEL in _labels(item)
            if kind == "NetworkPolicy":
                if choice.models or not of_model:
                    yield _removal(found, kind, item, Step.GUARDS)
            elif kind == "PersistentVolumeClaim":
                if choice.weights:
                    yield _removal(found, kind, item, Step.CLAIMS)
            elif choice.models:
                yield _removal(found, kind, item, Step.MODELS)


def _of_nodes(found: Inventory) -> Iterator[Removal]:
    pinned = _pinned(found)
    for node in found.of("Node"):
        meta = node["metadata"]
        if labels := tuple(label for label in _of_record(node) if label not in pinned):
            yield Removal(Step.LABELS, found.resources["Node"], "", meta["name"], meta.get("uid") or "", labels=labels)
        if any(t.get("key") == UNDECIDED_TAINT for t in (node.get("spec") or {}).get("taints") or ()):
            yield Removal(Step.GUARDS, found.resources["Node"], "", meta["name"], meta.get("uid") or "", taint=True)


def _of_record(node: Manifest) -> Iterator[str]:
    """Return the labels that the operator set; those of sites are a zone administrator's."""
    for label, value in sorted(_labels(node).items()):
        if label == ZONE_LABEL or (label.startswith(NODE_PREFIX) and value == ELIGIBLE):
            yield label


def _pinned(found: Inventory) -> frozenset[str]:
    """Return the labels that pods, or the templates of models' pods, ask for: without them a kubelet's restart ends the pods."""
    specs = [pod.get("spec") or {} for pod in found.of("Pod")]
    for resource in REGISTRY:
        if resource.use is Use.WORKLOAD:
            specs += [spec for item in found.of(resource.kind) if _is_ours(item) for spec in _templates(item)]
    return frozenset(
        label for spec in specs for label in spec.get("nodeSelector") or {} if label.startswith(NODE_PREFIX)
    )


def _templates(item: Manifest) -> Iterator[Manifest]:
    spec = item.get("spec") or {}
    group = spec.get("leaderWorkerTemplate") or {}
    for template in (spec.get("template"), group.get("leaderTemplate"), group.get("workerTemplate")):
        if template:
            yield template.get("spec") or {}


def _of_namespaces(found: Inventory) -> Iterator[Removal]:
    for item in found.of("Namespace"):
        meta = item["metadata"]
        notes = meta.get("annotations") or {}
        if annotations := tuple(a for a in sorted(PIN_ANNOTATIONS) if pins_in(str(notes.get(a) or ""))):
            resource, uid = found.resources["Namespace"], meta.get("uid") or ""
            yield Removal(Step.LABELS, resource, "", meta["name"], uid, annotations=annotations)


def _admission(found: Inventory) -> Iterator[Removal]:
    """Return admission policies, by their labels or, where something else than the chart installed them, by their names."""
    for kind in ("MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"):
        for item in _guards(found.of(kind)):
            yield _removal(found, kind, item, Step.PINS, _applied_by(item))
    for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
        for item in sorted(_guards(found.of(kind)), key=_last):
            yield _removal(found, kind, item, Step.GUARDS, _applied_by(item))


def _guards(items: Iterable[Manifest]) -> list[Manifest]:
    return [i for i in items if _is_ours(i) or (i["metadata"]["name"].endswith(f".{GROUP}") and not _is_helms(i))]


def _last(item: Manifest) -> tuple[bool, bool, str]:
    """Sort guards of pods behind others, and the one of namespaces without a policy last."""
    name = item["metadata"]["name"]
    return name == UNGOVERNED, name.endswith(f".pods.{GROUP}"), name


def _applied_by(item: Manifest) -> str:
    source = (item["metadata"].get("annotations") or {}).get(f"{GROUP}/source")
    return "applied by GitOps: remove it there as well" if source == "GitOps" else ""


def _reports(found: Inventory) -> Iterator[Removal]:
    """Return the reporter's reports, which nothing brings up to date any more."""
    for api in REPORT_APIS:
        for resource in (api.of_namespace, api.of_cluster):
            for item in found.of(resource.kind):
                if _is_ours(item) and item["metadata"]["name"] == REPORT_NAME:
                    yield _removal(found, resource.kind, item, Step.LEASE)


def _lease(found: Inventory, namespace: str) -> Iterator[Removal]:
    for item in found.of("Lease"):
        if (item["metadata"].get("namespace"), item["metadata"]["name"]) == (namespace, LEASE):
            yield _removal(found, "Lease", item, Step.LEASE)


def _definitions(found: Inventory, choice: Choice) -> Iterator[Removal]:
    ours = {f"{kind.plural}.{GROUP}" for kind in KINDS}
    for item in found.of("CustomResourceDefinition"):
        if choice.definitions and item["metadata"]["name"] in ours:
            yield _removal(found, "CustomResourceDefinition", item, Step.DEFINITIONS, "and every object of it")


def _kept(found: Inventory, choice: Choice, namespace: str) -> Iterator[str]:
    made = [r.kind for r in _LABELLED if r.use in _ORDER and r.kind != "PersistentVolumeClaim"]
    workloads = sum(_is_ours(i) and MODEL_LABEL in _labels(i) for kind in made for i in found.of(kind))
    if workloads and not choice.models:
        yield f"{workloads} objects that were made for models, which run on: --models removes them"
    claims = sum(_is_ours(i) for i in found.of("PersistentVolumeClaim"))
    if claims and not choice.weights:
        yield f"{claims} PersistentVolumeClaims with models' weights: --weights removes them"
    pinned = _pinned(found)
    labels = {label for node in found.of("Node") for label in _of_record(node) if label in pinned}
    if labels:
        yield (
            f"the node labels {', '.join(sorted(labels))}, to which pods are pinned: without them the kubelet would end these "
            "pods. Run the command again once they are gone"
        )
    ours = {f"{kind.plural}.{GROUP}" for kind in KINDS}
    if not choice.definitions and any(i["metadata"]["name"] in ours for i in found.of("CustomResourceDefinition")):
        yield "the CustomResourceDefinitions of daulat.dev with all their objects: --crds removes them"
    helms = sum(_is_helms(i) for i in found.of("ValidatingAdmissionPolicy") if i["metadata"]["name"].endswith(GROUP))
    if helms:
        yield f"what the chart installed, with {helms} guards: helm uninstall daulat --namespace {namespace}"
