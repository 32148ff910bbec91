"""Writes a kind's CustomResourceDefinition from its pydantic models: structural, described, without surprises."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from .digest import digest
from .forms import FORMS, LONGEST
from .kinds import KINDS, Kind, Manifest
from .names import GROUP, VERSION

SCHEMA_ANNOTATION = f"{GROUP}/schema"
"""The digest of the definition's spec. By it the chart sees whether an upgrade has definitions to upgrade."""

_COPIED = ("description", "type", "format", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength")
_COPIED_BOUNDS = {"minItems": "minItems", "maxItems": "maxItems", "maxProperties": "maxProperties"}

KEPT = {
    "argocd.argoproj.io/sync-options": "Delete=false,Prune=false",
    "helm.sh/resource-policy": "keep",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""Annotations by which Argo CD, Helm and Flux never delete the CRD: every object of its kind would go with it."""


def manifests() -> list[Manifest]:
    """Return the CRD of every kind, in a stable order."""
    return [manifest(kind) for kind in KINDS]


def manifest(kind: Kind) -> Manifest:
    """Return the kind's CRD."""
    version: Manifest = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root(kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(c) for c in kind.columns],
    }
    if kind.scale:
        version["subresources"]["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    spec = {
        "group": GROUP,
        "scope": kind.scope,
        "names": {
            "kind": kind.kind,
            "listKind": f"{kind.kind}List",
            "plural": kind.plural,
            "singular": kind.kind.lower(),
            "shortNames": [kind.short],
            **({"categories": ["daulat"]} if kind.listed else {}),
        },
        "versions": [version],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/part-of": "daulat"},
            "annotations": {**KEPT, SCHEMA_ANNOTATION: digest(spec)},
        },
        "spec": spec,
    }


def _column(column: Any) -> Manifest:
    entry: Manifest = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return entry | {"priority": column.priority} if column.priority else entry


def _root(kind: Kind) -> Manifest:
    rules = [{"rule": rule, "message": message} for rule, message in kind.rules]
    schema: Manifest = {
        "description": kind.doc,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema_of(kind.spec),
            "status": schema_of(kind.status),
        },
    }
    return schema | {"x-kubernetes-validations": rules} if rules else schema


def schema_of(model: type[BaseModel]) -> Manifest:
    """Return the structural schema of a pydantic model: references inlined, nulls and titles left out."""
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(node: Manifest, definitions: Manifest) -> Manifest:
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        node = {**target, **{k: v for k, v in node.items() if k != "$ref"}}
    if "allOf" in node and len(node["allOf"]) == 1:
        return _structural({**node["allOf"][0], **{k: v for k, v in node.items() if k != "allOf"}}, definitions)
    if "anyOf" in node:
        choices = [c for c in node["anyOf"] if c.get("type") != "null"]
        if len(choices) != 1:
            raise ValueError(f"a CRD field has one type, not {node['anyOf']}")
        outer = {k: v for k, v in node.items() if k != "anyOf"}
        return _structural({**choices[0], **outer}, definitions)

    schema: Manifest = {key: deepcopy(node[key]) for key in _COPIED if key in node}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    schema |= {k: deepcopy(v) for k, v in node.items() if k.startswith("x-kubernetes-")}
    if len(pattern := schema.get("pattern", "")) > LONGEST:
        del schema["pattern"]
        rule = {"rule": f"self.matches(r'{pattern}')", "message": FORMS[pattern]}
        schema["x-kubernetes-validations"] = [rule, *schema.get("x-kubernetes-validations", ())]
    schema |= {to: node[key] for key, to in _COPIED_BOUNDS.items() if key in node}
    if schema.get("type") == "object" and "maxLength" in schema:
        schema["maxProperties"] = schema.pop("maxLength")
    if "const" in node:
        schema["enum"] = [node["const"]]
    if node.get("x-daulat-default"):
        schema["default"] = node["default"]
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions)
    if "properties" in node:
        schema["properties"] = {k: _structural(v, definitions) for k, v in node["properties"].items()}
        if node.get("required"):
            schema["required"] = sorted(node["required"])
    elif isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    elif "patternProperties" in node:
        # A CRD can't constrain keys by pattern: the values' schema stays, and unknown keys are refused by what reads them.
        (values,) = node["patternProperties"].values()
        schema["additionalProperties"] = _structural(values, definitions)
    return schema
