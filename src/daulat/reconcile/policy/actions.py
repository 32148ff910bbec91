"""Writes the controls in force as people read them in a policy's status: one line for each action."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.policy import ControlInForce, ControlsByAction


def by_action(controls: Sequence[ControlInForce]) -> ControlsByAction:
    """Return the controls by action, each once with all that it judges under that action."""
    return ControlsByAction(**{action.lower(): _line(controls, action) for action in ("Enforce", "Warn", "Audit")})


def _line(controls: Sequence[ControlInForce], action: str) -> str | None:
    guards: dict[str, list[str]] = {}
    for control in controls:
        if control.action == action:
            guards.setdefault(control.id, []).append(control.guard)
    return ", ".join(f"{id_} ({', '.join(sorted(judged))})" for id_, judged in sorted(guards.items())) or None
