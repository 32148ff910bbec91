"""Releases that are too old for what Daulat promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from daulat.api.counted import counted
from daulat.api.kinds import KINDS
from daulat.api.names import GROUP
from daulat.catalog.kubernetes import NEWEST, OLDEST, Minor, Pin
from daulat.facts.definition import parse_definition

from .catalog import advisories
from .cluster import Cluster, name_of
from .finding import Found, NotLooked, Severity
from .sources import SOURCES

Version = tuple[int, int, int]
_VERSION = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+))?")
SKEW = 3
"""Minor versions that a kubelet may be older than the API server (Kubernetes' version skew policy)."""


def version_of(text: str) -> Version | None:
    """Return a version such as v1.37.2 or 1.17.8-ubuntu20.04; None where the text doesn't start with one."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def weaknesses(component: str, version: Version) -> list[str]:
    """Return the known weaknesses of this release of a component, each with what it is."""
    return [
        f"{a.id} ({a.note}; mended in {', '.join(a.fixed)}{', which is not verified' if a.grade == 'not verified' else ''})"
        for a in advisories()
        if a.component == component and _weak(version, [_known(f) for f in a.fixed])
    ]


def api_server(cluster: Cluster) -> Iterator[Found]:
    """Say what is wrong with the API server's version."""
    version = version_of(cluster.version)
    if version is None:
        raise NotLooked(f"a version; the API server says {cluster.version!r}", rights=False)
    minor = Minor(version[0], version[1])
    if minor < OLDEST:
        yield Found(f"the API server is {cluster.version}; Daulat needs {OLDEST} or later")
    if minor > NEWEST:
        yield Found(f"the API server is {cluster.version}; this Daulat is tested up to {NEWEST}", (), Severity.INFO)
    for weakness in weaknesses("api-server", version):
        yield Found(f"the API server is {cluster.version}: {weakness}")


def pin(cluster: Cluster) -> Iterator[Found]:
    """Name policies under which nothing pins pods, as their canaries showed; tell of a pin other than a mutating policy."""
    refusing = [name for name, policy in cluster.policies.items() if policy.status.pin == Pin.REFUSE]
    for name in refusing:
        yield Found(
            f"SovereigntyPolicy {name}: nothing pins pods, so those without its nodeSelector are refused",
            (f"SovereigntyPolicy {name}",),
        )
    if not cluster.capabilities.has("pin") and not refusing:
        by = f"pods are pinned by {cluster.capabilities.pin}, with annotation {cluster.capabilities.pin.annotation}"
        yield Found(f"the API server doesn't serve MutatingAdmissionPolicy; {by}", (), Severity.INFO)


def missing(cluster: Cluster) -> Iterator[Found]:
    """Name what this version of Kubernetes hasn't, each with what holds in its place."""
    for feature in cluster.capabilities.missing:
        if feature.feature != "pin":
            what = f"{feature.title}: not on {cluster.version or cluster.capabilities.version}. {feature.without}"
            how = f"Upgrade Kubernetes{f', or start it with {feature.switch_on}' if feature.switch_on else ''}."
            yield Found(what, remedy=how)


def kubelets(cluster: Cluster) -> Iterator[Found]:
    """Name nodes whose kubelet is too old for the API server, or known to be weak."""
    server = version_of(cluster.version)
    nodes: dict[str, list[str]] = {}
    for node in cluster.items("nodes"):
        reported = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion")
        nodes.setdefault(str(reported or ""), []).append(name_of(node))
    unknown: list[str] = []
    for reported, names in sorted(nodes.items()):
        version, some = version_of(reported), ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        if version is None:
            unknown += names
            continue
        objects = tuple(f"Node {n}" for n in names)
        if server is not None and version[0] == server[0] and server[1] - version[1] > SKEW:
            yield Found(
                f"kubelet {reported} on {counted(len(names), 'node')} is too old for {cluster.version}: {some}", objects
            )
        for weakness in weaknesses("kubelet", version):
            yield Found(f"kubelet {reported} on {counted(len(names), 'node')} ({some}): {weakness}", objects)
    if unknown:
        raise NotLooked(f"a kubelet's version from {counted(len(unknown), 'node')}, such as {unknown[0]}", rights=False)


def definitions(cluster: Cluster) -> Iterator[Found]:
    """Name CustomResourceDefinitions of Daulat's kinds that are missing, or of another release than this daulat."""
    live = {name_of(item): item for item in cluster.items("customresourcedefinitions")}
    for kind in KINDS:
        name = f"{kind.plural}.{GROUP}"
        objects = (f"CustomResourceDefinition {name}",)
        if name not in live:
            # One without Daulat's label isn't in the list. What is served exists.
            if live and not (kind.plural in SOURCES and cluster.served(kind.plural)):
                what = "does without objects of that kind" if kind.added_later else "decides nothing new without it"
                severity = Severity.LOW if kind.added_later else Severity.HIGH
                yield Found(f"CustomResourceDefinition {name} isn't installed; the operator {what}", objects, severity)
            continue
        found = parse_definition(kind.kind, live[name])
        if found.missing:
            yield Found(f"CustomResourceDefinition {name} lacks {_some(found.missing)}", objects)
        if found.unknown:
            what = f"CustomResourceDefinition {name} is newer than this daulat: it has {_some(found.unknown)}"
            yield Found(what, objects, Severity.LOW)


def _some(fields: Iterable[str]) -> str:
    names = sorted(fields)
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def toolkits(cluster: Cluster) -> Iterator[Found]:
    """Name NVIDIA container toolkits in DaemonSets that are known to be weak, by the tag of their image."""
    unknown = []
    for item in cluster.items("daemonsets"):
        spec = ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            image = str(container.get("image") or "")
            if "/container-toolkit" not in image:
                continue
            version = version_of(image.partition("@")[0].rpartition(":")[2])
            if version is None:
                unknown.append(image)
                continue
            for weakness in weaknesses("nvidia-container-toolkit", version):
                yield Found(f"DaemonSet {name_of(item)} runs {image}: {weakness}", (f"DaemonSet {name_of(item)}",))
    if unknown:
        raise NotLooked(f"a version in the tag of {unknown[0]}", rights=False)


def _weak(version: Version, fixed: list[Version]) -> bool:
    own = [f for f in fixed if f[:2] == version[:2]]
    return version < own[0] if own else version < min(fixed)


def _known(text: str) -> Version:
    version = version_of(text)
    if version is None:
        raise ValueError(f"advisories.yaml: {text} is no version")
    return version
