"""What Argo CD's own Lua makes of statuses that the operator wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daulat.api.kinds import KINDS, Kind
from dev.gitops.argocd import health

from . import estate
from .conftest import Landed

NAMES = {
    "SovereignModel": (estate.MODEL, estate.TREASURY),
    "SovereigntyPolicy": (estate.POLICY, ""),
    "SovereignZone": ("cyberjaya-1", ""),
    "AcceleratorProfile": (estate.PROFILE, ""),
    "SovereigntyExemption": (estate.EXEMPTION, ""),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_an_object_is_healthy_once_the_operator_says_so_of_its_generation(
    landed: Landed, kind: Kind, tmp_path: Path
) -> None:
    name, namespace = NAMES[kind.kind]
    found: dict[str, Any] = landed.world.get(kind.plural, name, namespace=namespace)
    ready = landed.world.condition(kind.plural, name, "Ready", namespace)
    assert health(found, tmp_path) == ("Healthy", f"{ready['reason']}: {ready['message']}")
    changed = {**found, "metadata": {**found["metadata"], "generation": found["metadata"]["generation"] + 1}}
    assert health(changed, tmp_path)[0] == "Progressing"
    new = {key: value for key, value in found.items() if key != "status"}
    assert health(new, tmp_path) == ("Progressing", "Waiting for the Daulat operator")


def test_a_request_is_suspended_and_a_mistake_degraded(landed: Landed, tmp_path: Path) -> None:
    world = landed.world
    person = {
        "apiGroups": ["daulat.dev"],
        "resources": ["sovereigntyexemptions"],
        "verbs": ["get", "create", "patch", "delete"],
    }
    aminah = world.grant("aminah@example.my", person)
    request = estate.exemption("aminah@example.my")
    request["metadata"] = {"name": "a-request"}
    aminah.apply([request])
    world.wait_reason("sexempt", "a-request", "Ready", "NotApproved")
    assert health(world.get("sexempt", "a-request"), tmp_path)[0] == "Suspended"
    request["spec"] = {**request["spec"], "policy": "none"}
    aminah.run("delete", "sexempt", "a-request")
    aminah.apply([request])
    world.wait_reason("sexempt", "a-request", "Ready", "PolicyNotFound")
    assert health(world.get("sexempt", "a-request"), tmp_path)[0] == "Degraded"
    aminah.run("delete", "sexempt", "a-request")
