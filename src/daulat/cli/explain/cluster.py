"""Reads from a cluster what an explanation needs, and no other kinds: most need no pods, of which there are the most."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.api.kinds import Manifest
from daulat.api.names import GROUP
from daulat.catalog.kubernetes import Capabilities
from daulat.check.templates import made
from daulat.facts.pod import parse_pod
from daulat.kube.resources import BY_KIND
from daulat.manifest.document import Document

from ..cluster import ClusterUnreadable, Reader
from ..objects import Input
from .target import FilesTarget, ObjectTarget, PolicyTarget

_JUDGED_BY = ("SovereigntyPolicy", "SovereignZone", "AcceleratorProfile", "SovereigntyExemption", "Namespace")
_NODES = ("Node", "ResourceSlice", "NodeAttestation")
"""What decides whether a node is eligible."""
_PLACEMENT = ("SovereignModel", "Pod", "ResourceClaim")
"""What else decides where a model is placed: who holds devices, and for whom they are kept."""
_INVENTORY = (GROUP, "AcceleratorInventory")
_STANDS_BY_NODES = {
    (GROUP, "SovereignZone"),
    (GROUP, "AcceleratorProfile"),
    (GROUP, "NodeAttestation"),
    ("", "Node"),
    _INVENTORY,
}
"""Kinds that are explained with the nodes that they are about."""
_RESOURCES = {name: resource for resource in BY_KIND.values() for name in (resource.kind.lower(), resource.plural)}
"""The kinds that Daulat deals with. Any other is looked up at the API server."""


async def add_cluster(
    reader: Reader, given: Input, target: PolicyTarget | ObjectTarget | FilesTarget, namespace: str
) -> Capabilities:
    """Add to the input what the cluster has and the files don't, and return what it offers.

    Raises RequestError and ClusterUnreadable.
    """
    match target:
        case PolicyTarget():
            kinds = set(_JUDGED_BY)
        case FilesTarget():
            kinds = kinds_for(target.among(given.documents), namespace)
        case ObjectTarget():
            found = target.among(given.documents, namespace)
            if not found:
                found = await _found(reader, target)
                given.add(found)
            kinds = kinds_for(found, namespace)
    given.add_missing(await reader.documents(kind for kind in BY_KIND if kind in kinds))
    return await reader.capabilities()


async def _found(reader: Reader, target: ObjectTarget) -> list[Document]:
    resource = _RESOURCES.get(target.kind)
    if resource is not None:
        resource = resource.on(await reader.capabilities())
    else:
        resource = await reader.find(target.kind)
    if resource is None:
        raise ClusterUnreadable(f'the API server has no kind "{target.kind}"')
    document = await reader.get(resource, target.namespace, target.name)
    return [document] if document is not None else []


def kinds_for(subjects: Iterable[Document], namespace: str) -> set[str]:
    """Return the kinds that an explanation of these objects is made from. Raises TooManyValues."""
    kinds = set(_JUDGED_BY)
    for subject in subjects:
        if (subject.group, subject.kind) == (GROUP, "SovereignModel"):
            return {*_JUDGED_BY, *_NODES, *_PLACEMENT}
        if (subject.group, subject.kind) in _STANDS_BY_NODES:
            kinds.update(_NODES)
        if (subject.group, subject.kind) == _INVENTORY:
            kinds.add(subject.kind)  # Which chips are declared twice, or by none, depends on all of them.
        for pod in _pods(subject, namespace):
            kinds.update(_NODES)
            # Devices that others hold aren't free. A pod that needs none has room on every node.
            if (parsed := parse_pod({**pod, "status": {}})) is not None and parsed.devices:
                kinds.add("Pod")
    return kinds


def _pods(subject: Document, namespace: str) -> list[Manifest]:
    """Return the pods that the object would make, itself if it is one."""
    if (subject.api_version, subject.kind) == ("v1", "Pod"):
        return [subject.object]
    return [m.object for m in made(subject.object, namespace) if m.object["kind"] == "Pod"]
