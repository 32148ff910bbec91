"""Writes manifests as text, the same bytes for the same manifests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from daulat.api.kinds import Manifest

WIDTH = 120
_FOLDED_FROM = 80
"""Texts longer than this become block scalars: quoted CEL, with each of its own quotes doubled, is unreadable."""


class _Dumper(yaml.SafeDumper):
    """Block style throughout, so that a change of one expression is a change of its own lines."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat what is shared: anchors would make the output depend on which objects happen to be the same one."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else ">" if len(value) > _FOLDED_FROM and " " in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(manifests: Sequence[Manifest]) -> str:
    """Return a stream of documents, keys in order. ValueError where one doesn't survive being written."""
    texts = []
    for manifest in manifests:
        text = yaml.dump(manifest, Dumper=_Dumper, sort_keys=True, width=WIDTH, allow_unicode=True)
        if yaml.safe_load(text) != manifest:
            raise ValueError(f"{manifest['kind']} {manifest.get('metadata')} doesn't survive being written as YAML")
        texts.append(text)
    return "---\n".join(texts)


def as_json(manifests: Sequence[Manifest]) -> str:
    """Return a List, keys in order."""
    whole = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
