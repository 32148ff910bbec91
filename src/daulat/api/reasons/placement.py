"""Reasons of a SovereignModel up to its placement: `PolicyCompliant`, `Placed`."""

from __future__ import annotations

from .conditions import PLACED, POLICY_COMPLIANT
from .types import Reason

COMPLIANT = Reason("Compliant", (POLICY_COMPLIANT,), "The model satisfies every policy that governs its namespace.")
POLICY_VIOLATION = Reason(
    "PolicyViolation",
    (POLICY_COMPLIANT,),
    "The model or its pods violate at least one control. The message lists all violations, and the time until which"
    " running pods are kept.",
    "Correct each field as its violation describes.",
)
DRIFTED = Reason(
    "Drifted",
    (POLICY_COMPLIANT,),
    "No placement exists for the model any more, although the nodes of its pods are eligible. The message has the cause,"
    " and the time until which its pods keep running, or that the policy only reports drift.",
    "Undo the change named in the message, or add nodes or accelerators on which the model may run.",
)
NOT_GOVERNED = Reason(
    "NotGoverned",
    (POLICY_COMPLIANT,),
    "No policy governs the namespace, so the model can't be placed. If its policy was deleted, the model's pods keep running.",
    "Label the namespace so that a SovereigntyPolicy selects it.",
)
WAITING_FOR_POLICY = Reason(
    "WaitingForPolicy",
    (POLICY_COMPLIANT,),
    "The namespace has the label daulat.dev/data-class, and no policy in force selects it yet. No pod of the model is"
    " created until one does, and its running pods stay as they are.",
    "Wait, if a policy is coming into force according to the message. Otherwise create a SovereigntyPolicy that selects the "
    "namespace, or correct the one in the message.",
)
POLICY_UNREADABLE = Reason(
    "PolicyUnreadable",
    (POLICY_COMPLIANT,),
    "A policy can't be read or compiled, so what it allows is unknown. Running replicas are left as they are.",
    "Correct the policy named in the message.",
)

PLACEMENT_CHOSEN = Reason("PlacementChosen", (PLACED,), "A zone, an accelerator and nodes are chosen.")
SIZING_ADVICE = Reason(
    "SizingAdvice",
    (PLACED,),
    "A zone, an accelerator and nodes are chosen, and sizing advises another count: by the estimate memory may be short, or the "
    "devices can't share a layer, so that pipeline stages follow each other. The message has the numbers.",
    "Set accelerators[].count to a number that the message allows, or omit it. daulat sizing MODEL --accelerator PROFILE shows it.",
)
NO_ELIGIBLE_NODE = Reason(
    "NoEligibleNode",
    (PLACED,),
    "No node satisfies the policies that govern the namespace. The message counts the nodes by cause.",
    "Add nodes that satisfy the policies, or correct the zone, labels or accelerators of nodes: daulat explain model NAME lists "
    "the steps.",
)
NO_MATCHING_ACCELERATOR = Reason(
    "NoMatchingAccelerator",
    (PLACED,),
    "Nodes are eligible, and none of them has an accelerator listed in spec.accelerators. The message lists those that they have.",
    "List an accelerator that eligible nodes have, or add nodes with a listed one.",
)
NODES_TOO_SMALL = Reason(
    "NodesTooSmall",
    (PLACED,),
    "No eligible node with a listed accelerator has as much CPU and memory as spec.resources requests, even with nothing else on "
    "it. The message has both amounts.",
    "Request less in spec.resources, list an accelerator of larger nodes, or add larger nodes.",
)
NO_SCHEDULABLE_NODE = Reason(
    "NoSchedulableNode",
    (PLACED,),
    "All suitable nodes are not ready, cordoned or tainted. The message names them.",
    "Make a node ready, uncordon it, or remove the taint.",
)
INSUFFICIENT_DEVICES = Reason(
    "InsufficientDevices",
    (PLACED,),
    "Suitable nodes have too few free devices. The message has the pods and models that hold them, and the number of replicas that "
    "would have capacity if all devices were free.",
    "Wait for devices to become free, remove a workload that holds them, request fewer devices, or add nodes.",
    awaits_devices=True,
)
WAITING_FOR_SCHEDULING = Reason(
    "WaitingForScheduling",
    (PLACED,),
    "Whether enough devices are free depends on pods of other models that aren't scheduled yet. It is decided after 30 seconds at "
    "the latest.",
    transient=True,
    awaits_devices=True,
)
DOES_NOT_FIT = Reason(
    "DoesNotFit",
    (PLACED,),
    "The model needs more devices than a node has and its engine can't span nodes, or the number of devices can't be computed. The "
    "message has the numbers.",
    "Set accelerators[].count, reduce spec.engine.context, choose another spec.model.precision, or list a larger accelerator.",
)
NO_USABLE_PROFILE = Reason(
    "NoUsableProfile",
    (PLACED,),
    "None of the listed AcceleratorProfiles can be used: it doesn't exist, doesn't run the engine, or isn't approved by a policy. "
    "The message names the cause for each.",
    "List an AcceleratorProfile that exists, runs the engine and is approved by every policy.",
)
WAITING_FOR_COMPLIANCE = Reason(
    "WaitingForCompliance", (PLACED,), "The condition isn't evaluated until PolicyCompliant is True."
)
