"""Writes manifests as text, the same bytes for the same manifests."""

from __future__ import annotations

import json
from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.manifest.yaml_writer import dump_manifest


def as_yaml(manifests: Sequence[Manifest]) -> str:
    """Return a stream of documents, keys in order. ValueError where one doesn't survive being written."""
    return "---\n".join(dump_manifest(manifest, sort_keys=True) for manifest in manifests)


def as_json(manifests: Sequence[Manifest]) -> str:
    """Return a List, keys in order."""
    whole = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
