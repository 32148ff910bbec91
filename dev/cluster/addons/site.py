"""What an add-on's installation needs of the cluster that it goes to; the cluster keeps the rest to itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.api import Endpoint
from dev.cluster.kubectl import Kubectl
from dev.cluster.locking import Say


@dataclass(frozen=True)
class Site:
    """One running cluster."""

    name: str
    directory: Path
    server: str
    api: Endpoint
    kubectl: Kubectl
    say: Say
    binary: Callable[[str], str]
    """Where a program lies."""
    port: Callable[[str], int]
    """The port of that name, as it was chosen before."""
    choose_ports: Callable[[Sequence[str]], dict[str, int]]
    """Choose free ports of these names, and remember them."""
    runs: Callable[[str], bool]
    """Whether the process of that name runs."""
    launch: Callable[[str, Sequence[str]], None]
    """Start a process under a name, with its command line; the cluster stops it."""
    wait: Callable[[str, Callable[[], bool]], None]
    """Wait until something is so; ends with an error when a process of the cluster ends."""

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.directory / "pki"
