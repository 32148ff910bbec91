"""AcceleratorInventory: delivered chips, their permits, and the zones and countries where they may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .meta import ConditionedStatus, CountryCode, Duration, ObjectName, Observed, Spec

MAX_IDS = 3
"""Ids of one chip: a serial number, and what the driver and the exporter call it."""
# Letters, digits, - . : _ and a few more. Short, so that the API server shows it: a rule for each chip would cost too much.
_ID = r"[-.0-:A-z]{3,64}"
CHIP = rf"^{_ID}(,{_ID}){{0,{MAX_IDS - 1}}}$"
MAX_CHIPS = 5000
"""Chips of one delivery. With a serial number and a UUID each, and their places in the status, about 0.6 MB: etcd takes 1.5 MiB."""
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

Chip = Annotated[str, Field(pattern=CHIP, max_length=194)]
Date = Annotated[str, Field(pattern=DATE, max_length=10, examples=["2026-03-14"])]
Text = Annotated[str, Field(min_length=1, max_length=128)]


class Permit(Spec):
    """The permit under which chips were imported."""

    reference: Text
    """The permit's reference, as its authority writes it."""
    date: Date | None = None
    """The day on which it was issued."""


class Delivery(Spec):
    """Chips that were delivered together."""

    name: Text
    """The delivery's name of record, such as the number of its delivery note."""
    permit: Permit | None = None
    """The permit under which they were imported."""
    received: Date | None = None
    """The day on which they were received; left out, the day on which the inventory was created."""
    zones: tuple[ObjectName, ...] = Field(default=(), max_length=64)
    """The SovereignZones in which these chips may be; left out, those of the inventory."""
    countries: tuple[CountryCode, ...] = Field(default=(), max_length=64)
    """The countries in which these chips may be; left out, those of the inventory."""
    observed_by: Literal["ResourceSlices", "Exporters"] = "ResourceSlices"
    """The source that shows these chips. The operator doesn't read exporters, so with Exporters it doesn't count chips as missing
    or gone; daulat chips compares them. Huawei's and AMD's drivers publish no ids of chips. Default: ResourceSlices."""
    chips: tuple[Chip, ...] = Field(default=(), max_length=MAX_CHIPS)
    """The chips, one per item: up to three ids of the chip, separated by commas. An id is the serial number, or the chip's id in
    the driver or the exporter, such as a GPU's UUID or an NPU's VDie ID. Ids aren't case-sensitive."""


class AcceleratorInventorySpec(Spec):
    """Chips of record: the deliveries, their permits, and the zones and countries where the chips may be."""

    zones: tuple[ObjectName, ...] = Field(default=(), max_length=64)
    """The SovereignZones in which the chips may be; left out, any."""
    countries: tuple[CountryCode, ...] = Field(default=(), max_length=64)
    """The countries in which the chips may be; left out, any."""
    gone_after: Duration = "72h"
    """A chip that isn't seen for longer than this counts as gone. Default: 72h."""
    deliveries: tuple[Delivery, ...] = Field(
        default=(),
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """The deliveries."""


class ChipPlace(Observed):
    """Chips that were first seen on the same node at the same time."""

    node: str
    """The node, by its name."""
    zone: str = ""
    """The node's zone of record; empty where it has none."""
    since: str = Field(json_schema_extra={"format": "date-time"})
    """The time since when the chips are seen there."""
    absent_since: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """The time since when they aren't seen; omitted while they are seen."""
    gone: bool | None = None
    """Whether that is longer than spec.goneAfter."""
    chips: tuple[str, ...] = ()
    """The chips, by the first of the ids that are declared."""


class ChipMove(Observed):
    """A chip that was seen on another node, or in another zone, than before."""

    chip: str
    """The chip, by the first of the ids that are declared."""
    from_node: str
    """The node where the chip was."""
    from_zone: str = ""
    """The zone of record where the chip was."""
    to_node: str
    """The node where the chip is."""
    to_zone: str = ""
    """The zone of record where the chip is."""
    at: str = Field(json_schema_extra={"format": "date-time"})
    """When it was first seen there."""


class ChipProblem(Observed):
    """A chip that doesn't match the inventory."""

    chip: str
    """The chip, by the first of its ids."""
    reason: str
    """The problem, in one word."""
    message: str
    """The problem, as a sentence."""


class AcceleratorInventoryStatus(ConditionedStatus):
    """The locations of the chips that the cluster shows."""

    declared: int | None = None
    """Declared chips."""
    seen: int | None = None
    """Declared chips that are seen now."""
    missing: int | None = None
    """Declared chips that were seen and aren't now, for less than spec.goneAfter."""
    gone: int | None = None
    """Declared chips that haven't been seen for longer than spec.goneAfter, or never since they were received."""
    awaited: int | None = None
    """Declared chips that haven't been seen yet, for less than spec.goneAfter since they were received."""
    unobserved: int | None = None
    """Declared chips that only exporters show, which the operator doesn't read."""
    outside: int | None = None
    """Declared chips in a zone or country where they may not be."""
    ambiguous: int | None = None
    """Declared chips that are seen on several nodes at once, or declared twice."""
    undeclared: int | None = None
    """Chips on nodes of the inventory's zones and countries that no inventory declares."""
    problems: tuple[ChipProblem, ...] = ()
    """The first 20 problems."""
    moves: tuple[ChipMove, ...] = ()
    """The newest 50 moves between nodes or zones."""
    places: tuple[ChipPlace, ...] = ()
    """The current or last location of every chip that was ever seen. It survives a restart of the operator."""
