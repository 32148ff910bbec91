"""Reads the API server's audit log: what the operator requested, when, and which of it was a write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dev.deployment import NAMESPACE, SERVICE_ACCOUNT

OPERATOR = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_REVIEWS = "reviews"
"""SubjectAccessReviews and the like are created, but nothing is stored."""


@dataclass(frozen=True)
class Call:
    """One answered request."""

    at: float
    """When the API server had answered, in seconds since the epoch."""
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    status: int
    dry_run: bool

    @property
    def what(self) -> str:
        """The verb and the resource, such as ``patch nodes`` or ``create pods (dry run)``."""
        path = "/".join(filter(None, (self.resource, self.subresource)))
        return f"{self.verb} {path}{' (dry run)' if self.dry_run else ''}"

    @property
    def is_lease(self) -> bool:
        """Whether it's about leader election."""
        return self.resource == "leases"

    @property
    def writes(self) -> bool:
        """Whether it changes something that is stored. The Lease of leader election doesn't count."""
        stored = not self.dry_run and not self.is_lease and not self.resource.endswith(_REVIEWS)
        return self.verb in _WRITES and stored


def parse(lines: Iterable[bytes]) -> list[Call]:
    """Parse lines of the log. Only requests that were answered in full count, so a watch does once it has ended."""
    return [_call(event) for event in map(json.loads, lines) if event["stage"] == "ResponseComplete"]


def _call(event: dict[str, object]) -> Call:
    what = event.get("objectRef")
    about: dict[str, str] = what if isinstance(what, dict) else {}
    answer = event.get("responseStatus")
    return Call(
        at=datetime.fromisoformat(str(event["stageTimestamp"])).timestamp(),
        verb=str(event["verb"]),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        status=int(answer.get("code", 0)) if isinstance(answer, dict) else 0,
        dry_run="dryRun=All" in str(event["requestURI"]),
    )


def counted(calls: Iterable[Call]) -> Counter[str]:
    """Count calls by what they are."""
    return Counter(call.what for call in calls)


def listed(counts: Counter[str]) -> str:
    """Return the counts as a line, the most frequent first."""
    return ", ".join(f"{n} x {what}" for what, n in counts.most_common()) or "none"


class Log:
    """The file as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def end(self) -> int:
        """Return the place to read from for what comes now."""
        return self._path.stat().st_size

    def since(self, offset: int) -> list[Call]:
        """Return the calls that were logged from this place on."""
        with self._path.open("rb") as log:
            log.seek(offset)
            # The last line may be half written.
            return parse(line for line in log if line.endswith(b"\n"))
