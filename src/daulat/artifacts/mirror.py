"""Decides how artefacts are called in a registry of one's own: the same repository, tag and digest, without the old host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from daulat.api.reference import NAME

from .needs import Need, images
from .reference import Reference, is_host

_TARGET = re.compile(rf"({NAME}|[A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{{1,5}})?)", re.ASCII)


class MirrorError(ValueError):
    """The artefacts can't be called so. The text says why."""


@dataclass(frozen=True)
class Move:
    """One artefact to copy."""

    source: Reference
    destination: Reference
    """Where it is put: always by a tag, since registries remove manifests without one."""


@dataclass(frozen=True)
class Mirror:
    """A registry of one's own, or a folder in one."""

    host: str
    folder: str
    keep_host: bool = False
    """Whether the old host stays as a part of the name."""

    @property
    def prefix(self) -> str:
        """What all names begin with, slash included."""
        return f"{self.host}/{self.folder}/" if self.folder else f"{self.host}/"

    def has(self, reference: Reference) -> bool:
        """Say whether the artefact is there already."""
        return f"{reference.name}/".startswith(self.prefix)

    def named(self, reference: Reference) -> Reference:
        """Return an artefact's new reference, with the digest that it has."""
        if self.has(reference):
            return reference
        folder = f"{self.folder}/" if self.folder else ""
        repository = f"{folder}{self._kept(reference.host)}{reference.repository}"
        return Reference(self.host, repository, reference.tag, reference.digest)

    def _kept(self, host: str) -> str:
        # A colon, as before a port, can't stand in a repository's name.
        return f"{host.replace(':', '-')}/" if self.keep_host else ""

    def prefixed(self, prefix: str) -> str:
        """Return the prefix of a policy, such as ``ghcr.io/daulat/``, for what is mirrored from there."""
        if prefix.startswith(self.prefix):
            return prefix
        host, _, rest = prefix.partition("/")
        return self.prefix + self._kept(host) + rest


def mirror(target: str, *, keep_host: bool = False) -> Mirror:
    """Return the mirror that a text names: HOST or HOST/FOLDER. Raises MirrorError."""
    text = target.removeprefix("oci://").rstrip("/")
    host, _, folder = text.partition("/")
    if _TARGET.fullmatch(text) is None or not is_host(host):
        raise MirrorError(f'"{target}" is no registry: HOST or HOST/FOLDER, such as registry.example.my/mirror')
    if folder != folder.lower():
        raise MirrorError(f'"{target}" has capital letters in its folder, which registries refuse')
    return Mirror(host, folder, keep_host)


def moves(needs: Iterable[Need], to: Mirror) -> list[Move]:
    """Return what has to be copied, each once. Raises MirrorError where two artefacts would have one name."""
    found: list[Move] = []
    names: dict[str, str] = {}
    tags: dict[str, Reference] = {}
    for source in images(needs):
        if to.has(source):
            continue
        named = to.named(source)
        before = names.setdefault(named.name, source.name)
        if before != source.name:
            raise MirrorError(f"{before} and {source.name} would both be {named.name}: keep their hosts (--keep-host)")
        tag = (
            named.tag or f"sha256-{named.digest.removeprefix('sha256:')[:12]}"
            if named.digest
            else named.tag or "latest"
        )
        other = tags.setdefault(f"{named.name}:{tag}", source)
        if other != source and named.digest:
            tag = f"sha256-{named.digest.removeprefix('sha256:')[:12]}"
        found.append(Move(source, Reference(named.host, named.repository, tag, named.digest)))
    return found
