"""What is to be changed: objects that are applied, objects that are deleted, and nodes that are lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest
from daulat.kube.ref import Ref
from daulat.kube.resources import BY_KIND

DELETE = "daulat.dev/simulate"
"""An annotation with the value ``delete`` makes of a manifest a deletion."""


class ChangeError(ValueError):
    """A change that can't be simulated. The text is the sentence for the user."""


@dataclass(frozen=True)
class Put:
    """Apply an object: its spec, labels and annotations replace what is there, its status stays."""

    kind: str
    manifest: Manifest


@dataclass(frozen=True)
class Remove:
    """Delete an object."""

    ref: Ref


@dataclass(frozen=True)
class LoseNode:
    """A node fails and doesn't come back: its pods are gone with it."""

    name: str


@dataclass(frozen=True)
class RevokeZone:
    """A zone selects no node any more. Its deletion would be no decision: what runs would stay."""

    name: str


Changes = Put | Remove | LoseNode | RevokeZone


def revoked(zone: Manifest) -> Manifest:
    """Return a zone that selects no node: by a value of the label that sites are told by, which no node has."""
    expression = {"key": "daulat.node-restriction.kubernetes.io/site", "operator": "In", "values": ["revoked"]}
    return {**zone, "spec": {**zone["spec"], "nodeSelector": {"matchExpressions": [expression]}}}


def parse(manifest: Manifest, namespace: str = "default") -> Changes:
    """Return the change that a manifest stands for. Raises ChangeError for kinds that the operator doesn't watch."""
    kind, meta = str(manifest.get("kind") or ""), dict(manifest.get("metadata") or {})
    resource = BY_KIND.get(kind)
    if resource is None or resource.group != str(manifest.get("apiVersion") or "").rpartition("/")[0]:
        raise ChangeError(
            f"{manifest.get('apiVersion')} {kind}: the operator doesn't watch this kind, so nothing follows from it"
        )
    if resource.namespaced:
        meta["namespace"] = str(meta.get("namespace") or namespace)
    else:
        meta.pop("namespace", None)
    if (meta.get("annotations") or {}).get(DELETE) == "delete":
        return Remove(Ref.of(kind, {"metadata": meta}))
    return Put(kind, {**manifest, "metadata": meta})


def deletion(text: str) -> Remove:
    """Read KIND/NAME or KIND/NAMESPACE/NAME; the kind by its name or its plural. Raises ChangeError."""
    kind, _, rest = text.partition("/")
    found = next((r for r in BY_KIND.values() if kind.lower() in (r.kind.lower(), r.plural)), None)
    namespace, slash, name = rest.rpartition("/")
    if found is None:
        raise ChangeError(f'{text}: the operator doesn\'t watch a kind "{kind}"')
    if not name or bool(slash) != found.namespaced:
        form = "KIND/NAMESPACE/NAME" if found.namespaced else "KIND/NAME"
        raise ChangeError(f"{text}: {found.kind} is named as {form}")
    return Remove(Ref(found.kind, namespace, name))


def check(changes: Iterable[Changes], known: Mapping[Ref, Any]) -> list[str]:
    """Return what can't be changed, since it isn't there."""
    put = {Ref.of(c.kind, c.manifest) for c in changes if isinstance(c, Put)}
    gone = [c.ref for c in changes if isinstance(c, Remove)]
    gone += [Ref("Node", "", c.name) for c in changes if isinstance(c, LoseNode)]
    gone += [Ref("SovereignZone", "", c.name) for c in changes if isinstance(c, RevokeZone)]
    return [f"{ref} isn't there" for ref in gone if ref not in known and ref not in put]
