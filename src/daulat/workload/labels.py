"""The labels, names and owner of everything that is made for a model."""

from __future__ import annotations

from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION, MANAGED_BY, MODEL_LABEL
from daulat.facts.snapshot import Model


def selector(model: Model) -> dict[str, str]:
    """Return the labels that find the model's pods."""
    return {"app.kubernetes.io/name": "sovereignmodel", MODEL_LABEL: model.name}


def labels(model: Model) -> dict[str, str]:
    """Return the labels of an object that is made for the model."""
    return {**selector(model), MANAGED_BY: "daulat", "app.kubernetes.io/part-of": "daulat"}


def owned(model: Model, api_version: str, kind: str, body: dict[str, Any]) -> Manifest:
    """Return a manifest that is deleted with the model."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": model.name,
            "namespace": model.namespace,
            "labels": labels(model),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "SovereignModel",
                    "name": model.name,
                    "uid": model.uid,
                    "controller": True,
                }
            ],
        },
        **body,
    }
