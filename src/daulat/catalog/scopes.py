"""Reads the shipped data about API groups: kinds in no namespace, versions that are served, kinds that make no pods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from daulat.api.packaged import load


@dataclass(frozen=True)
class KnownGroups:
    """What is known of API groups."""

    cluster: dict[str, frozenset[str]]
    """The kinds of each known group that are in no namespace. All its other kinds are in one."""
    versions: dict[str, frozenset[str]]
    """The versions of Kubernetes' own groups that a supported API server serves."""
    podless: dict[str, frozenset[str]]
    """Kinds that make no pods."""

    def makes_no_pods(self, group: str, kind: str) -> bool:
        """Say whether objects of the kind are known to make no pods."""
        return bool({kind, "*"} & self.podless.get(group, frozenset()))


@cache
def known_groups() -> KnownGroups:
    """Return what is known."""
    raw = load((resources.files(__package__) / "scopes.yaml").read_text(encoding="utf-8"))
    return KnownGroups(
        **{part: {group: frozenset(kinds) for group, kinds in listed.items()} for part, listed in raw.items()}
    )
