"""What ``daulat where-ran`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from daulat.evidence.index import Question, Stretch
from daulat.evidence.whereran import Answer, referred
from daulat.ledger import base64
from daulat.ledger.store import Files
from daulat.ledger.trust import Examined

from ..structured import WRITERS
from ..text import aligned, terminal_width, wrapped

FORMATS = ("table", *WRITERS)
_COLUMNS = ("FROM", "UNTIL", "POD", "MODEL", "NODE", "ZONE", "COUNTRY", "END", "ENTRY")


def formatted(answer: Answer, found: Examined, files: Files, asked: Question, form: str) -> str:
    """Return the answer in a format."""
    if form == "table":
        return "".join(f"{line}\n" for line in _table(answer, found, asked, terminal_width()))
    assert found.head is not None  # noqa: S101 - it was examined
    beside = referred(files, found.head, answer.stretches)
    return WRITERS[form](
        {
            "apiVersion": "ledger.daulat.dev/v1",
            "kind": "WhereRan",
            "checkpoint": {
                "origin": found.head.origin,
                "size": found.head.size,
                "root": base64.encode(found.head.root),
                "witnesses": [{"name": w.name, "time": w.time} for w in found.witnessed],
            },
            "observed": {"from": answer.first, "until": answer.last},
            "runs": [_item(s, refers) for s, refers in zip(answer.stretches, beside, strict=True)],
            "gaps": [{"entry": g.entry, **g.data} for g in answer.gaps],
        }
    )


def _item(stretch: Stretch, refers: dict[str, Any]) -> dict[str, Any]:
    entries = {"began": stretch.first, "says": stretch.entry}
    if stretch.ended is not None:
        entries["ended"] = stretch.ended
    over = {"until": stretch.until} if stretch.until else {}
    reason = {"reason": stretch.reason} if stretch.reason else {}
    return {"from": stretch.since, **over, **reason, "entries": entries, **stretch.data, **refers}


def _table(answer: Answer, found: Examined, asked: Question, width: int | None) -> list[str]:
    rows = [_COLUMNS, *map(_row, joined(answer.stretches))]
    lines = aligned(rows, width, "   ") if answer.stretches else ["nothing ran that matches"]
    return [*lines, "", *(each for line in _beside(answer, found, asked) for each in wrapped(line, width, "", "  "))]


def _beside(answer: Answer, found: Examined, asked: Question) -> Iterator[str]:
    """Yield what is said below the table: what wasn't observed, and how far the answer can be trusted."""
    for gap in answer.gaps:
        reason = f": {gap.data['reason']}" if gap.data.get("reason") else ""
        until = f"until {_short(gap.until)}" if gap.until else "on"
        yield f"not observed ({gap.of}) from {_short(gap.since)} {until}{reason}"
    yield f"observed from {_short(answer.first)} until {_short(answer.last)}" if answer.last else "the log is empty"
    head = found.head
    if head is not None:
        yield f"checkpoint: {head.origin}, {head.size} entries, signed"
    yield from (f"witnessed: {w.name}" for w in found.witnessed)
    if asked.since and answer.first and asked.since < answer.first:
        yield f"before {_short(answer.first)} nothing was recorded"
    if asked.until and asked.until > answer.last:
        yield f"after {_short(answer.last)} nothing is recorded yet"


def joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the stretches with those of one run joined between which nothing changed that the table shows."""
    found: list[Stretch] = []
    last: dict[int, int] = {}
    for stretch in stretches:
        at = last.get(stretch.first)
        before = found[at] if at is not None else None
        if (
            at is not None
            and before is not None
            and before.until == stretch.since
            and _shown(before) == _shown(stretch)
        ):
            found[at] = replace(before, until=stretch.until, reason=stretch.reason, ended=stretch.ended)
        else:
            last[stretch.first] = len(found)
            found.append(stretch)
    return found


def _shown(stretch: Stretch) -> tuple[Any, ...]:
    return tuple(stretch.data.get(k) for k in ("node", "model", "zone", "country", "operatorCountry", "parentCountry"))


def _row(stretch: Stretch) -> tuple[str, ...]:
    data = stretch.data
    end = "" if stretch.reason == "" and stretch.until else stretch.reason or "running"
    texts = (
        _short(stretch.since),
        _short(stretch.until),
        f"{data.get('namespace')}/{data.get('pod')}",
        data.get("model") or "-",
        data.get("node") or "-",
        data.get("zone") or "none",
        data.get("country") or "unknown",
        end or "changed",
        str(stretch.entry),
    )
    return tuple(map(str, texts))


def _short(time: str) -> str:
    """Return a time without what a person doesn't need of it."""
    return time[:19].replace("T", " ") + "Z" if time else "-"
