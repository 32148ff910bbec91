"""Reads the input of ``daulat images`` and ``daulat bundle``: manifests, a cluster's objects, and the values of Daulat's chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daulat.artifacts.installation import Installation, installation, rendered
from daulat.artifacts.listing import listing
from daulat.artifacts.needs import Needs
from daulat.catalog.kubernetes import Capabilities
from daulat.check.layout import layout
from daulat.manifest.document import Problem
from daulat.manifest.yaml_reader import read

from .. import objects
from ..errors import fail, fail_if
from ..files import File, Unreadable, files

NOTHING = "no Kubernetes objects found"


@dataclass(frozen=True)
class Gathered:
    """The files at paths, the objects in them, and what isn't read in them, as sentences."""

    files: tuple[File | Unreadable, ...]
    input: objects.Input
    remarks: tuple[str, ...]


def read_input(paths: Sequence[str]) -> Gathered:
    """Read the objects at paths. Charts and kustomizations in directories aren't built, and it is said which."""
    found = tuple(files(paths, objects.MAX_BYTES))
    known = layout({f.name: f.data for f in found if isinstance(f, File) and not f.named})
    given = objects.read_files(f for f in found if f.name not in known.skipped)
    remarks = [
        text.replace("daulat check -", "daulat images -").replace("judged", "read").replace("judge that", "read that")
        for text in known.unbuilt
    ]
    remarks += [
        f"{each.chunk.file}:{each.chunk.line}: not a Kubernetes object, so its artefacts can't be determined: {each.reason}"
        for each in given.foreign
    ]
    return Gathered(found, given, tuple(remarks))


def gathered(given: objects.Input, of: Installation, cluster: Capabilities, namespace: str) -> Needs:
    """Return what the input needs. Input that isn't valid ends the command."""
    fail_if(given.problems)
    return listing(given.documents, given.inventory, of, cluster, namespace)


def installed(values: Sequence[Path], given: objects.Input) -> Installation:
    """Return the installation: of the rendered chart in the input, else by files of values, of which later ones count more.

    A file that isn't valid ends the command.
    """
    if (found_there := rendered(document.object for document in given.documents)) is not None:
        return found_there
    merged: dict[str, Any] = {}
    for file in values:
        _merge(merged, _values(file))
    found = installation(merged, ", ".join(map(str, values)) or "the chart's defaults")
    if isinstance(found, Problem):
        fail(found)
    return found


def _values(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or error}")
    reading = read(text)
    fail_if(Problem(str(file), text.count("\n", 0, flaw.offset) + 1, flaw.message) for flaw in reading.flaws)
    if reading.value is None:
        return {}
    if not isinstance(reading.value, dict):
        fail(f"{file}: must be a mapping of values")
    return reading.value


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        before = into.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            _merge(before, value)
        else:
            into[key] = value
