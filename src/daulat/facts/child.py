"""An object that Daulat has made: enough of it to see that it is still as it was made, and whether it is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from daulat.admission.policy import digest
from daulat.admission.validating import selected_namespaces
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import MODEL_LABEL, POLICY_LABEL, REVISION_ANNOTATION, SOURCE_ANNOTATION

from .ref import Ref


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
    source: str = ""
    """Who applies it, where it is an admission policy or a binding: Operator or GitOps."""
    content: str = ""
    """The digest of the spec of an admission policy or a binding, to see drift by."""
    selector: LabelSelector | None = None
    """The namespaces in which it holds, where it is the binding of a policy's guard of pods."""


def parse_child(kind: str, raw: Mapping[str, Any]) -> Child:
    """Read an object that carries Daulat's labels."""
    meta, status = raw.get("metadata") or {}, raw.get("status") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    owners = meta.get("ownerReferences") or ()
    generation = meta.get("generation")
    version = f"g{generation}" if generation else f"v{meta.get('resourceVersion')}"
    # A note counts as well: the operator takes an object back that somebody else applied with the same spec.
    version += str(annotations.get(SOURCE_ANNOTATION) or "")
    stuck = [
        str(c.get("message", ""))
        for c in status.get("conditions") or ()
        if c.get("type") == "ReplicaFailure" and c.get("status") == "True"
    ]
    return Child(
        ref=Ref.of(kind, dict(raw)),
        uid=str(meta.get("uid") or ""),
        version=version,
        policy=str(labels.get(POLICY_LABEL) or ""),
        model=str(labels.get(MODEL_LABEL) or ""),
        owner_uid=str(owners[0].get("uid") or "") if owners else "",
        revision=str(annotations.get(REVISION_ANNOTATION) or ""),
        deleting=bool(meta.get("deletionTimestamp")),
        replicas=int(status.get("replicas") or 0),
        ready_replicas=int(status.get("readyReplicas") or 0),
        message=" ".join(stuck),
        source=str(annotations.get(SOURCE_ANNOTATION) or ""),
        content=digest(raw.get("spec")) if "Admission" in kind else "",
        selector=_pods_selector(kind, dict(raw), str(labels.get(POLICY_LABEL) or "")),
    )


def _pods_selector(kind: str, raw: Manifest, policy: str) -> LabelSelector | None:
    name = str((raw.get("metadata") or {}).get("name"))
    if kind != "ValidatingAdmissionPolicyBinding" or not policy or not name.startswith(f"{policy}.pods."):
        return None
    try:
        return LabelSelector.model_validate(selected_namespaces(raw))
    except (KeyError, TypeError, ValidationError):
        return None
