"""Finds what an object says of images, devices and models outside the pods that are judged, so that it isn't taken for fine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.kinds import Manifest
from daulat.api.names import GROUP
from daulat.api.resources import fits
from daulat.catalog.scopes import known_groups
from daulat.manifest.document import Document, line_of
from daulat.manifest.paths import CONTAINERS, Path, dotted

from .report import Unjudged
from .templates import Made

_REFERENCE = re.compile(r"[A-Za-z0-9][\w.:/@$(){}\[\]-]*", re.ASCII)
_PARTS = ("repository", "name", "image", "registry")
_HUB = re.compile(
    r"(hf|huggingface|ms|modelscope|s3|gs|ngc|kaggle)://|https?://([a-z0-9-]+\.)*(huggingface\.co|hf\.co|modelscope\.(cn|ai))\b",
    re.IGNORECASE,
)
_SEEN_BY_CONTROLS = re.compile(r"(hf|ms|modelscope)://", re.IGNORECASE)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w.-]+)?")
_MODEL_KEYS = frozenset(
    f"{holder}{what}"
    for holder in ("", "model", "base", "basemodel", "hf", "huggingface", "draft", "draftmodel", "hfmodel")
    for what in ("model", "id", "name", "uri", "url", "path", "repo", "repoid", "ref", "modelid")
    if holder or what in ("model", "repo", "repoid")
)
_ADAPTERS = ("adaptersource", "modelsource", "lora")
"""Fields whose ``repository`` is one of models. Elsewhere it is one of images."""
_AMOUNTS = frozenset(("limits", "requests", "resources", "capacity", "custom", "extendedresources"))
_LISTED = 3


@dataclass(frozen=True)
class Devices:
    """What devices are called that profiles describe."""

    names: frozenset[str]
    patterns: frozenset[str]

    @staticmethod
    def of(profiles: Mapping[str, AcceleratorProfileSpec]) -> Devices:
        """Return the names of the profiles."""
        return Devices(
            frozenset(r.name for p in profiles.values() for r in p.resources),
            frozenset(f.pattern for p in profiles.values() for f in p.resource_families),
        )

    def has(self, name: str) -> bool:
        """Say whether a device is called so."""
        return name in self.names or any(fits(pattern, name) for pattern in self.patterns)


def outside_pods(document: Document, pods: Sequence[Made], devices: Devices) -> list[Unjudged]:
    """Return one remark for an object that holds an image, a device or a model in no pod that is known, or nothing."""
    groups = known_groups()
    if (
        document.group in groups.versions
        or document.group == GROUP
        or groups.makes_no_pods(document.group, document.kind)
    ):
        return []
    found = list(_values(document.object, pods, devices))
    if not found:
        return []
    path, value = found[0]
    rest = [dotted(p) for p, _ in found[1:]]
    more = f"; nor is what {', '.join(rest[:_LISTED])} say{'s' if len(rest) == 1 else ''}" if rest else ""
    more += f", and {len(rest) - _LISTED} more" if len(rest) > _LISTED else ""
    where = f"a pod that {document.kind} of {document.group} is known to make"
    message = f"{dotted(path)}: \"{value}\" isn't judged: it isn't in {where}{more}"
    return [Unjudged(message, dotted(path), line_of(document, path))]


def _values(owner: Manifest, pods: Sequence[Made], devices: Devices) -> Iterator[tuple[Path, str]]:
    whole, parts = _judged_paths(pods)
    pending: list[tuple[Path, Any, bool]] = [
        ((k,), value, False) for k, value in reversed(owner.items()) if _is_spec(k)
    ]
    while pending:
        path, value, is_judged = pending.pop()
        if path in whole:
            continue
        is_judged = is_judged or path in parts
        text = _named(path, value, devices)
        if text and not (is_judged and (not _HUB.match(text) or _SEEN_BY_CONTROLS.match(text))):
            yield path, text
        elif isinstance(value, list):
            pending += [((*path, n), value[n], is_judged) for n in range(len(value) - 1, -1, -1)]
        elif isinstance(value, dict):
            pending += [((*path, key), value[key], is_judged) for key in reversed(value) if isinstance(key, str)]


def _is_spec(key: Any) -> bool:
    return isinstance(key, str) and key not in ("apiVersion", "kind", "metadata", "status")


def _judged_paths(pods: Sequence[Made]) -> tuple[Collection[Path], Collection[Path]]:
    """Return the paths below which everything is judged, and those whose own value is."""
    whole: set[Path] = set()
    parts: set[Path] = set()
    for pod in pods:
        if pod.origins is None:
            whole.add(pod.spec_path)
            continue
        for there, here in pod.origins.items():
            (whole if len(there) == 3 and there[1] in CONTAINERS else parts).add(here)
    return whole, parts


def _named(path: Path, value: Any, devices: Devices) -> str:
    """Return the image, the device or the model that a field names, or nothing."""
    key = str(path[-1])
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    parent = str(path[-2]).lower() if len(path) > 1 else ""
    if (
        parent in _AMOUNTS
        and "/" in key
        and not key.partition("/")[0].endswith("kubernetes.io")
        and value not in (0, "0")
    ):
        return key
    if isinstance(value, dict):
        return _image_parts(value) if plain.endswith("image") else ""
    if not isinstance(value, str) or not value:
        return ""
    if plain.endswith("image") and (plain == "image" or re.search("[/:@]", value)) and "://" not in value:
        return value if _REFERENCE.fullmatch(value) else ""
    is_model = plain in _MODEL_KEYS or (plain == "repository" and parent in _ADAPTERS)
    if _HUB.match(value) or (is_model and _HUB_ID.fullmatch(value)):
        return value
    return value if "/" in value and devices.has(value) else ""


def _image_parts(value: Mapping[str, Any]) -> str:
    return next((str(value[key]) for key in _PARTS if isinstance(value.get(key), str) and value[key]), "")
