"""Runs our own kubectl with one kubeconfig; every call either works or says why not."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.cluster.errors import ClusterError


@dataclass(frozen=True)
class Kubectl:
    """One kubectl, one cluster, one identity."""

    command: str
    kubeconfig: Path

    def run(self, *arguments: str, stdin: str | None = None, timeout_seconds: float = 180.0) -> str:
        """What kubectl prints; an error of its own is a ClusterError with its words."""
        # The user's own kubectl settings (kuberc aliases and defaults) must not change what we ask for.
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBERC": "off"}
        asked = f"kubectl {' '.join(arguments[:2])}"
        try:
            result = subprocess.run(
                [self.command, *arguments],
                check=False,
                input=stdin,
                capture_output=True,
                text=True,
                env=environment,
                timeout=timeout_seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(
                f"`{asked}` gave no answer in {timeout_seconds:.0f} s: is the cluster healthy?"
            ) from error
        if result.returncode != 0:
            lines = [line for line in result.stderr.strip().splitlines() if line]
            raise ClusterError(f"`{asked}` failed: {'; '.join(lines[-5:]) or 'it gave no reason'}")
        return result.stdout

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """An object as the API server has it."""
        where = ("--namespace", namespace) if namespace else ()
        found: dict[str, Any] = json.loads(self.run("get", kind, name, *where, "-o", "json"))
        return found

    def create(self, manifest: Mapping[str, Any]) -> None:
        """Make an object. ClusterError where there is one by that name, or the API server refuses it."""
        self.run("create", "-f", "-", stdin=json.dumps(manifest))

    def apply(self, manifests: Sequence[Mapping[str, Any]], *options: str, timeout_seconds: float = 180.0) -> None:
        """Server-side apply, as field manager daulat-dev; nothing to apply is fine."""
        if manifests:
            content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
            arguments = ["apply", "--server-side", "--field-manager=daulat-dev", *options, "-f", "-"]
            self.run(*arguments, stdin=content, timeout_seconds=timeout_seconds)
