"""Cuts what Daulat renders out of Kubernetes' OpenAPI document and other projects' CRDs, as strict JSON schemas that tests read
without a network.

``python -m dev.openapi 1.34.2 1.37.2 addons`` writes tests/schemas/kubernetes-1.34.json, -1.37.json and addons.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dev.cluster.addons import fetch
from dev.cluster.addons.catalog import CATALOG
from dev.cluster.addons.install import CRD
from dev.cluster.cluster import announce

SCHEMAS = Path(__file__).parents[1] / "tests" / "schemas"
KINDS = {
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.StatefulSet",
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "io.k8s.api.core.v1.PersistentVolumeClaim",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.ServiceAccount",
    "io.k8s.api.networking.v1.NetworkPolicy",
    "io.k8s.api.policy.v1.PodDisruptionBudget",
    "io.k8s.api.resource.v1.ResourceClaimTemplate",
}
ADDONS = {
    "keda": "ScaledObject",
    "gateway-api": "HTTPRoute",
    "inference-pool": "InferencePool",
    "prometheus-operator": "PodMonitor",
    "service-monitor": "ServiceMonitor",
    "prometheus-rule": "PrometheusRule",
}
"""Other projects' kinds that Daulat writes, by the add-on (dev/cluster/addons) that has the CRD."""
_KEPT = ("type", "format", "enum", "items", "properties", "additionalProperties", "required", "$ref")


def document(version: str) -> dict[str, Any]:
    """Return the OpenAPI document that the Go module of a Kubernetes release carries."""
    said = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(
        (Path(json.loads(said.stdout)["Dir"]) / "api" / "openapi-spec" / "swagger.json").read_text()
    )
    return found


def cut(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions of the kinds and of all that they are made of. An object has no fields but those that are listed."""
    definitions, open_names, found = openapi["definitions"], set(KINDS), {}
    while open_names:
        name = open_names.pop()
        found[name] = _strict(definitions[name])
        open_names |= {n for n in _references(found[name]) if n not in found}
    return {"definitions": dict(sorted(found.items()))}


def _strict(node: Any, more: tuple[str, ...] = ()) -> Any:
    if isinstance(node, list):
        return [_strict(inner, more) for inner in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key in (*_KEPT, *more):
        if key in node:
            inner = node[key]
            made[key] = {n: _strict(v, more) for n, v in inner.items()} if key == "properties" else _strict(inner, more)
    if made.get("format") == "int-or-string" or node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return {"type": "object"}
    made.pop("format", None)
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for inner in node for name in _references(inner)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"].rpartition("/")[2]} if "$ref" in node else set()
    return own | {name for inner in node.values() for name in _references(inner)}


def of_addons() -> dict[str, Any]:
    """Return the schemas of the other projects' kinds, by kind, with what only a schema of a CRD says left out."""
    found = {}
    for addon, kind in ADDONS.items():
        (crd,) = [
            m for m in fetch.manifests(addon, announce) if m["kind"] == CRD and m["spec"]["names"]["kind"] == kind
        ]
        (version,) = [v for v in crd["spec"]["versions"] if v["storage"]]
        schema = _strict(
            version["schema"]["openAPIV3Schema"], ("pattern", "minItems", "maxItems", "minimum", "maximum")
        )
        # A CRD leaves what every object has to the API server.
        schema["properties"] = {**schema["properties"], "metadata": {"type": "object"}}
        schema["properties"].pop("status", None)
        found[kind] = {"description": f"{crd['spec']['group']}/{version['name']} of {CATALOG[addon].version}", **schema}
    return found


def main(versions: list[str]) -> None:
    """Write a file for each version."""
    if "addons" in versions:
        (SCHEMAS / "addons.json").write_text(json.dumps(of_addons(), indent=1, sort_keys=True) + "\n")
    for version in versions:
        if version == "addons":
            continue
        path = SCHEMAS / f"kubernetes-{'.'.join(version.split('.')[:2])}.json"
        path.write_text(json.dumps(cut(document(version)), indent=1, sort_keys=True) + "\n")
        print(f"{path.name}: {path.stat().st_size // 1024} KiB from k8s.io/kubernetes v{version}")


if __name__ == "__main__":
    main(sys.argv[1:])
