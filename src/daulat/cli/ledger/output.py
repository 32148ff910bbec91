"""What ``daulat ledger`` prints: of a log that was verified, of a proof, and of entries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daulat.ledger import base64
from daulat.ledger.entry import parse
from daulat.ledger.errors import Malformed
from daulat.ledger.findings import Finding
from daulat.ledger.trust import Examined
from daulat.ledger.verification import Verified

from ..structured import WRITERS
from ..text import printable, terminal_width, wrapped

FORMATS = ("table", *WRITERS)
_API = "ledger.daulat.dev/v1"


def verification(found: Verified, folder: str, form: str) -> str:
    """Return what verification came to in a format."""
    if form == "table":
        width = terminal_width()
        return "".join(f"{each}\n" for line in _lines(found, folder) for each in wrapped(line, width, "", "  "))
    return WRITERS[form](
        {
            "apiVersion": _API,
            "kind": "VerificationReport",
            "verified": not found.findings,
            "log": folder,
            **_checkpoint(found.checkpoint),
            "findings": [_finding(f) for f in found.findings],
        }
    )


def checked(found: Examined, index: int, entry: bytes, form: str) -> str:
    """Return a verified proof in a format."""
    if form == "table":
        lines = [f"entry {index} is in the log", *_head(found), entry.decode(errors="backslashreplace")]
        return "".join(f"{printable(line)}\n" for line in lines)
    document = {"apiVersion": _API, "kind": "ProofReport", "verified": True, "index": index}
    return WRITERS[form]({**document, **_checkpoint(found), **_content(entry)})


def shown(index: int, entry: bytes) -> str:
    """Return an entry as a line of the table."""
    try:
        read = parse(entry)
    except Malformed:
        return printable(f"{index}  not an entry: {entry.decode(errors='backslashreplace')}")
    return printable(f"{index}  {read.time}  {read.kind}  {entry.decode()}")


def entry_list(entries: list[tuple[int, bytes]], form: str) -> str:
    """Return entries as one document."""
    items = [{"index": index, **_content(entry)} for index, entry in entries]
    return WRITERS[form]({"apiVersion": _API, "kind": "EntryList", "items": items})


def _lines(found: Verified, folder: str) -> list[str]:
    lines = [str(finding) for finding in found.findings]
    if found.checkpoint is not None:
        lines += _head(found.checkpoint)
    count = len(found.findings)
    result = f"not verified: {count} {'finding' if count == 1 else 'findings'}" if count else "verified"
    return [*lines, f"{folder}: {found.size} {'entry' if found.size == 1 else 'entries'}, {result}"]


def _head(found: Examined) -> list[str]:
    if found.head is None:
        return []
    head = found.head
    lines = [f"checkpoint: {head.origin}, {head.size} entries, root {base64.encode(head.root)}"]
    return lines + [f"witnessed: {witness.name}, {_time(witness.time)}" for witness in found.witnessed]


def _checkpoint(found: Examined | None) -> dict[str, Any]:
    if found is None or found.head is None:
        return {}
    head = found.head
    return {
        "checkpoint": {"origin": head.origin, "size": head.size, "root": base64.encode(head.root)},
        "witnesses": [{"name": w.name, "time": _time(w.time)} for w in found.witnessed],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    first_last = {} if finding.entries is None else dict(zip(("first", "last"), finding.entries, strict=True))
    entries = {"entries": first_last} if first_last else {}
    return {"fault": str(finding.fault), "path": finding.path, **entries, "message": finding.message}


def _content(entry: bytes) -> dict[str, Any]:
    try:
        return {"entry": parse(entry).model_dump(by_alias=True)}
    except Malformed:
        return {"bytes": base64.encode(entry)}


def _time(seconds: int) -> str:
    """Return POSIX seconds in RFC 3339; as they are beyond the year 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)
