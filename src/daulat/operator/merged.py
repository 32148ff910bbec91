"""Finds what other writers have in an object of ours: server-side apply leaves their entries of sets, maps and lists in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.names import FIELD_MANAGER

WRITTEN_BY_OTHERS = frozenset({"PersistentVolumeClaim"})
"""Kinds whose spec Kubernetes' own controllers write, too: a claim gets its volume."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation of a pod template that ``kubectl rollout restart`` writes. It changes nothing of what runs."""
_RESTARTED = ("f:template", "f:metadata", "f:annotations", f"f:{RESTARTED}")


def others_in_spec(kind: str, live: Manifest) -> list[str]:
    """Return the field managers other than Daulat that own something in the object's spec."""
    if kind in WRITTEN_BY_OTHERS:
        return []
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return sorted(
        {
            str(entry.get("manager"))
            for entry in entries
            if entry.get("manager") != FIELD_MANAGER
            and not entry.get("subresource")
            and _owns(_without_restart((entry.get("fieldsV1") or {}).get("f:spec") or {}))
        }
    )


def has_more(live: Any, wanted: Any) -> bool:
    """Say whether a value holds keys or entries that aren't in what is wanted."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return any(key not in wanted or has_more(value, wanted[key]) for key, value in live.items())
    if isinstance(live, list) and isinstance(wanted, list):
        return len(live) > len(wanted)
    return False


def _owns(fields: Mapping[str, Any]) -> bool:
    """Say whether a set of fields holds any beside the markers of the objects that they are in."""
    return any(_owns(value) if value else key != "." for key, value in fields.items())


def _without_restart(fields: Mapping[str, Any], path: tuple[str, ...] = _RESTARTED) -> dict[str, Any]:
    head, *rest = path
    kept = dict(fields)
    inner = kept.pop(head, None)
    left = _without_restart(inner, tuple(rest)) if inner and rest else {}
    # An object of which nothing is left isn't a field of its own.
    return kept | ({head: left} if left else {})
