"""Decides which values of manifests and of the chart name a mirror afterwards: references, prefixes of policies, values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from daulat.api.names import GROUP
from daulat.manifest.document import Chunk, Document

from .installation import Installation, is_operator
from .mirror import Mirror
from .needs import Need, Role
from .reference import Reference, parse
from .rewrite import Change
from .weights import OCI

Digests = Mapping[Reference, str]
"""The digests of what is named by a tag, as they are in the mirror."""


def renamed(reference: Reference, to: Mirror, digests: Digests) -> Reference:
    """Return an artefact's reference in the mirror, by digest where that is known."""
    return to.named(reference).pinned(reference.digest or digests.get(reference, ""))


def changes(
    needs: Sequence[Need], documents: Iterable[Document], to: Mirror, digests: Digests
) -> dict[Chunk, list[Change]]:
    """Return what changes in each document that was read from text."""
    found: dict[Chunk, list[Change]] = defaultdict(list)
    for need in needs:
        if need.reference is None or need.role is Role.CHART:
            continue
        scheme = OCI if need.text.startswith(OCI) else ""
        new = f"{scheme}{renamed(need.reference, to, digests)}"
        for mention in need.mentions:
            # The guard of the operator's pods names its image as well, so the chart has to be rendered anew.
            if mention.document is None or new == need.text or is_operator(mention.document.object):
                continue
            path = (*mention.document.path, *mention.path)
            if not mention.implied:
                whole = mention.path[-2:-1] not in (("args",), ("command",)) and mention.path[-1:] != ("value",)
                found[mention.document.chunk].append(Change(path, need.text, new, whole=whole))
            elif need.role is Role.ENGINE:  # what fetches weights is named by the chart
                found[mention.document.chunk].append(Change(path, "", new, "image"))
    moved = [need.reference for need in needs if need.reference is not None and not to.has(need.reference)]
    for document in documents:
        if (document.group, document.kind) == (GROUP, "SovereigntyPolicy"):
            found[document.chunk] += _of_policy(document, moved, to)
    return {chunk: each for chunk, each in found.items() if each and chunk.line}


def _of_policy(document: Document, moved: Sequence[Reference], to: Mirror) -> Iterator[Change]:
    """Yield the prefixes of a policy from which something was moved. Those of nothing that was moved stay."""
    for section, field, scheme in (("images", "registries", ""), ("models", "sources", OCI)):
        spec = document.object.get("spec") or {}
        prefixes = (spec.get(section) or {}).get(field) or ()
        for n, prefix in enumerate(prefixes):
            plain = prefix.removeprefix(scheme)
            if prefix.startswith(scheme) and any(f"{ref.name}/".startswith(plain) for ref in moved):
                new = f"{scheme}{to.prefixed(plain)}"
                if new != prefix:
                    yield Change((*document.path, "spec", section, field, n), prefix, new)


def values(of: Installation, to: Mirror, digests: Digests) -> dict[str, Any]:
    """Return values of the chart that take the place of those that name images. They go behind the others: ``helm -f``."""

    def at(text: str) -> Reference:
        return renamed(parse(text), to, digests)

    operator = at(of.operator)
    image = {"repository": operator.name, "tag": operator.tag, "digest": operator.digest}
    made: dict[str, Any] = {"image": {key: value for key, value in image.items() if value}}
    if of.shared_registry:
        made["global"] = {"imageRegistry": ""}
    if of.weights:
        made["weights"] = {"image": str(at(of.weights))}
    if of.beside:
        made["guards"] = {"sidecarImages": [str(at(text)) for text in of.beside]}
    return made
