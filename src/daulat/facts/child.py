"""An object that Daulat has made: enough of it to see that it is still as it was made, and whether it is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import (
    DOMAIN_ANNOTATION,
    GROUP,
    GROUP_LABEL,
    INPUTS_ANNOTATION,
    MANAGED_BY,
    MODEL_LABEL,
    POLICY_LABEL,
    REVISION_ANNOTATION,
    SOURCE_ANNOTATION,
)
from daulat.kube.ref import Ref
from daulat.kube.resources import Use, kinds

from .answer import Answer, answer

WORKLOADS = kinds(Use.WORKLOAD)
"""The kinds that make a model's pods."""


@dataclass(frozen=True)
class Child:
    """An object that Daulat has made. ``version`` changes when anything but its status is changed by anybody."""

    ref: Ref
    uid: str
    version: str
    policy: str
    model: str
    owner_uid: str
    revision: str
    deleting: bool
    replicas: int = 0
    ready_replicas: int = 0
    message: str = field(default="", compare=True)
    """What a Deployment says that keeps it from progressing."""
    wanted: int = 0
    """Replicas that its spec asks for."""
    updated: int = 0
    """Replicas that were made by its latest template."""
    settled: bool = True
    """Whether its controller has seen its latest spec."""
    inputs: str = ""
    """The digest of what its model says of its pods; empty where a release made it that wrote none."""
    surges: bool = False
    """Whether it brings a new pod before an old one goes."""
    stalled: str = ""
    """What it says where a rollout has taken longer than it may."""
    group: str = ""
    """The group of pods that it is, where a replica has several nodes."""
    domain: str = ""
    """The interconnect domain that the group was made for."""
    source: str = ""
    """Who applies it, where it is an admission policy or a binding: Operator or GitOps."""
    content: str = ""
    """The digest of the spec of an admission policy or a binding, to see drift by."""
    selector: LabelSelector | None = None
    """The namespaces in which it holds, where it is the binding of a policy's guard of pods."""
    is_owned_by_model: bool = False
    """Whether its owner is a SovereignModel: the garbage collector takes it away with that."""
    held: bool = False
    """Whether a finalizer keeps it while it is being deleted, and what it owns as well: its pods run on."""
    answer: Answer | None = None
    """What the controller of an autoscaler or a route says about it; None where it has said nothing yet."""


def owner(metadata: Mapping[str, Any]) -> str:
    """Return the uid of an object's owner: of several, of the one that controls it. Empty where it has none."""
    return str(_owner(metadata).get("uid") or "")


def _owner(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    owners = metadata.get("ownerReferences") or ()
    return next((o for o in owners if o.get("controller")), owners[0] if owners else {})


_COLLECTED = "foregroundDeletion"
"""The finalizer with which the garbage collector deletes what an object owns before the object itself."""


def _tells(label: str) -> bool:
    return label.startswith(f"{GROUP}/") or label in (MANAGED_BY, "app.kubernetes.io/name")


def parse_child(kind: str, raw: Mapping[str, Any]) -> Child:
    """Read an object that carries Daulat's labels."""
    meta, status = raw.get("metadata") or {}, raw.get("status") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    generation = meta.get("generation")
    version = f"g{generation}" if generation else f"v{meta.get('resourceVersion')}"
    if kind == "HorizontalPodAutoscaler":
        # It has no generation, and its status, which changes every few seconds, would pass for a change by somebody else.
        version = f"d{digest([raw.get('spec'), labels])}"
    elif generation:
        # What tells whose it is has no generation.
        version += digest([{k: v for k, v in labels.items() if _tells(k)}, meta.get("ownerReferences")])
    # A note counts as well: the operator takes an object back that somebody else applied with the same spec.
    version += str(annotations.get(SOURCE_ANNOTATION) or "")
    spec = raw.get("spec") or {}
    conditions = {str(c.get("type")): c for c in status.get("conditions") or ()}
    stuck, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    stalled = progress.get("status") == "False" and progress.get("reason") == "ProgressDeadlineExceeded"
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {} if kind == "Deployment" else {}
    replicas = spec.get("replicas") if kind in WORKLOADS else None
    return Child(
        ref=Ref.of(kind, dict(raw)),
        uid=str(meta.get("uid") or ""),
        version=version,
        policy=str(labels.get(POLICY_LABEL) or ""),
        model=str(labels.get(MODEL_LABEL) or ""),
        owner_uid=owner(meta),
        revision=str(annotations.get(REVISION_ANNOTATION) or ""),
        inputs=str(annotations.get(INPUTS_ANNOTATION) or ""),
        deleting=bool(meta.get("deletionTimestamp")),
        replicas=int(status.get("replicas") or 0),
        ready_replicas=int(status.get("readyReplicas") or 0),
        message=str(stuck.get("message") or "") if stuck.get("status") == "True" else "",
        wanted=1 if replicas is None else int(replicas),
        updated=int(status.get("updatedReplicas") or 0),
        settled=not generation or int(status.get("observedGeneration") or 0) >= int(generation),
        surges=bool(rolling.get("maxSurge")),
        stalled=str(progress.get("message") or "") if stalled else "",
        group=str(labels.get(GROUP_LABEL) or ""),
        domain=str(annotations.get(DOMAIN_ANNOTATION) or ""),
        source=str(annotations.get(SOURCE_ANNOTATION) or ""),
        content=digest(raw.get("spec")) if "Admission" in kind else "",
        selector=_pods_selector(kind, dict(raw), str(labels.get(POLICY_LABEL) or "")),
        is_owned_by_model=_owner(meta).get("kind") == "SovereignModel",
        held=bool(meta.get("deletionTimestamp") and meta.get("finalizers") and _COLLECTED not in meta["finalizers"]),
        answer=answer(kind, raw),
    )


def namespace_selector(binding: Manifest) -> LabelSelector | None:
    """Return the namespaces in which the binding of an admission policy holds, or None where that can't be read."""
    try:
        return LabelSelector.model_validate(binding["spec"]["matchResources"]["namespaceSelector"])
    except (KeyError, TypeError, ValidationError):
        return None


def _pods_selector(kind: str, raw: Manifest, policy: str) -> LabelSelector | None:
    name = str((raw.get("metadata") or {}).get("name"))
    if kind != "ValidatingAdmissionPolicyBinding" or not policy or not name.startswith(f"{policy}.pods."):
        return None
    return namespace_selector(raw)
