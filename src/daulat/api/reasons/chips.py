"""Reasons of AcceleratorInventories: `Accounted`."""

from __future__ import annotations

from .conditions import ACCOUNTED
from .types import Reason

CHIPS_ACCOUNTED = Reason("ChipsAccounted", (ACCOUNTED,), "Every declared chip is seen where it may stand.")
CHIPS_NOT_SEEN = Reason(
    "ChipsNotSeen",
    (ACCOUNTED,),
    "Some declared chips aren't seen, for less than spec.goneAfter. All others are where they may stand.",
    "Wait, or look at the nodes named in the message: a node that isn't Ready and a driver that doesn't run show no chips.",
    transient=True,
)
CHIPS_OUTSIDE = Reason(
    "ChipsOutside",
    (ACCOUNTED,),
    "Some declared chips stand in a zone or country where they may not, or in no zone of record.",
    "Move the chips back, or correct the zone's or the inventory's record. daulat chips lists them.",
)
CHIPS_GONE = Reason(
    "ChipsGone",
    (ACCOUNTED,),
    "Some declared chips haven't been seen for longer than spec.goneAfter, or never since they were received.",
    "Find them: the message has the node where each was last. Take chips off the record that were returned or scrapped.",
)
CHIPS_AMBIGUOUS = Reason(
    "ChipsAmbiguous",
    (ACCOUNTED,),
    "Some ids are seen on several nodes at once, or declared twice: at least one of the records is false.",
    "Compare the serial numbers on the boards, and correct the list.",
)
CHIPS_UNDECLARED = Reason(
    "ChipsUndeclared",
    (ACCOUNTED,),
    "Chips on nodes of the inventory's zones and countries are in no inventory.",
    "Add them to a delivery: daulat chips lists their ids.",
)
NO_CHIPS_OBSERVED = Reason(
    "NoChipsObserved",
    (ACCOUNTED,),
    "No ResourceSlice in the cluster names a chip, or some chips are shown by exporters alone: where they are isn't known here.",
    "Install a driver for dynamic resource allocation that publishes ids, or compare with exporters: daulat chips --metrics.",
)
