"""Controllers of other projects as processes of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import processes
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError
from dev.neighbours import build, controller
from dev.neighbours.controller import Controller, Manifest

HOOK = {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "validator.example.my"}}


class Unreachable:
    """A kubectl whose API server gives no answer."""

    def run(self, *arguments: str) -> str:
        """Fail as kubectl does."""
        raise ClusterError(f"`kubectl {arguments[0]}` failed: Unable to connect to the server")


class Sleeper(Controller):
    """A program that ends only when it is stopped."""

    neighbour = build.JOBSET

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        self._process = processes.start("sleeper", ["sleep", "600"], self.log)


def test_a_controller_ends_even_if_its_webhooks_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(cluster: Any) -> Unreachable:
        return Unreachable()

    def release(neighbour: build.Neighbour) -> list[dict[str, Any]]:
        return [HOOK]

    monkeypatch.setattr(controller, "kubectl", unreachable)
    monkeypatch.setattr(build, "manifests", release)
    sleeper = Sleeper(EmbeddedCluster("none", say=print), tmp_path)
    sleeper.start()
    started = sleeper._process
    assert started is not None
    with pytest.raises(ClusterError, match="Unable to connect"):
        sleeper.stop()
    assert processes.find(started) is None
