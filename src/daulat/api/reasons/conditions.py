"""The condition types of all kinds, in the order in which a status lists them."""

from __future__ import annotations

from typing import get_args

from .types import ConditionType, KindName

_ALL: tuple[KindName, ...] = get_args(KindName)

READY = ConditionType(
    "Ready",
    _ALL,
    "Summary of the other conditions, for tools that wait for an object. While it isn't True, Ready has the reason and the message "
    "of the condition that prevents it.",
)

POLICY_COMPLIANT = ConditionType(
    "PolicyCompliant",
    ("SovereignModel",),
    "Every policy that governs the model's namespace is satisfied by the model, by its pods, and by the nodes that they are on.",
)
PLACED = ConditionType("Placed", ("SovereignModel",), "A zone, an accelerator and nodes are chosen for the model.")
WORKLOAD_READY = ConditionType("WorkloadReady", ("SovereignModel",), "The workload exists and all replicas are ready.")
ROLLED_OUT = ConditionType(
    "RolledOut",
    ("SovereignModel",),
    "No replica runs an earlier revision. During a rollout replicas of earlier revisions keep serving, and WorkloadReady counts "
    "them.",
)
UPGRADED = ConditionType(
    "Upgraded",
    ("SovereignModel",),
    "The pods are as the operator's release renders them. Present only while they aren't; Unknown while they are being replaced. "
    "Ready doesn't depend on it.",
)
AUTOSCALED = ConditionType(
    "Autoscaled",
    ("SovereignModel",),
    "An autoscaler sets the number of replicas. Present only with spec.autoscaling; Ready doesn't depend on it.",
)
EXPOSED = ConditionType(
    "Exposed",
    ("SovereignModel",),
    "A Gateway routes requests to the model. Present only with spec.exposure; Ready doesn't depend on it.",
)

ENFORCED = ConditionType(
    "Enforced",
    ("SovereigntyPolicy",),
    "The current revision of the compiled policy refused a violating pod in a dry run.",
)
COMPILED = ConditionType(
    "Compiled", ("SovereigntyPolicy",), "The policy was compiled, and its compiled objects are in the cluster."
)
SCOPE_TAMPERABLE = ConditionType(
    "ScopeTamperable",
    ("SovereigntyPolicy",),
    "The policy selects namespaces by labels that users without the verb govern can change.",
    good="False",
)
EGRESS_OPEN = ConditionType(
    "EgressOpen",
    ("SovereigntyPolicy",),
    "The policy doesn't restrict the egress of pods of governed namespaces that belong to no model. Unknown means that"
    " their NetworkPolicies exist, and that it isn't proved that the network plugin enforces them. Ready doesn't depend on"
    " it.",
    good="False",
)
UPHELD = ConditionType(
    "Upheld",
    ("SovereigntyPolicy",),
    "Every governed pod that was pinned to eligible nodes is on an eligible node, and every claim of a governed namespace is bound "
    "to a volume that the policy accepts.",
)

CERTIFIED = ConditionType(
    "Certified", ("SovereignZone",), "Every node that the zone selects is certified as a node of this zone."
)
WEAK_EVIDENCE = ConditionType(
    "WeakEvidence",
    ("SovereignZone",),
    "The zone selects nodes by labels that a kubelet or a vendor's component can write.",
    good="False",
)

FOUND = ConditionType("Found", ("AcceleratorProfile",), "At least one node has the accelerator.")

ACTIVE = ConditionType("Active", ("SovereigntyExemption",), "The exemption is in force.")

ACCEPTED = ConditionType(
    "Accepted",
    ("NodeAttestation",),
    "At least one policy accepts the statement as evidence of its node's facility.",
)

SCHEMA_CURRENT = ConditionType(
    "SchemaCurrent",
    _ALL,
    "The CustomResourceDefinition in the cluster declares every field of the operator's release. Present only while it doesn't; "
    "Ready doesn't depend on it.",
)
EXPIRING_SOON = ConditionType(
    "ExpiringSoon",
    ("SovereigntyExemption",),
    "The exemption is in force and ends within seven days, or within a fifth of its time where that is less.",
    good="False",
)

ACCOUNTED = ConditionType(
    "Accounted",
    ("AcceleratorInventory",),
    "Every declared chip is in a zone where it may be, or hasn't been missing for longer than spec.goneAfter, and every"
    " chip in the"
    "inventory's zones is declared.",
)
