"""Cuts what Daulat renders out of Kubernetes' OpenAPI document, as a strict JSON schema that tests read without a network.

``python -m dev.openapi 1.34.2 1.37.2`` writes tests/schemas/kubernetes-1.34.json and -1.37.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[1] / "tests" / "schemas"
KINDS = {
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "io.k8s.api.core.v1.PersistentVolumeClaim",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.ServiceAccount",
    "io.k8s.api.networking.v1.NetworkPolicy",
    "io.k8s.api.policy.v1.PodDisruptionBudget",
}
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


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key in _KEPT:
        if key in node:
            inner = node[key]
            made[key] = {n: _strict(v) for n, v in inner.items()} if key == "properties" else _strict(inner)
    if made.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
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


def main(versions: list[str]) -> None:
    """Write a file for each version."""
    for version in versions:
        path = SCHEMAS / f"kubernetes-{'.'.join(version.split('.')[:2])}.json"
        path.write_text(json.dumps(cut(document(version)), indent=1, sort_keys=True) + "\n")
        print(f"{path.name}: {path.stat().st_size // 1024} KiB from k8s.io/kubernetes v{version}")


if __name__ == "__main__":
    main(sys.argv[1:])
