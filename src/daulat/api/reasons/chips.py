"""Reasons of AcceleratorInventories: `Accounted`."""

from __future__ import annotations

from .conditions import ACCOUNTED
from .types import Reason

CHIPS_ACCOUNTED = Reason("ChipsAccounted", (ACCOUNTED,), "Every declared chip is seen in a zone where it may be.")
CHIPS_NOT_SEEN = Reason(
    "ChipsNotSeen",
    (ACCOUNTED,),
    "Some declared chips aren't seen, for less than spec.goneAfter. All others are in zones where they may be.",
    "Wait, or check the nodes named in the message: chips aren't seen while a node isn't Ready or its driver doesn't run.",
    transient=True,
)
CHIPS_OUTSIDE = Reason(
    "ChipsOutside",
    (ACCOUNTED,),
    "Some declared chips are in a zone or country where they may not be, or in no zone of record.",
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
    "No ResourceSlice in the cluster names a chip, or only exporters show some chips, so the operator can't"
    " determine their nodes.",
    "Install a driver for dynamic resource allocation that publishes ids, or compare with exporters: daulat chips --metrics.",
)
