"""Judges what is rendered for other projects by their own CRDs, and autoscalers by Kubernetes' document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parents[2] / "schemas"


def problems(manifest: dict[str, Any]) -> list[str]:
    """Return what the other project's API server would say against the manifest; KeyError where nobody knows the kind."""
    kind = manifest["kind"]
    if kind == "HorizontalPodAutoscaler":
        found = []
        for version in ("1.34", "1.37"):
            document = json.loads((SCHEMAS / f"kubernetes-{version}.json").read_text())
            schema = {**document, "$ref": f"#/definitions/io.k8s.api.autoscaling.v2.{kind}"}
            found += _problems(schema, manifest)
        return found
    schema = json.loads((SCHEMAS / "addons.json").read_text())[kind]
    if manifest["apiVersion"] != schema["description"].split(" ")[0]:
        return [f"$.apiVersion: {manifest['apiVersion']} isn't what the schema is of: {schema['description']}"]
    return _problems(schema, manifest)


def _problems(schema: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in jsonschema.Draft7Validator(schema).iter_errors(manifest)]
