"""Writes what ``daulat uninstall`` removes for programs."""

from __future__ import annotations

from typing import Any

from .plan import Plan, Removal
from .removal import Outcome


def structured(planned: Plan, operator: str, outcome: Outcome | None = None) -> dict[str, Any]:
    """Return the plan, and what became of it; without an outcome nothing was to be removed yet.

    ``operator`` says which operator runs; empty where none does.
    """
    done = outcome if outcome is not None else Outcome(0)
    return {
        "apiVersion": "uninstall.daulat.dev/v1",
        "kind": "RemovalReport",
        "dryRun": outcome is None,
        "operatorRuns": operator,
        "removals": [_removal(each) for each in planned.removals],
        "kept": list(planned.kept),
        "removed": done.removed,
        "errors": list(done.errors),
        "stopped": done.stopped,
    }


def _removal(each: Removal) -> dict[str, Any]:
    return {
        "step": each.step.name.lower(),
        "action": "delete" if each.deletes else "edit",
        "kind": each.resource.kind,
        "namespace": each.namespace,
        "name": each.name,
        "labels": list(each.labels),
        "annotations": list(each.annotations),
        "taint": each.taint,
        "note": each.note,
    }
