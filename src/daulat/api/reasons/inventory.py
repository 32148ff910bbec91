"""Reasons of zones, profiles, exemptions and NodeAttestations: `Certified`, `Found`, `Active`, `Accepted`."""

from __future__ import annotations

from .conditions import ACCEPTED, ACTIVE, CERTIFIED, EXPIRING_SOON, FOUND
from .types import Reason

NODES_CERTIFIED = Reason(
    "NodesCertified", (CERTIFIED,), "No other zone selects the zone's nodes, and none contradicts the record."
)
NODES_IN_CONFLICT = Reason(
    "NodesInConflict",
    (CERTIFIED,),
    "Another zone selects some of the nodes as well, or they contradict the record. They are in no zone.",
    "Correct spec.nodeSelector of one of the zones, or the labels of the nodes named in the message.",
)
NO_NODES = Reason(
    "NoNodes",
    (CERTIFIED,),
    "The zone selects no node.",
    "Add the labels in spec.nodeSelector to the nodes of the facility.",
)

DEVICES_FOUND = Reason("DevicesFound", (FOUND,), "At least one node has devices of the profile.")
NO_DEVICES_FOUND = Reason(
    "NoDevicesFound",
    (FOUND,),
    "No node with the profile's labels has one of its resources. This is normal for accelerators that the cluster doesn't have.",
)

WITHOUT_EFFECT = Reason(
    "WithoutEffect",
    (ACTIVE,),
    "The exemption has no effect: its controls don't exist or allow no exemptions, or the policy governs none of its"
    " namespaces.",
    "Correct spec.controls and spec.namespaces according to the message. docs/explanation/limits.md lists what can't be exempted.",
)
IN_FORCE = Reason("InForce", (ACTIVE,), "The exemption holds until it expires.")
ENDS_SOON = Reason(
    "EndsSoon",
    (EXPIRING_SOON,),
    "The exemption ends soon. Its controls then apply again to new objects.",
    "Remove the need for it, or request a new exemption in time.",
)
ENDS_LATER = Reason("EndsLater", (EXPIRING_SOON,), "There is time until the exemption ends.")
NOT_APPROVED = Reason(
    "NotApproved",
    (ACTIVE,),
    "No user other than the requester has approved the exemption yet.",
    "Have a user with the verb approve on sovereigntyexemptions approve it.",
)
NOT_OF_AUTHORITY = Reason(
    "NotOfAuthority",
    (ACTIVE,),
    "The policy has an authority's label and the exemption doesn't, so the exemption has no effect.",
    "Request the exemption from the authority: its administrators set the same label on it.",
)
EXPIRED = Reason(
    "Expired",
    (ACTIVE, ACCEPTED),
    "The exemption or the statement has expired.",
    "Request a new one, or delete this one.",
)
POLICY_NOT_FOUND = Reason(
    "PolicyNotFound",
    (ACTIVE,),
    "The policy in spec.policy doesn't exist.",
    "Correct spec.policy.",
)

IS_EVIDENCE = Reason(
    "IsEvidence",
    (ACCEPTED,),
    "A trusted authority has signed the statement, and no observed fact of the node contradicts it.",
)
NOT_TRUSTED = Reason(
    "NotTrusted",
    (ACCEPTED,),
    "No policy trusts an authority whose key has signed the statement, or the validity of the statement is longer than the"
    " policy allows.",
    "Compare the statement's authority and its key with spec.zones.attestations of the policy; see daulat attest verify.",
)
NOT_VALID_YET = Reason(
    "NotValidYet",
    (ACCEPTED,),
    "The statement isn't valid before its notBefore.",
    "Wait, or compare the clocks of the authority and of the operator.",
    transient=True,
)
REVOKED = Reason(
    "Revoked",
    (ACCEPTED,),
    "A policy revokes the statement in spec.zones.attestations.",
    "Have the node attested again, and delete this NodeAttestation.",
)
NODE_NOT_FOUND = Reason(
    "NodeNotFound",
    (ACCEPTED,),
    "No node reports the system UUID of the statement.",
    "Nothing, where the node is about to join the cluster; otherwise find out where it is.",
)
MISMATCH = Reason(
    "Mismatch",
    (ACCEPTED,),
    "The node, its ResourceSlices, its zone or another statement contradicts the statement.",
    "Find out which one is true, as the message says; then correct the record, or have the node attested again.",
)
