"""Reasons of more than one condition."""

from __future__ import annotations

from .conditions import (
    ACCEPTED,
    ACCOUNTED,
    ACTIVE,
    AUTOSCALED,
    CERTIFIED,
    COMPILED,
    ENFORCED,
    EXPOSED,
    FOUND,
    POLICY_COMPLIANT,
    READY,
    ROLLED_OUT,
    SCHEMA_CURRENT,
    SCOPE_TAMPERABLE,
    UPHELD,
    WEAK_EVIDENCE,
    WORKLOAD_READY,
)
from .types import Reason

INVALID = Reason(
    "Invalid",
    (READY, ENFORCED, CERTIFIED, FOUND, ACTIVE, ACCEPTED, ACCOUNTED),
    "The object can't be read or compiled. What was in force stays in force.",
    "Correct the field named in the message, or upgrade the operator if a newer release wrote the object.",
)
DELETING = Reason(
    "Deleting",
    (READY,),
    "The object is being deleted and a finalizer keeps it. Its running objects are removed meanwhile.",
    "Remove the finalizer, or wait for its controller.",
    transient=True,
)
APPLY_FAILED = Reason(
    "ApplyFailed",
    (WORKLOAD_READY, COMPILED),
    "The API server refused an object that the operator applied. The message is the API server's answer.",
    "Correct what the API server's answer names. The operator retries.",
)
NODE_NOT_ELIGIBLE = Reason(
    "NodeNotEligible",
    (POLICY_COMPLIANT, UPHELD),
    "A pod is on a node that isn't eligible any more. The message has the cause and what happens to the pod.",
    "Make the node eligible again, or wait for the replacement of the pod on another node.",
)
SELECTS_UNPROTECTED_LABELS = Reason(
    "SelectsUnprotectedLabels",
    (SCOPE_TAMPERABLE, WEAK_EVIDENCE),
    "The selector uses labels without write protection.",
    "Select namespaces by labels under daulat.dev/, and nodes by labels under daulat.node-restriction.kubernetes.io/.",
)
SELECTS_BY_ABSENCE = Reason(
    "SelectsByAbsence",
    (WEAK_EVIDENCE,),
    "The selector requires no write-protected label: NotIn and DoesNotExist match every node that has just registered.",
    "Require a label under daulat.node-restriction.kubernetes.io/ by matchLabels, In or Exists.",
)
SELECTS_PROTECTED_LABELS = Reason(
    "SelectsProtectedLabels", (SCOPE_TAMPERABLE, WEAK_EVIDENCE), "The selector uses write-protected labels only."
)
WAITING_FOR_PLACEMENT = Reason(
    "WaitingForPlacement",
    (WORKLOAD_READY, ROLLED_OUT, AUTOSCALED, EXPOSED),
    "The condition isn't evaluated until Placed is True.",
)
DEFINITION_OUTDATED = Reason(
    "DefinitionOutdated",
    (SCHEMA_CURRENT,),
    "The CustomResourceDefinition is of another release than the operator and lacks fields. The API server drops them from what "
    "users apply, and the operator doesn't write them to the status. Policies are still enforced.",
    "Apply the CustomResourceDefinitions of the operator's release, which helm upgrade doesn't. See the chart's README.",
)
