"""Architectures of machines, which OCI and Go name otherwise than Python and wheels do."""

from __future__ import annotations

import platform

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""By the name in images and releases, the one in tags of wheels and of the running system."""
ARCHITECTURES = tuple(MACHINES)


def architecture() -> str:
    """Return this machine's, as images and releases name it; as the system does where that isn't known."""
    machine = platform.machine()
    return next((name for name, own in MACHINES.items() if own == machine), machine)
