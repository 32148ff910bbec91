"""Reads the YAML that the package itself ships."""

from __future__ import annotations

from typing import Any

import yaml

# libyaml where PyYAML was built with it, as its wheels are: the library's hundred files take 50 ms rather than 400.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str) -> Any:
    """Return what the text holds. Not for what users write: it takes the last of two equal keys, and says nothing."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
