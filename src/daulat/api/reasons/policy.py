"""Reasons of a SovereigntyPolicy: `Enforced`, `Compiled`, `EgressOpen`, `Upheld`."""

from __future__ import annotations

from .conditions import COMPILED, EGRESS_OPEN, ENFORCED, PLACED, POLICY_COMPLIANT, UPHELD
from .types import Reason

CANARY_REFUSED = Reason("CanaryRefused", (ENFORCED,), "The current revision refused the violating pod of the dry run.")
CANARY_PENDING = Reason(
    "CanaryPending",
    (ENFORCED,),
    "There is no result of a dry run against the current revision yet.",
    "Wait. The API server takes up a new revision within seconds.",
    transient=True,
)
POD_WITHOUT_MODEL = Reason(
    "PodWithoutModel",
    (UPHELD,),
    "A pod has the label daulat.dev/model, and no SovereignModel of that name made it. The message has the consequence.",
    "Find out what made the pod. Delete that, or remove the label from it.",
)
CANARY_ADMITTED = Reason(
    "CanaryAdmitted",
    (ENFORCED,),
    "The violating pod would have been admitted.",
    "Find out why the compiled policy isn't in effect: daulat doctor.",
)
CANARY_FAILED = Reason(
    "CanaryFailed",
    (ENFORCED,),
    "The dry run returned no verdict because the API server or an admission webhook failed. The message is its answer.",
    "Repair the webhook or the API server named in the message. The dry run is repeated.",
)
PROOF_EXPIRED = Reason(
    "ProofExpired",
    (ENFORCED,),
    "The last successful dry run is too old to prove that the policy is enforced, so the status is Unknown.",
    "Find out why newer dry runs fail: the operator's log has the answers of the API server.",
)
NO_GOVERNED_NAMESPACE = Reason(
    "NoGovernedNamespace",
    (ENFORCED,),
    "No namespace is governed, so there is no namespace for a dry run.",
    "Label a namespace so that the policy selects it.",
)
NOT_ENFORCING = Reason(
    "NotEnforcing",
    (ENFORCED,),
    "spec.action is Warn or Audit, so nothing is refused.",
    "Set spec.action to Enforce when the warnings are resolved.",
)
PROTECTED_NAMESPACE = Reason(
    "ProtectedNamespace",
    (ENFORCED,),
    "The policy selects kube-system or the operator's own namespace. What was in force stays in force.",
    "Change spec.namespaceSelector so that it excludes these namespaces.",
)

APPLIED = Reason("Applied", (COMPILED,), "The compiled policy is applied.")
IN_SYNC = Reason(
    "InSync",
    (COMPILED,),
    "With enforcement.source GitOps: the objects in the cluster are as the policy compiles.",
)
STATIC_MANIFESTS = Reason(
    "StaticManifests",
    (COMPILED,),
    "With enforcement.source GitOps: the API server enforces the current revision from static manifests, and the API has no "
    "objects of it.",
)
OUT_OF_SYNC = Reason(
    "OutOfSync",
    (COMPILED,),
    "With enforcement.source GitOps: the objects in the cluster aren't as the policy compiles. The message lists the differences.",
    "Apply the output of daulat compile.",
)
FACTS_NOT_TRUSTED = Reason(
    "FactsNotTrusted",
    (ENFORCED,),
    "Another server than the API server serves an API group from which facts are read, or every object of a kind of"
    " daulat.dev was deleted with its CustomResourceDefinition. The operator changes nothing; compiled policies stay in"
    " force.",
    "Remove spec.service from the APIService named in the message. If a CustomResourceDefinition was replaced on purpose, apply "
    "its objects again, or stop the operator, delete its Lease daulat-operator, and start it again.",
)
PROFILE_NOT_FOUND = Reason(
    "ProfileNotFound",
    (COMPILED,),
    "An approved AcceleratorProfile doesn't exist, so its resources aren't approved.",
    "Create the AcceleratorProfile, or remove it from spec.accelerators.profiles. If the policy approved it by other"
    " selectors, change spec.accelerators to confirm the deletion.",
)
PROFILE_UNREADABLE = Reason(
    "ProfileUnreadable",
    (COMPILED,),
    "An AcceleratorProfile that is or may be approved can't be read, so its resources aren't approved for new pods. Nodes that may "
    "have it keep their pods.",
    "Correct the AcceleratorProfile named in the message, or upgrade the operator if a newer release wrote it.",
)
APPLY_INCOMPLETE = Reason(
    "ApplyIncomplete",
    (COMPILED,),
    "An applied object isn't as compiled, for example because another field manager changed it, or an object of a former revision "
    "couldn't be deleted.",
    "Remove what changes the object named in the message, or what keeps it from being deleted. The operator retries.",
)

MODELS_ONLY = Reason(
    "ModelsOnly",
    (EGRESS_OPEN,),
    "The policy governs only the egress of models' pods. Other pods of governed namespaces have no NetworkPolicy by Daulat.",
    "Set spec.egress.scope to Namespace, after listing in spec.egress.allow what these pods need; or write NetworkPolicies of your "
    "own.",
)
NETWORK_POLICIES_MISSING = Reason(
    "NetworkPoliciesMissing",
    (EGRESS_OPEN,),
    "The policy governs the egress of every pod, and in some governed namespaces the NetworkPolicies for it aren't there.",
    "Wait. If it persists, the operator's log has the answer of the API server.",
    transient=True,
)
ENFORCEMENT_NOT_PROVEN = Reason(
    "EnforcementNotProven",
    (EGRESS_OPEN,),
    "Every governed namespace has its NetworkPolicies. It isn't proved that the network plugin enforces them, because the"
    " API doesn't show that.",
    "Use a network plugin that enforces NetworkPolicies, and connect from a pod to an address that isn't allowed.",
)

ALL_PODS_ON_ELIGIBLE_NODES = Reason("AllPodsOnEligibleNodes", (UPHELD,), "All governed pods are on eligible nodes.")
VOLUME_NOT_ACCEPTED = Reason(
    "VolumeNotAccepted",
    (UPHELD,),
    "A claim of a governed namespace is bound to a volume of a StorageClass, type or driver that the policy doesn't accept. The "
    "message is what a new binding would be refused with. Pods that use the claim aren't evicted.",
    "Move the data to a claim of an approved class and delete the claim named in the message, or approve the volume's"
    " class, type and driver.",
)
BRAKE_HELD = Reason(
    "BrakeHeld",
    (UPHELD, POLICY_COMPLIANT),
    "Evictions are held because they would exceed drift.limit: the share of the policy's running governed pods that may be evicted "
    "within 10 minutes.",
    "Check the nodes in status.drift. A user with the verb govern on sovereigntypolicies releases the evictions: write "
    "status.brake.batch into spec.drift.release.",
)
POD_NOT_PINNED = Reason(
    "PodNotPinned",
    (UPHELD,),
    "Governed pods without the policy's nodeSelector run on nodes that aren't eligible: they are older than the policy, or an "
    "exemption from the pin has ended. They aren't evicted.",
    "Delete the pods, so that their controller creates pinned ones.",
)
UNDECIDED = Reason(
    "Undecided",
    (UPHELD, POLICY_COMPLIANT, PLACED),
    "Facts that decide about some nodes can't be read or don't exist any more. No pod is evicted because of missing facts.",
    "Correct the object named in the message.",
)
EVICTION_FAILED = Reason(
    "EvictionFailed",
    (UPHELD, POLICY_COMPLIANT),
    "The API server refused to delete a pod or a workload that must not run. The message is its answer.",
    "Correct what the API server's answer names. The operator retries.",
)
