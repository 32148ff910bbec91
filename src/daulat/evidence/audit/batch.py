"""From the bytes of a batch to drafts. Whatever the bytes are, the result is drafts and never an error."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import JsonValue

from daulat.evidence.draft import Draft

from .acts import Reader
from .entries import Act, AuditBatch, AuditUnreadable, SessionClosed, SessionFailed, SessionOpened, Source
from .event import Event, Unreadable, event, items_of_lines, items_of_list

_ALONE = (SessionOpened, SessionClosed, SessionFailed)
"""Acts of which each is an entry of its own."""
_ID = 64


@dataclass(frozen=True)
class Origin:
    """Where a batch comes from."""

    source: Source
    file: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Reading:
    """What a batch came to."""

    digest: str
    drafts: tuple[Draft, ...]
    identities: tuple[bytes, ...]
    """Of its events: to be remembered once the drafts are in the log, and not before, since a failed batch comes again."""
    until: str = ""
    """The latest time of an event."""


def read(
    data: bytes, origin: Origin, reader: Reader, seen: Container[bytes], revisions: Mapping[str, str] | None = None
) -> Reading:
    """Return what the bytes of a batch came to: an EventList from a webhook, a JSON object a line from a file.

    Only what ``reader.pseudonyms`` raises is raised: then no salt could be kept, and the batch must not be taken.
    """
    digest = f"sha256:{sha256(data).hexdigest()}"
    head: dict[str, Any] = {
        "batch": digest,
        "bytes": len(data),
        "source": origin.source,
        "file": origin.file.encode("utf-8", "backslashreplace").decode()[:255],
        "offset": origin.offset,
    }
    items: Iterable[JsonValue | Unreadable]
    try:
        items = items_of_list(data) if origin.source is Source.WEBHOOK else items_of_lines(data)
    except Unreadable as error:
        return Reading(digest, (AuditUnreadable(**head, reason=str(error)).draft(),), ())
    return _read(items, head, reader, seen, revisions or {})


def _read(
    items: Iterable[JsonValue | Unreadable],
    head: Mapping[str, Any],
    reader: Reader,
    seen: Container[bytes],
    revisions: Mapping[str, str],
) -> Reading:
    events: list[Event] = []
    unreadable: list[str] = []
    for item in items:
        try:
            if isinstance(item, Unreadable):
                raise item
            events.append(event(item))
        except Unreadable as error:
            unreadable.append(str(error))
    fresh = {e.identity: e for e in events}
    fresh = {identity: e for identity, e in fresh.items() if identity not in seen}
    acts = _together(act for e in fresh.values() for act in reader.acts(e, head["batch"], revisions))
    times = sorted(e.stage_timestamp for e in events)
    batch = AuditBatch(
        **head,
        events=len(events),
        repeated=len(events) - len(fresh),
        unreadable=len(unreadable),
        **({"first": _id(events[0]), "last": _id(events[-1]), "since": times[0], "until": times[-1]} if events else {}),
    )
    broken = [AuditUnreadable(**head, count=len(unreadable), reason=unreadable[0])] if unreadable else []
    drafts = tuple(entry.draft() for entry in [batch, *broken, *acts])
    return Reading(head["batch"], drafts, tuple(fresh), batch.until)


def _together(acts: Iterable[Act]) -> list[Act]:
    """Return acts with those as one that differ in their time and event alone: controllers retry, dashboards impersonate."""
    found: dict[object, Act] = {}
    for number, act in enumerate(acts):
        key = number if isinstance(act, _ALONE) else (type(act), act.model_copy(update=_SAME))
        if (before := found.get(key)) is None:
            found[key] = act
        else:
            found[key] = before.model_copy(update={"count": before.count + 1, "until": max(before.at, act.at)})
    return list(found.values())


_SAME = {"at": "", "audit": ""}


def _id(event: Event) -> str:
    return event.audit_id[:_ID].encode("utf-8", "backslashreplace").decode()
