"""What is to become an entry of the log, before the recorder gives it a time and a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True)
class Draft:
    """An entry without its time."""

    kind: str
    """What happened, such as ``RunStarted``."""
    data: Mapping[str, JsonValue]
    """What the entry says, as canonical JSON can say it."""
