"""What Kueue has in its queues: workloads with their AdmissionChecks, and the nodes that a ResourceFlavor stands for.

A workload is what Kueue admits as a whole: a Job, a group of pods, one pod of a Deployment. Only those with AdmissionChecks are
kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daulat.api.frozen import FrozenDict

from .pod import requested

_ORIGIN = "kueue.x-k8s.io/multikueue-origin"
"""MultiKueue's label of what it has copied (Kueue 0.17.0, apis/kueue/v1beta2/multikueue_types.go)."""


@dataclass(frozen=True)
class PodToleration:
    """A toleration as the scheduler reads it: one without a key tolerates every taint, one without an effect every effect."""

    key: str = ""
    exists: bool = False
    value: str = ""
    effect: str = ""

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """Say whether such a taint doesn't keep the pods away."""
        if self.effect not in ("", effect) or (self.key and self.key != key):
            return False
        return self.exists or (bool(self.key) and self.value == value)


@dataclass(frozen=True)
class CheckState:
    """The state of one AdmissionCheck of a workload."""

    name: str
    state: str
    """Pending, Ready, Retry or Rejected."""
    retries: int = 0
    """How often it was Retry before."""
    message: str = ""


@dataclass(frozen=True)
class PodSet:
    """Pods of a workload that are alike."""

    name: str
    count: int
    """The pods that quota is reserved for, or that are asked for as long as none is."""
    done: int = 0
    """Those of them that don't need their quota any more."""
    devices: FrozenDict[str, int] = field(default_factory=FrozenDict)
    """The extended resources of one pod."""
    node_selector: FrozenDict[str, str] = field(default_factory=FrozenDict)
    tolerations: tuple[PodToleration, ...] = ()
    flavors: frozenset[str] = frozenset()
    """The ResourceFlavors that Kueue has chosen."""


@dataclass(frozen=True)
class Owner:
    """The object that a workload stands for, such as a Job."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class QueuedWorkload:
    """A workload in a queue."""

    namespace: str
    name: str
    uid: str
    queue: str
    """The LocalQueue."""
    pod_sets: tuple[PodSet, ...]
    checks: tuple[CheckState, ...]
    reserved: bool
    """Whether quota is reserved for it, and it isn't evicted, deactivated or finished."""
    admitted: bool = False
    """Whether it runs already, or may."""
    owners: tuple[Owner, ...] = ()
    """What it stands for: one object, or the pods of a group."""
    copied: bool = False
    """Whether MultiKueue has copied it from another cluster. What it stands for is created here once it is admitted."""

    def states(self, names: frozenset[str]) -> set[str]:
        """Return the states of these AdmissionChecks."""
        return {check.state for check in self.checks if check.name in names}

    def awaits(self, names: frozenset[str]) -> bool:
        """Say whether one of these AdmissionChecks is to be decided now."""
        return self.reserved and "Pending" in self.states(names)


@dataclass(frozen=True)
class AdmissionCheck:
    """An AdmissionCheck: the controller that decides on it, and its condition Active."""

    name: str
    uid: str
    generation: int
    controller: str
    parameters: str = ""
    """The object with parameters that it names; empty where it names none."""
    active: tuple[str, str, str, int] = ("", "", "", 0)
    """Status, reason, message and observed generation of the condition; empty where there is none."""
    since: str = ""
    """When the condition's status changed last."""


@dataclass(frozen=True)
class Flavor:
    """A ResourceFlavor: pods that get it are bound to nodes with its labels, and tolerate what it adds."""

    name: str
    node_labels: FrozenDict[str, str]
    tolerations: tuple[PodToleration, ...] = ()


def parse_workload(raw: Mapping[str, Any]) -> QueuedWorkload | None:
    """Read a Workload; None where it has no AdmissionCheck."""
    meta, spec, status = raw.get("metadata") or {}, raw.get("spec") or {}, raw.get("status") or {}
    checks = tuple(
        CheckState(str(c.get("name")), str(c.get("state")), int(c.get("retryCount") or 0), str(c.get("message") or ""))
        for c in status.get("admissionChecks") or ()
    )
    if not checks:
        return None
    holds = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    active = spec.get("active", True) and not meta.get("deletionTimestamp")
    assigned = {str(a.get("name")): a for a in (status.get("admission") or {}).get("podSetAssignments") or ()}
    done = {str(r.get("name")): int(r.get("count") or 0) for r in status.get("reclaimablePods") or ()}
    return QueuedWorkload(
        namespace=str(meta.get("namespace") or ""),
        name=str(meta.get("name") or ""),
        uid=str(meta.get("uid") or ""),
        queue=str(spec.get("queueName") or ""),
        pod_sets=tuple(
            _pod_set(s, assigned.get(str(s.get("name")), {}), done.get(str(s.get("name")), 0))
            for s in spec.get("podSets") or ()
        ),
        checks=checks,
        reserved=bool(active) and "QuotaReserved" in holds and not holds & {"Evicted", "Finished"},
        admitted="Admitted" in holds,
        owners=tuple(
            Owner(str(o.get("apiVersion")), str(o.get("kind")), str(o.get("name")), str(o.get("uid")))
            for o in meta.get("ownerReferences") or ()
        ),
        copied=_ORIGIN in (meta.get("labels") or {}),
    )


def parse_admission_check(raw: Mapping[str, Any]) -> AdmissionCheck:
    """Read an AdmissionCheck."""
    meta, spec, status = raw.get("metadata") or {}, raw.get("spec") or {}, raw.get("status") or {}
    active: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c.get("type") == "Active"), {})
    state, reason, message = (str(active.get(key) or "") for key in ("status", "reason", "message"))
    parameters = spec.get("parameters") or {}
    return AdmissionCheck(
        name=str(meta.get("name") or ""),
        uid=str(meta.get("uid") or ""),
        generation=int(meta.get("generation") or 0),
        controller=str(spec.get("controllerName") or ""),
        parameters=f"{parameters.get('kind')} {parameters.get('name')}" if parameters else "",
        active=(state, reason, message, int(active.get("observedGeneration") or 0)),
        since=str(active.get("lastTransitionTime") or ""),
    )


def parse_flavor(raw: Mapping[str, Any]) -> Flavor:
    """Read a ResourceFlavor."""
    spec = raw.get("spec") or {}
    return Flavor(
        name=str((raw.get("metadata") or {}).get("name") or ""),
        node_labels=_texts(spec.get("nodeLabels")),
        tolerations=_tolerations(spec.get("tolerations") or ()),
    )


def _pod_set(raw: Mapping[str, Any], assigned: Mapping[str, Any], done: int) -> PodSet:
    pods = (raw.get("template") or {}).get("spec") or {}
    return PodSet(
        name=str(raw.get("name") or ""),
        # Kueue may admit fewer pods than are asked for.
        count=int(assigned.get("count", raw.get("count", 1))),
        done=done,
        devices=FrozenDict({name: count for name, count in requested(pods).items() if count}),
        node_selector=_texts(pods.get("nodeSelector")),
        tolerations=_tolerations(pods.get("tolerations") or ()),
        flavors=frozenset(map(str, (assigned.get("flavors") or {}).values())),
    )


def _tolerations(raw: Sequence[Mapping[str, Any]]) -> tuple[PodToleration, ...]:
    return tuple(
        PodToleration(
            str(t.get("key") or ""),
            t.get("operator") == "Exists",
            str(t.get("value") or ""),
            str(t.get("effect") or ""),
        )
        for t in raw
    )


def _texts(raw: Mapping[str, Any] | None) -> FrozenDict[str, str]:
    return FrozenDict({str(k): str(v) for k, v in (raw or {}).items()})
