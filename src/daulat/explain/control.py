"""Explains a control: what it asks for and why, where it is asked, what calls for it, and its examples with their verdicts."""

from __future__ import annotations

from daulat.api.kinds import Manifest
from daulat.controls import library
from daulat.controls.library import Control, Example


class UnknownControl(ValueError):
    """There is no control of that id."""


def explain_control(control_id: str) -> Manifest:
    """Return the explanation. Raises UnknownControl."""
    found = [c for c in library.controls() if c.id == control_id]
    if not found:
        raise UnknownControl(f'unknown control "{control_id}"; known controls: {", ".join(sorted(library.ids()))}')
    return {
        "control": control_id,
        "axis": sorted({c.axis for c in found}),
        "guards": [_guard(c) for c in found],
    }


def _guard(control: Control) -> Manifest:
    guard = library.guards()[control.guard]
    return {
        "guard": guard.guard,
        "title": control.title,
        "why": control.why,
        "judges": guard.title,
        "scope": guard.scope,
        "resources": [f"{r.group}/{name}" if r.group else name for r in guard.resources for name in r.resources],
        "operations": sorted({o for r in guard.resources for o in r.operations}),
        "calledForBy": [f"spec.{field}" for field in control.requires],
        "exemptible": guard.exemptible and guard.scope == "policy",
        "messages": sorted({f"{m}" for e in control.examples for m in e.violations if m.startswith(control.id)}),
        "examples": [_example(control, e) for e in control.examples],
    }


def _example(control: Control, example: Example) -> Manifest:
    own = [m for m in example.violations if m.startswith(control.id)]
    return {
        "name": example.name,
        "operation": example.operation,
        "verdict": "refused" if own else "allowed",
        "messages": own,
    }
