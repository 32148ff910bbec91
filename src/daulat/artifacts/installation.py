"""What an installation of Daulat needs by its chart's values: the operator's image, what runs beside it, and the chart itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daulat import __version__
from daulat.manifest.document import Problem

from .needs import Mention, Needs, Role
from .reference import is_host

REPOSITORY = "ghcr.io/daulat/daulat"
"""The chart's default of image.repository."""
CHART = f"daulat-{__version__}.tgz"


@dataclass(frozen=True)
class Installation:
    """Images by the chart's values. An installation that is left out has none."""

    operator: str = ""
    weights: str = ""
    """``weights.image``; empty where it is the operator's own."""
    beside: tuple[str, ...] = ()
    """``guards.sidecarImages``."""
    file: str = "the chart's defaults"
    shared_registry: bool = False
    """Whether ``global.imageRegistry`` is set, which would take the place of any other registry."""

    @property
    def weights_image(self) -> str:
        """The image of the init containers that fetch and check weights; empty where it isn't known."""
        return self.weights or self.operator


def installation(values: Mapping[str, Any], file: str) -> Installation | Problem:
    """Return the images of an installation with these values, which may leave out what the chart has a default for."""
    texts: dict[str, str] = {}
    for part, key in (("image", "repository"), ("image", "tag"), ("image", "digest"), ("weights", "image")):
        section = values.get(part)
        if section is not None and not isinstance(section, dict):
            return Problem(file, 0, "must be a mapping", part)
        value = (section or {}).get(key)
        if value is not None and not isinstance(value, str):
            return Problem(file, 0, f"must be a string: quote it (YAML reads it as {value})", f"{part}.{key}")
        texts[f"{part}.{key}"] = value or ""
    guards = values.get("guards")
    beside = guards.get("sidecarImages") if isinstance(guards, dict) else None
    own = texts["image.repository"] or REPOSITORY
    repository = _behind(values.get("global"), own)
    digest = texts["image.digest"]
    operator = f"{repository}@{digest}" if digest else f"{repository}:{texts['image.tag'] or __version__}"
    return Installation(operator, texts["weights.image"], tuple(map(str, beside or ())), file, repository != own)


def _behind(shared: Any, repository: str) -> str:
    """Return a repository behind ``global.imageRegistry``, which takes the place of its own registry."""
    registry = shared.get("imageRegistry") if isinstance(shared, dict) else None
    if not registry:
        return repository
    first, slash, rest = repository.partition("/")
    return f"{str(registry).rstrip('/')}/{rest if slash and is_host(first) else repository}"


def is_operator(manifest: Mapping[str, Any]) -> bool:
    """Say whether a manifest is the operator's Deployment, as the chart renders it."""
    labels = (manifest.get("metadata") or {}).get("labels") or {}
    wanted = {"app.kubernetes.io/name": "daulat", "app.kubernetes.io/component": "operator"}
    return manifest.get("kind") == "Deployment" and wanted.items() <= labels.items()


def rendered(manifests: Iterable[Mapping[str, Any]]) -> Installation | None:
    """Return the installation of an operator's Deployment among the manifests, or None where there is none."""
    for manifest in filter(is_operator, manifests):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            if container.get("name") == "operator":
                variables = {v["name"]: v.get("value", "") for v in container.get("env") or ()}
                weights = str(variables.get("DAULAT_WEIGHTS_IMAGE") or "")
                operator = str(container.get("image") or "")
                return Installation(operator, weights if weights != operator else "", file="the operator's Deployment")
    return None


def add_installation(needs: Needs, of: Installation) -> None:
    """Add what the installation needs."""

    def at(field: str) -> Mention:
        return Mention(of.file, 0, "chart daulat", field, implied=True)

    needs.image(Role.OPERATOR, of.operator, at("image"))
    if of.weights:
        needs.image(Role.INIT_CONTAINER, of.weights, at("weights.image"))
    for n, text in enumerate(of.beside):
        needs.image(Role.WORKLOAD, text, at(f"guards.sidecarImages[{n}]"))
    needs.add(Role.CHART, CHART, None, at(f"version {__version__}"))
