"""One way to use a control plane, whatever it is: embedded here, in kind, or somebody's existing cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dev.cluster.kubeconfig import ADMIN


@dataclass(frozen=True)
class ComponentStatus:
    """One process of a cluster; `pid` is None when it doesn't run."""

    name: str
    pid: int | None
    port: int | None
    memory_mib: int | None


@dataclass(frozen=True)
class Status:
    """A cluster as it is now."""

    name: str
    kind: str
    server: str
    ready: bool
    components: tuple[ComponentStatus, ...] = ()
    kubernetes: str = ""
    """The minor version, where we chose it."""


class Cluster(Protocol):
    """What tests and the demo need of a control plane."""

    @property
    def name(self) -> str:
        """What tells it from others on this machine."""

    @property
    def kind(self) -> str:
        """embedded, kind or existing."""

    def up(self, scenario: Path | None = None) -> None:
        """Make it ready, with the scenario's nodes; when it is ready already, say so and change nothing else."""

    def down(self) -> None:
        """Remove all that `up` made, and nothing else; fine when there is nothing."""

    def status(self) -> Status:
        """How it is now."""

    def kubeconfig(self, user: str = ADMIN, groups: Sequence[str] = ()) -> Path:
        """A file that acts as this user: `admin` may do everything, others what RBAC gives them."""


def announce(message: str) -> None:
    """Where progress goes: stderr, for stdout is for results."""
    print(message, file=sys.stderr, flush=True)
