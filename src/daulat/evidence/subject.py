"""What entries are about, and whether what is recorded of it still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

from daulat.ledger import entry

from .record import Record
from .records import REFERENCES

_PSEUDONYMS = ("requestedBy", "approvedBy")


class Subject(NamedTuple):
    """An object that is recorded, by its uid: a new one of the same name is another subject."""

    kind: str
    """The object's kind; ``Run`` for what a pod runs."""
    uid: str


@dataclass(frozen=True)
class Present:
    """What holds of a subject now."""

    subject: Subject
    record: Record
    references: Mapping[str, Subject | tuple[Subject, ...]] = field(default_factory=dict)
    """The subjects whose latest entries the entry refers to, by field."""
    facts: tuple[bytes, ...] = ()
    """What is kept beside the log, by its digest."""
    beside: Callable[[], Iterable[Present]] = tuple
    """Returns what holds of the subjects that it refers to: that has to be recorded before."""


def fingerprint(data: Mapping[str, JsonValue]) -> str:
    """Return what differs once anything is to be recorded anew.

    The references don't count: they only tell what held beside it. Nor does what a run's model pins: another pin makes other pods,
    and a model that is deleted before its pods has none. Nor do pseudonyms: the users in an exemption change with its generation
    alone, and after an erasure an entry with the new pseudonym would be linked with the old one.
    """
    left_out = (*REFERENCES, *_PSEUDONYMS, *(("weights",) if "pod" in data else ()))
    return entry.digest(entry.canonical({k: v for k, v in data.items() if k not in left_out}))
