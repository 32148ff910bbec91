"""What a simulation says of a zone's revocation is what happens when the zone is revoked, on a real API server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from daulat.cli.main import main
from dev.deployment import poll

from .hall import hall
from .world import World, model_manifest

GRACE = 3
_NOWHERE = json.dumps(
    {"spec": {"nodeSelector": {"matchLabels": {"daulat.node-restriction.kubernetes.io/site": "revoked"}}}}
)


def run(world: World, *arguments: str) -> Result:
    env = {**os.environ, "KUBECONFIG": str(world.cluster.kubeconfig())}
    return CliRunner().invoke(main, [*arguments], env=env)


def found(world: World, *arguments: str) -> dict[str, Any]:
    done = run(world, "simulate", "-o", "json", *arguments)
    assert done.exit_code in (0, 1), done.output
    outcome: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == int(outcome["worse"])
    return outcome


def test_a_revocation_does_what_was_simulated_before(world: World, tmp_path: Path) -> None:
    drift = {"gracePeriod": f"{GRACE}s", "limit": "100%"}
    with hall(world, size=2, drift=drift) as own:
        own.fill_each(1)
        world.admin.apply([model_manifest("m", own.namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", own.namespace)
        pods = {f"{own.namespace}/{p['metadata']['name']}" for p in own.running()}
        assert len(pods) == 3

        # Applying what is there changes nothing of a running cluster.
        same = tmp_path / "same.json"
        kept = {"metadata": {"name": own.policy}, "spec": world.get("sovereigntypolicy", own.policy)["spec"]}
        same.write_text(json.dumps({"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereigntyPolicy", **kept}))
        outcome = found(world, "--change", str(same), "--cluster")
        assert [p for p in outcome["policies"] if p["name"] == own.policy] == []
        assert [m for m in outcome["models"] if m["namespace"] == own.namespace] == []
        assert outcome["evictions"] == []

        facts = tmp_path / "facts"
        assert run(world, "snapshot", "--output-dir", str(facts)).exit_code == 0
        outcome = found(world, "--revoke-zone", own.site, "--snapshot", str(facts))
        evicted = [e for e in outcome["evictions"] if e["policies"] == [own.policy]]
        assert {name for e in evicted for name in e["sample"]} == pods
        assert all(GRACE <= e["first"] <= e["last"] <= GRACE + 2 for e in evicted)
        (policy,) = (p for p in outcome["policies"] if p["name"] == own.policy)
        (model,) = (m for m in outcome["models"] if m["namespace"] == own.namespace)
        assert (policy["before"]["eligibleNodes"], policy["after"]["eligibleNodes"]) == (2, 0)

        world.admin.run("patch", "sovereignzone", own.site, "--type=merge", "-p", _NOWHERE)
        poll("the pods to be gone", lambda: not own.running())
        placed = world.wait_condition("sovereignmodel", "m", "Placed", "False", own.namespace)
        assert (model["what"], model["after"]["reason"]) == ("without a place", placed["reason"])
        assert model["after"]["message"] == placed["message"]
        poll("no node to be eligible", lambda: _eligible(world, own.policy) == 0)


def _eligible(world: World, policy: str) -> int:
    return int(world.get("sovereigntypolicy", policy)["status"]["eligibleNodes"])
