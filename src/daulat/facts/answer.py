"""What the controllers of other projects say about an autoscaler or a route that Daulat made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """Whether it works, and where it doesn't, why."""

    works: bool
    message: str = ""


def answer(kind: str, raw: Mapping[str, Any]) -> Answer | None:
    """Return what is said about an object as it is now; None where nothing is, or only about what it was before."""
    status = raw.get("status") or {}
    if kind == "HorizontalPodAutoscaler":
        return _answer([status.get("conditions") or ()], ("AbleToScale", "ScalingActive"))
    if kind == "ScaledObject":
        return _answer([status.get("conditions") or ()], ("Ready",))
    if kind == "HTTPRoute":
        generation = int((raw.get("metadata") or {}).get("generation") or 0)
        of_each = [
            [c for c in parent.get("conditions") or () if int(c.get("observedGeneration") or 0) >= generation]
            for parent in status.get("parents") or ()
        ]
        return _answer(of_each, ("Accepted", "ResolvedRefs"))
    return None


def _answer(of_each: Iterable[Iterable[Mapping[str, Any]]], asked: tuple[str, ...]) -> Answer | None:
    """Return the verdict of all who spoke: one that says no is enough, and each must have said yes to all."""
    complete = []
    for conditions in of_each:
        said = {str(c.get("type")): c for c in conditions}
        for type_ in asked:
            found = said.get(type_, {})
            if found.get("status") == "False":
                return Answer(False, str(found.get("message") or found.get("reason") or type_))
        complete.append(all(said.get(type_, {}).get("status") == "True" for type_ in asked))
    return Answer(True) if complete and all(complete) else None
