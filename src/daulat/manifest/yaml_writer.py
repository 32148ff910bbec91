"""Writes YAML that kubectl and parsers of YAML 1.1 and 1.2 all read as the same value."""

from __future__ import annotations

from typing import Any

import yaml

from .scalars import is_always_a_string
from .yaml_reader import read

_WIDTH = 120
_FOLDED_FROM = 80
"""Texts longer than this become block scalars: quoted CEL, with each of its own quotes doubled, is unreadable."""


class _Style:
    """Block style throughout, so that a change of one expression is a change of its own lines."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat shared values: anchors would make the output depend on which Python objects are identical."""
        return True


class _Dumper(_Style, yaml.SafeDumper):
    """PyYAML's own in Python, so that the bytes don't depend on libyaml."""


class _FastDumper(_Style, getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """libyaml's, if PyYAML was built with it: several times as fast, but its bytes may differ between releases."""


def _text(dumper: Any, value: str) -> yaml.ScalarNode:
    folds = len(value) > _FOLDED_FROM and (" " in value or "'" in value)
    # PyYAML quotes what it would itself read as another type, which isn't all: it leaves 12e3 and y as they are.
    style = "|" if "\n" in value else ">" if folds else None if is_always_a_string(value) else "'"
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    return node


_Dumper.add_representer(str, _text)
_FastDumper.add_representer(str, _text)


def dump(value: Any, *, sort_keys: bool = False, fast: bool = False) -> str:
    """Return a value as a YAML document: the same bytes for the same value, unless ``fast`` is set."""
    dumper = _FastDumper if fast else _Dumper
    return str(yaml.dump(value, Dumper=dumper, sort_keys=sort_keys, width=_WIDTH, allow_unicode=True))


def dump_manifest(manifest: dict[str, Any], *, sort_keys: bool = False) -> str:
    """Return a manifest as a YAML document. Raises ValueError if kubectl would read another value."""
    text = dump(manifest, sort_keys=sort_keys)
    found = read(text)
    if found.flaws or found.value != manifest:
        raise ValueError(
            f"{manifest.get('kind')} {manifest.get('metadata')} can't be written as YAML that kubectl reads back"
        )
    return text
