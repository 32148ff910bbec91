"""Reads the YAML that the package itself ships."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

import yaml

# libyaml where PyYAML was built with it, as its wheels are: the library's hundred files take 50 ms rather than 400.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str) -> Any:
    """Return what the text holds. Not for what users write: it takes the last of two equal keys, and says nothing."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders


def load_folder(package: str | None, folder: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every YAML file of a package's folder with what it holds, by name. Folders within it are left alone."""
    if package is None:
        raise ValueError("a module outside a package ships no data")
    files = [f for f in resources.files(package).joinpath(folder).iterdir() if f.name.endswith(".yaml")]
    for file in sorted(files, key=lambda f: f.name):
        yield file.name, load(file.read_text(encoding="utf-8"))
