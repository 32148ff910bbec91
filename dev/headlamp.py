"""Writes what the Headlamp plugin takes from here: the kinds with their columns, and the cluster and verdicts of its tests.

The cluster is the demo's nodes and zones with the examples, reconciled offline.
Statuses are the operator's own, as the reconcilers write them on a copy of the facts, so no status is invented.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from daulat.admission.zones import rejects
from daulat.api.requirements import ZoneRequirements
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from daulat.simulate.run import Simulation
from daulat.simulate.world import Cluster
from dev.cluster.scenario import load, node_manifests, zone_manifests

KINDS = Path("ui/headlamp/src/kinds.json")
CLUSTER = Path("ui/headlamp/src/testdata/cluster.json")
VERDICTS = Path("ui/headlamp/src/testdata/zones.json")
NOW = 1_800_000_000.0
SHOWN = (
    "SovereignModel",
    "SovereigntyPolicy",
    "SovereignZone",
    "AcceleratorProfile",
    "SovereigntyExemption",
    "Node",
    "Namespace",
    "Pod",
)
PROFILES = {"amd-mi300x", "huawei-ascend-910b", "nvidia-h20", "nvidia-h200"}
EXAMPLES = ("policy", "namespace", "deepseek-r1", "qwen3-32b", "exemption")


def objects() -> list[dict[str, Any]]:
    """Return what the cluster starts from."""
    scenario = load(Path("dev/scenarios/demo.yaml"))
    nodes = node_manifests(scenario)
    for node in nodes:  # As KWOK says of the demo's nodes.
        node["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    found = [*accelerators.manifests(), *zone_manifests(scenario), *nodes]
    for name in EXAMPLES:
        found += [d for d in yaml.safe_load_all(Path(f"examples/{name}.yaml").read_text("utf-8")) if d]
    return found


def kinds() -> str:
    """Return the kinds with the columns of their CRDs as JSON."""
    found = []
    for path in sorted(Path("crds").glob("*.yaml")):
        spec = yaml.safe_load(path.read_text("utf-8"))["spec"]
        (version,) = spec["versions"]
        columns = [
            {"name": c["name"], "type": c["type"], "path": c["jsonPath"], "wide": c.get("priority", 0) > 0}
            for c in version["additionalPrinterColumns"]
        ]
        found.append(
            {
                "kind": spec["names"]["kind"],
                "plural": spec["names"]["plural"],
                "version": version["name"],
                "namespaced": spec["scope"] == "Namespaced",
                "columns": columns,
            }
        )
    return json.dumps(found, indent=2) + "\n"


def cluster() -> str:
    """Return the cluster as JSON, after the reconcilers reached a fixed point."""
    simulation = Simulation(Cluster(tuple(objects()), NOW))
    simulation.settle(3600.0)
    unused = {p["metadata"]["name"] for p in accelerators.manifests()} - PROFILES
    found = [m for ref, m in simulation.world.objects.items() if ref.kind in SHOWN and ref.name not in unused]
    found.sort(key=lambda m: (m["kind"], m["metadata"].get("namespace", ""), m["metadata"]["name"]))
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


REQUIREMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"names": ["cyberjaya-1"]},
    {"names": ["elsewhere", "johor-hosted"]},
    {"countries": ["MY"]},
    {"countries": ["MY", "SG"], "operatorCountries": ["MY"]},
    {"parentCountries": ["MY"]},
    {"parentCountries": ["SG", "US"]},
    {"minimumDataClass": "restricted"},
    {"minimumDataClass": "confidential"},
    {"countries": ["SG"], "parentCountries": ["MY"], "minimumDataClass": "confidential"},
)
"""`spec.zones` of policies: each field alone, and several, of which the first that doesn't hold is reported."""


def verdicts() -> str:
    """Return the verdicts of each of REQUIREMENTS on each zone of the demo as JSON, also with an operator of a foreign parent."""
    zones = [z for m in zone_manifests(load(Path("dev/scenarios/demo.yaml"))) for z in (m, _foreign(m))]
    found = []
    for asked in REQUIREMENTS:
        requirements = ZoneRequirements.model_validate(asked)
        for zone in zones:
            name = zone["metadata"]["name"]
            why = rejects(requirements, name, SovereignZoneSpec.model_validate(zone["spec"]))
            found.append({"policy": {"spec": {"zones": asked}}, "zone": zone, "why": why or ""})
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def _foreign(zone: dict[str, Any]) -> dict[str, Any]:
    """Return the zone with an operator whose parent is abroad, for less sensitive data."""
    operator = {**zone["spec"]["operator"], "ultimateParentCountry": "US"}
    return {**zone, "spec": {**zone["spec"], "operator": operator, "maximumDataClass": "internal"}}


if __name__ == "__main__":
    CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    KINDS.write_text(kinds(), "utf-8")
    CLUSTER.write_text(cluster(), "utf-8")
    VERDICTS.write_text(verdicts(), "utf-8")
