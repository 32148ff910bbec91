"""What a condition type and a reason are: words of the API that carry their own documentation.

Both are `str`, so that they compare with what is read back from the API server. `str(...)` of one is a plain `str`, which is what
goes into a manifest: PyYAML's safe dumper refuses subclasses.
"""

from __future__ import annotations

from typing import Any, Literal

KindName = Literal[
    "SovereignModel",
    "SovereigntyPolicy",
    "SovereignZone",
    "AcceleratorProfile",
    "SovereigntyExemption",
    "NodeAttestation",
    "AcceleratorInventory",
]


class ConditionType(str):
    """The type of a condition."""

    __slots__ = ("good", "kinds", "meaning")

    kinds: tuple[KindName, ...]
    """The kinds whose status has the condition."""
    meaning: str
    """What status True means, as a sentence."""
    good: Literal["True", "False"]
    """The status of an object without problems."""

    def __new__(
        cls, name: str, kinds: tuple[KindName, ...], meaning: str, good: Literal["True", "False"] = "True"
    ) -> ConditionType:
        """Create the type; its text is its name."""
        self = super().__new__(cls, name)
        self.kinds, self.meaning, self.good = kinds, meaning, good
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (str(self), self.kinds, self.meaning, self.good)


class EventReason(str):
    """The reason of an Event that tells of no condition."""

    __slots__ = ("kinds", "meaning")

    kinds: tuple[KindName, ...]
    """The kinds that it is recorded on."""
    meaning: str
    """What has happened, as a sentence."""

    def __new__(cls, name: str, kinds: tuple[KindName, ...], meaning: str) -> EventReason:
        """Create the reason; its text is its name."""
        self = super().__new__(cls, name)
        self.kinds, self.meaning = kinds, meaning
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (str(self), self.kinds, self.meaning)


class Reason(str):
    """Why a condition has its status."""

    __slots__ = ("awaits_devices", "conditions", "meaning", "remedy", "transient")

    conditions: tuple[ConditionType, ...]
    """The conditions that may have this reason. `Ready` may have the reason of each condition that it summarizes as well."""
    meaning: str
    """What was found, as a sentence."""
    remedy: str
    """What a user does about it, as a sentence; empty where nothing is to be done."""
    transient: bool
    """Whether objects pass through this state on their way to the good one: it normally ends without anybody's doing."""
    awaits_devices: bool
    """Whether free devices would end it. Such models are reconciled again when devices become free."""

    def __new__(
        cls,
        name: str,
        conditions: tuple[ConditionType, ...],
        meaning: str,
        remedy: str = "",
        *,
        transient: bool = False,
        awaits_devices: bool = False,
    ) -> Reason:
        """Create the reason; its text is its name."""
        self = super().__new__(cls, name)
        self.conditions, self.meaning, self.remedy = conditions, meaning, remedy
        self.transient, self.awaits_devices = transient, awaits_devices
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        flags = {"transient": self.transient, "awaits_devices": self.awaits_devices}
        return (str(self), self.conditions, self.meaning, self.remedy), flags
