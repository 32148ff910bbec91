"""Finds in directories what only becomes objects by Helm or kustomize: those files aren't judged, and it is said which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from daulat.manifest.chunks import chunks
from daulat.manifest.document import Problem
from daulat.manifest.documents import documents
from daulat.manifest.yaml_reader import read

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_API_VERSION = re.compile(rb"^apiVersion:", re.MULTILINE)
_KIND = re.compile(rb"^kind:", re.MULTILINE)
_ACTION = re.compile(
    rb"""^[ \t]*(?:-[ ]+)?(?:[\w.-]+:[ ]*)?["']?\{\{-?\s*(?:
    \.(?:Values|Release|Chart|Capabilities|Template|Files)\b
    | (?:include|template|if|range|with|else|end|define|block|toYaml|tpl|required|default|printf)\b
    | \$[\w.]*\s*:?= | /\*)""",
    re.MULTILINE | re.VERBOSE,
)
"""An action of Go's templates, as Helm's have them. Workflows and policies of others have expressions in braces that are none."""
_PLAIN = frozenset(("apiVersion", "kind", "metadata", "resources", "bases"))
"""Fields of a kustomization that change nothing in the resources."""
_OWN = frozenset(
    (
        "patches",
        "patchesStrategicMerge",
        "patchesJson6902",
        "configurations",
        "transformers",
        "generators",
        "validators",
    )
)
_OWN_FIELDS = (
    "replacements",
    "openapi",
    "configMapGenerator",
    "secretGenerator",
    "helmCharts",
    "helmChartInflationGenerator",
)


@dataclass(frozen=True)
class Layout:
    """The files of directories that aren't manifests, and a remark on every chart and kustomization that isn't built."""

    skipped: frozenset[str] = frozenset()
    unbuilt: tuple[str, ...] = ()


def layout(files: Mapping[str, bytes]) -> Layout:
    """Return the layout of files that were found in directories, by their names."""
    skipped: set[str] = set()
    unbuilt: list[str] = []
    by_folder: dict[PurePath, dict[str, str]] = {}
    for name in files:
        path = PurePath(name)
        by_folder.setdefault(path.parent, {})[path.name] = name
    for folder, own in sorted(by_folder.items()):
        if "Chart.yaml" in own:
            skipped.update(own[n] for n in own if _is_of_chart(n, files[own[n]]))
            templates = [name for name, data in files.items() if _is_template(folder, PurePath(name), data)]
            skipped.update(templates)
            if templates:
                count = f"{len(templates)} template{'s' if len(templates) > 1 else ''}"
                unbuilt.append(
                    f"{folder}: {count} of a chart, not judged. Render it: helm template {folder} | daulat check -"
                )
        for name in _KUSTOMIZATIONS:
            if name in own:
                found = read(files[own[name]].decode("utf-8", "replace")).value
                if isinstance(found, dict):
                    skipped.add(own[name])
                    known = {str(PurePath(n)): n for n in files}
                    patches = {known[p] for p in _patches(found, folder) if p in known}
                    skipped |= patches
                    if found.keys() - _PLAIN:
                        unbuilt.append(_unbuilt(folder, found, sorted(patches)))
    for name, data in files.items():
        # An object may hold a template in a text, so only what can't be read is taken for one.
        if name not in skipped and _ACTION.search(data) and _is_broken(data, name):
            skipped.add(name)
            unbuilt.append(f"{name}: a template, not judged. Render it: helm template ... | daulat check -")
    return Layout(frozenset(skipped), tuple(unbuilt))


def _is_of_chart(name: str, data: bytes) -> bool:
    """Say whether a file in a chart's folder is the chart's own. An object is judged, whatever its file is called."""
    own = name == "Chart.yaml" or (name.startswith("values") and name.endswith((".yaml", ".yml")))
    return own and not (_API_VERSION.search(data) and _KIND.search(data))


def _unbuilt(folder: PurePath, kustomization: Mapping[str, Any], patches: Sequence[str]) -> str:
    without = f", and {', '.join(patches)} not at all" if patches else ""
    if kustomization.get("kind") == "Component":
        return f"{folder}: a kustomize component isn't judged by itself. Build an overlay that uses it and judge that"
    return (
        f"{folder}: resources are judged as written in their files, without what the kustomization changes{without}."
        f" Build it: kustomize build {folder} | daulat check -"
    )


def _is_template(chart: PurePath, path: PurePath, data: bytes) -> bool:
    # A template without an action is a manifest as it is.
    return path.is_relative_to(chart / "templates") and b"{{" in data


def _is_broken(data: bytes, name: str) -> bool:
    for chunk in chunks(data, name):
        if isinstance(chunk, Problem) or any(isinstance(each, Problem) for each in documents(chunk)):
            return True
    return False


def _patches(kustomization: Mapping[str, Any], folder: PurePath) -> Iterator[str]:
    """Yield the files that a kustomization reads as something else than resources."""
    for key, value in kustomization.items():
        if key in _OWN or key in _OWN_FIELDS:
            for text in _texts(value):
                # An item of a generator may be KEY=FILE.
                yield _joined(folder, text.rpartition("=")[2])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "\n" not in value:
            yield value
    elif isinstance(value, list | dict):
        for each in value if isinstance(value, list) else value.values():
            yield from _texts(each)


def _joined(folder: PurePath, text: str) -> str:
    parts: list[str] = list(folder.parts)
    for part in PurePath(text).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return str(PurePath(*parts))
