"""Charts that the objects of GitOps tools install: Flux's HelmRelease with its sources, and Argo CD's Application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daulat.manifest.document import Document
from daulat.manifest.paths import Path

from .needs import Needs, Role, mention
from .reference import BadReference, parse
from .weights import OCI

_UNRENDERED = "the chart's own images aren't known: render it (helm template) and add the output to the input"
Sources = Mapping[tuple[str, str], str]
"""Addresses of HelmRepositories and OCIRepositories, by kind and name."""


def sources(documents: list[Document]) -> dict[tuple[str, str], str]:
    """Return the addresses of the sources among the documents."""
    found = {}
    for document in documents:
        url = _spec(document).get("url")
        if document.group == "source.toolkit.fluxcd.io" and isinstance(url, str):
            found[document.kind, document.name] = url
    return found


def add_charts(needs: Needs, document: Document, known: Sources) -> None:
    """Add the charts that an object installs, or fetches for others to install."""
    match document.group, document.kind:
        case "helm.toolkit.fluxcd.io", "HelmRelease":
            _add_release(needs, document, known)
        case "source.toolkit.fluxcd.io", "OCIRepository":
            _add_repository(needs, document)
        case "argoproj.io", "Application" | "ApplicationSet":
            for path, source in _argo_sources(document):
                if isinstance(source.get("chart"), str):
                    url, version = str(source.get("repoURL") or ""), str(source.get("targetRevision") or "")
                    address = url if "://" in url else f"{OCI}{url}"
                    _add(needs, document, (*path, "chart"), address, source["chart"], version)
                    needs.unknown(mention(document, (*path, "chart")), _UNRENDERED)


def _add_release(needs: Needs, document: Document, known: Sources) -> None:
    spec = _spec(document)
    chart = _mapping(_mapping(spec.get("chart")).get("spec"))
    at: Path = ("spec", "chart", "spec", "chart")
    if chart:
        source = _mapping(chart.get("sourceRef"))
        key = (str(source.get("kind") or ""), str(source.get("name") or ""))
        if key in known:
            _add(needs, document, at, known[key], str(chart.get("chart")), str(chart.get("version") or ""))
        else:
            needs.unknown(
                mention(document, at), f"{' '.join(key)} isn't in the input, so the chart's address isn't known"
            )
    else:
        at = ("spec", "chartRef")
    needs.unknown(mention(document, at), _UNRENDERED)


def _add_repository(needs: Needs, document: Document) -> None:
    url, ref = str(_spec(document).get("url") or ""), _mapping(_spec(document).get("ref"))
    version = f"@{ref['digest']}" if ref.get("digest") else f":{ref['tag']}" if ref.get("tag") else ""
    if not version:
        needs.unknown(mention(document, ("spec", "ref")), "which version is fetched is decided by its controller")
        return
    try:
        reference = parse(url.removeprefix(OCI) + version)
    except BadReference as error:
        needs.unknown(mention(document, ("spec", "url")), str(error))
    else:
        needs.add(Role.CHART, f"{url}{version}", reference, mention(document, ("spec", "url"), implied=True))


def _add(needs: Needs, document: Document, path: Path, url: str, name: str, version: str) -> None:
    where = mention(document, path, implied=True)
    if not url.startswith(OCI):
        needs.add(Role.CHART, f"{url.rstrip('/')}/{name}-{version or 'latest'}.tgz", None, where)
        return
    try:
        reference = parse(f"{url.removeprefix(OCI).rstrip('/')}/{name}{f':{version}' if version else ''}")
    except BadReference as error:
        needs.unknown(where, str(error))
    else:
        needs.add(Role.CHART, f"{OCI}{reference}", reference, where)


def _argo_sources(document: Document) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    path: Path = ("spec",) if document.kind == "Application" else ("spec", "template", "spec")
    spec: Mapping[str, Any] = document.object
    for step in path:
        spec = _mapping(spec.get(str(step)))
    if _mapping(spec.get("source")):
        yield (*path, "source"), _mapping(spec.get("source"))
    several = spec.get("sources")
    for n, source in enumerate(several if isinstance(several, list) else ()):
        yield (*path, "sources", n), _mapping(source)


def _spec(document: Document) -> Mapping[str, Any]:
    return _mapping(document.object.get("spec"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
