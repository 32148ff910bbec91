"""Proof that a policy is in force: a dry run of a violating pod that the current revision really refuses."""

from __future__ import annotations

from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.names import CANARY_ANNOTATION
from daulat.facts.snapshot import Canary
from daulat.reconcile.conditions import Told, told

PATIENCE = 1.0
"""Seconds between tries while the API server takes up a new revision, which takes it one or two."""


def canary_pod(policy: str, namespace: str) -> Manifest:
    """Return a pod that asks for a node by name, from an image of nobody: within Pod Security "restricted" all the same,
    so that nothing else refuses it first."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"daulat-canary-{policy}",
            "namespace": namespace,
            "annotations": {CANARY_ANNOTATION: policy},
        },
        "spec": {
            "nodeName": "daulat-canary",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "canary",
                    "image": "canary.invalid/daulat:canary",
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def judge(found: Canary | None, revision: str) -> tuple[Told, bool]:
    """Return the condition ``Enforced``, and whether it is proved for this revision."""
    if found is None:
        return told(reasons.ENFORCED, None, reasons.CANARY_PENDING, f"revision {revision} wasn't tried yet"), False
    if not found.refused:
        message = f"a violating pod would have been let into namespace {found.namespace}: {found.message}"
        return told(reasons.ENFORCED, False, reasons.CANARY_ADMITTED, message), False
    if f"revision {revision}" not in found.message:
        message = f"revision {revision} isn't live yet; the answer was: {found.message}"
        return told(reasons.ENFORCED, None, reasons.CANARY_PENDING, message), False
    if "USE-01 " in found.message:
        message = "pods without a nodeSelector are refused, because the mutating policy that pins them isn't live yet"
        return told(reasons.ENFORCED, None, reasons.CANARY_PENDING, message), False
    message = f"a violating pod was refused in namespace {found.namespace} by revision {revision}"
    return told(reasons.ENFORCED, True, reasons.CANARY_REFUSED, message), True
