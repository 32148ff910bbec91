"""The API server's audit log: the policy that says what is logged, and the arguments that turn it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.pki import write_private

POLICY = "audit-policy.yaml"
LOG = "audit.log"
MAX_MIB = 4096
"""The API server starts a new file at 100 MiB by default, where a reader that follows by offset would lose its place."""


def requests_of(users: Sequence[str]) -> dict[str, Any]:
    """An audit policy that logs the metadata of every answered request of these users, and nothing else."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": list(users)}, {"level": "None"}],
    }


def arguments(directory: Path) -> tuple[str, ...]:
    """Arguments of the API server, for a cluster that keeps its files in this directory."""
    return (
        f"--audit-policy-file={directory / POLICY}",
        f"--audit-log-path={directory / LOG}",
        f"--audit-log-maxsize={MAX_MIB}",
    )


def write(directory: Path, policy: Mapping[str, Any]) -> None:
    """Write the policy where the arguments say. It has to be there before the API server starts."""
    write_private(directory / POLICY, yaml.safe_dump(dict(policy)).encode())
