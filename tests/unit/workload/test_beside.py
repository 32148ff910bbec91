"""What stands beside the pods stays as it is over upgrades, and is what other projects' own kinds take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from daulat.api.frozen import FrozenDict
from daulat.facts.platform import Platform
from daulat.kube.ref import Ref
from daulat.reconcile.model.auxiliary import KINDS
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.result import Apply
from tests.unit.world import H20, World, choice, gateway, h20, model, policy, zone

from .others import problems

GOLDEN = Path(__file__).parent / "golden-beside"
REF = Ref("SovereignModel", "treasury", "deepseek")
READERS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
KEDA = Platform("http://prometheus.monitoring.svc:9090", "sum(x)", FrozenDict({"release": "prometheus"}))
SCALED = {"minReplicas": 0, "maxReplicas": 4, "target": 5}
EXPOSED = {"gateway": "internal", "listener": "https", "hostnames": ["deepseek.example.my"]}


def world(platform: Platform | None = None, **spec: Any) -> World:
    """Return a world in which nothing stands in the way of anything."""
    return World(
        models=[model(accelerators=[choice(H20, 4)], **spec)],
        policies=[policy(exposure={"gatewayClasses": ["internal"]}, monitoring={"allow": [READERS]})],
        zones=[zone(gatewayClasses=["internal"])],
        gateways=[gateway()],
        platform=platform or Platform(),
    )


CASES = {
    "service": world(autoscaling=SCALED, exposure=EXPOSED),
    "pool": world(KEDA, autoscaling=SCALED, exposure={**EXPOSED, "endpointPicker": {"service": "picker"}}),
}


def made(found: World) -> list[dict[str, Any]]:
    result = reconcile_model(REF, found.snapshot(), 1_800_000_000.0)
    return [e.manifest for e in result.effects if isinstance(e, Apply) and e.manifest["kind"] in KINDS]


@pytest.mark.parametrize("name", CASES)
def test_an_upgrade_of_the_operator_changes_nothing(name: str) -> None:
    """A change here is a change of every autoscaler and route at the next upgrade: make it only if that is meant."""
    assert made(CASES[name]) == list(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("golden", sorted(p.name for p in GOLDEN.glob("*.yaml")))
def test_what_is_rendered_is_what_other_projects_take(golden: str) -> None:
    manifests = list(yaml.safe_load_all((GOLDEN / golden).read_text()))
    assert len(manifests) >= 3
    for manifest in manifests:
        assert problems(manifest) == []


def test_of_a_replica_on_several_nodes_the_leader_answers() -> None:
    found = world(KEDA, autoscaling=SCALED, exposure={**EXPOSED, "endpointPicker": {"service": "picker"}})
    found.models[0]["spec"]["accelerators"] = [choice(H20, 16, nodes=2)]
    found.nodes = [h20("h1"), h20("h2")]
    chosen = {m["kind"]: m["spec"].get("selector", {}).get("matchLabels", {}) for m in made(found)}
    assert chosen["InferencePool"]["daulat.dev/role"] == "leader"
    assert chosen["PodMonitor"]["daulat.dev/role"] == "leader"
