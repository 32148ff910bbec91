"""Writes YAML that kubectl and readers of YAML 1.1 and 1.2 all take for what was meant."""

from __future__ import annotations

from typing import Any

import yaml

from .scalars import is_told_apart
from .yaml_reader import read

_WIDTH = 120
_FOLDED_FROM = 80
"""Texts longer than this become block scalars: quoted CEL, with each of its own quotes doubled, is unreadable."""


class _Style:
    """Block style throughout, so that a change of one expression is a change of its own lines."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat what is shared: anchors would make the output depend on which objects happen to be the same one."""
        return True


class _Dumper(_Style, yaml.SafeDumper):
    """PyYAML's own, so that the bytes don't depend on whether libyaml is there."""


class _FastDumper(_Style, getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Libyaml's where it is there: several times as fast, and nobody promises the same bytes."""


def _text(dumper: Any, value: str) -> yaml.ScalarNode:
    folds = len(value) > _FOLDED_FROM and (" " in value or "'" in value)
    # PyYAML quotes what it would read otherwise itself, which isn't all: it leaves 12e3 and y as they are.
    style = "|" if "\n" in value else ">" if folds else None if is_told_apart(value) else "'"
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    return node


_Dumper.add_representer(str, _text)
_FastDumper.add_representer(str, _text)


def dump(value: Any, *, sort_keys: bool = False, fast: bool = False) -> str:
    """Return a value as a YAML document: the same text for the same value, unless it is wanted ``fast``."""
    dumper = _FastDumper if fast else _Dumper
    return str(yaml.dump(value, Dumper=dumper, sort_keys=sort_keys, width=_WIDTH, allow_unicode=True))


def dump_manifest(manifest: dict[str, Any], *, sort_keys: bool = False) -> str:
    """Return a manifest as a YAML document. ValueError where kubectl would read something else."""
    text = dump(manifest, sort_keys=sort_keys)
    found = read(text)
    if found.flaws or found.value != manifest:
        raise ValueError(f"{manifest.get('kind')} {manifest.get('metadata')} doesn't survive being written as YAML")
    return text
