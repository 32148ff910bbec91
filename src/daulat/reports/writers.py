"""Whose an object is, of kinds whose verdict depends on the user that wrote it: the API keeps no record of that user.

What controllers keep by themselves is told apart by facts that they enforce, and not by a label alone, which any user could write:
a label on a slice of a Service without a selector has no controller behind it.
"""

from __future__ import annotations

from collections.abc import Collection

from daulat.api.kinds import Manifest
from daulat.api.names import MANAGED_BY, MODEL_LABEL
from daulat.api.policy import SovereigntyPolicySpec
from daulat.kube.resources import Resource
from daulat.reconcile.closed_egress import NAMES

ORDINARY_USER = "an-ordinary-user"
"""Who is taken to have made an object: a user without any verb that controls look for."""
_MANAGER = "endpointslice.kubernetes.io/managed-by"
_SLICES, _MIRRORED = "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"
_SERVICE = "kubernetes.io/service-name"
_OF_API_SERVER = ("default", "kubernetes")
_KNATIVE = "networking.internal.knative.dev/"


def kept(item: Manifest, resource: Resource, selecting: Collection[str]) -> bool:
    """Say whether a controller keeps the object as it is, and puts right what others write into it.

    ``selecting`` has the names of the namespace's Services with a selector: the addresses of these are the controllers'.
    """
    meta = item.get("metadata") or {}
    name, labels = str(meta.get("name") or ""), meta.get("labels") or {}
    if resource.kind == "NetworkPolicy":
        return labels.get(MANAGED_BY) == "daulat" and (MODEL_LABEL in labels or name in NAMES)
    if (meta.get("namespace"), name) == _OF_API_SERVER:
        return True
    if resource.kind == "Endpoints":
        return name in selecting
    if resource.kind == "EndpointSlice":
        # A mirrored slice is a copy of an Endpoints, which is judged.
        return labels.get(_MANAGER) == _MIRRORED or (
            labels.get(_MANAGER) == _SLICES and labels.get(_SERVICE) in selecting
        )
    return False


def writer(item: Manifest, resource: Resource, spec: SovereigntyPolicySpec) -> str:
    """Return who is taken to have written the object: Knative's controller, where the policy names one and an object of Knative
    owns it. The control then decides by the addresses whether that controller may have.
    """
    if resource.kind == "Endpoints" and spec.exposure is not None and spec.exposure.knative_controllers:
        owners = (item.get("metadata") or {}).get("ownerReferences") or ()
        if any(str(owner.get("apiVersion")).startswith(_KNATIVE) for owner in owners):
            return spec.exposure.knative_controllers[0]
    return ORDINARY_USER
