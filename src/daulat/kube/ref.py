"""Names one object of the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Ref:
    """One object: its kind, its namespace (empty for cluster-scoped kinds) and its name."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, kind: str, raw: dict[str, Any]) -> Ref:
        """Return the reference to a raw object."""
        meta = raw.get("metadata") or {}
        return cls(kind, str(meta.get("namespace") or ""), str(meta.get("name") or ""))

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"
