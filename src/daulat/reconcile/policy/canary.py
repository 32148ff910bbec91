"""Proof that a policy is in force: a dry run of a violating pod that the current revision really refuses."""

from __future__ import annotations

from daulat.admission.policy import CompiledPolicy
from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.names import CANARY_ANNOTATION, ELIGIBLE, UNDECIDED_TAINT, eligible_label
from daulat.catalog.kubernetes import Pin
from daulat.facts.snapshot import Canary, Proof
from daulat.reconcile.conditions import Condition, condition

PROOF_LASTS = 900.0
"""Seconds for which a proof holds: three times as long as until the next one is due."""
UNPINNED = "USE-01 "
"""What the answer has in it where nothing added the policy's nodeSelector to the pod."""
OTHER = "Other"
"""What status calls a pin that isn't Daulat's."""
PATIENCE = 1.0
"""Seconds between tries while the API server takes up a new revision, which takes it one or two."""


def canary_pod(policy: str, namespace: str) -> Manifest:
    """Return a pod that tolerates the taint of undecided nodes, from an image of nobody.

    Nothing else is to refuse it first: it is within Pod Security "restricted" and OpenShift's "restricted-v2", which chooses the
    user. It names no node, because OpenShift's plugin for node selectors refuses the name of one that doesn't exist.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"daulat-canary-{policy}",
            "namespace": namespace,
            "annotations": {CANARY_ANNOTATION: policy},
        },
        "spec": {
            "tolerations": [{"key": UNDECIDED_TAINT, "operator": "Exists"}],
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
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


def judge(found: Canary | None, proof: Proof | None, result: CompiledPolicy, now: float) -> tuple[Condition, bool]:
    """Return the condition ``Enforced``, and whether it is proved for this revision.

    A try without a verdict, since a webhook of others or the API server failed, proves nothing and disproves nothing: the proof
    before it holds as long as a proof may. The condition says how pods get the policy's nodeSelector: the dry run shows whether the
    pin works, and the policy is in force either way.
    """
    revision = result.revision
    if found is None:
        message = f"revision {revision} wasn't tried yet"
        return condition(reasons.ENFORCED, None, reasons.CANARY_PENDING, message), False
    if found.error:
        if proof is not None and proof.revision == revision and now - proof.at < PROOF_LASTS:
            message = f"revision {revision} refused a violating pod; the latest try had no verdict: {found.error}"
            return condition(reasons.ENFORCED, True, reasons.CANARY_REFUSED, message), False
        message = f"it is unknown whether revision {revision} is in force; the dry run had no verdict: {found.error}"
        return condition(reasons.ENFORCED, None, reasons.CANARY_FAILED, message), False
    if not found.refused:
        message = f"a violating pod would have been admitted to namespace {found.namespace}: {found.message}"
        return condition(reasons.ENFORCED, False, reasons.CANARY_ADMITTED, message), False
    if f"revision {revision}" not in found.message:
        message = f"revision {revision} isn't live yet; the answer was: {found.message}"
        return condition(reasons.ENFORCED, None, reasons.CANARY_PENDING, message), False
    if UNPINNED in found.message and result.pin is Pin.MUTATING_POLICY:
        message = "pods without a nodeSelector are refused, because the mutating policy that pins them isn't live yet"
        return condition(reasons.ENFORCED, None, reasons.CANARY_PENDING, message), False
    if now - found.at >= PROOF_LASTS:
        message = f"revision {revision} was proved more than {PROOF_LASTS / 60:.0f} minutes ago, and not since"
        return condition(reasons.ENFORCED, None, reasons.PROOF_EXPIRED, message), False
    message = (
        f"a violating pod was refused in namespace {found.namespace} by revision {revision}; {_pinned(found, result)}"
    )
    return condition(reasons.ENFORCED, True, reasons.CANARY_REFUSED, message), True


def pin_in_use(found: Canary | None, result: CompiledPolicy) -> str | None:
    """Return what adds the policy's nodeSelector to pods, as the dry run showed it; None where it showed nothing."""
    if found is None or found.error or not found.refused or f"revision {result.revision}" not in found.message:
        return None
    if not result.pins or UNPINNED in found.message:
        return str(Pin.REFUSE) if result.pins else None
    return OTHER if result.pin is Pin.REFUSE else str(result.pin)


def _pinned(found: Canary, result: CompiledPolicy) -> str:
    """Return the same as part of a sentence."""
    by = pin_in_use(found, result)
    if by is None:
        return "the policy doesn't require a nodeSelector"
    if by == Pin.REFUSE:
        lacks = (
            f" ({result.pin} doesn't act on annotation {result.pin.annotation} there)" if result.pin.annotation else ""
        )
        line = f"{eligible_label(result.name)}: {ELIGIBLE}"
        return f"nothing pins pods{lacks}, so those whose nodeSelector lacks {line} are refused"
    if by == OTHER:
        return "pods are pinned by an admission plugin or webhook that isn't Daulat's"
    where = f", with annotation {result.pin.annotation} of their namespace" if result.pin.annotation else ""
    return f"pods are pinned by {'a ' if not where else ''}{by}{where}"
