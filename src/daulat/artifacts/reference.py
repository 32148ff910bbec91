"""References to artefacts of a registry, taken apart as container runtimes do: a name without a host is Docker Hub's."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from daulat.api.reference import NAME

DOCKER_HUB = "docker.io"
_GRAMMAR = re.compile(
    rf"(?P<name>{NAME})(:(?P<tag>[A-Za-z0-9_][-A-Za-z0-9._]{{0,127}}))?(@(?P<digest>[a-z0-9]+:[a-f0-9]{{32,}}))?",
    re.ASCII,
)


class BadReference(ValueError):
    """The text is no reference to an artefact of a registry. The text of the error says why."""


@dataclass(frozen=True)
class Reference:
    """One artefact of a registry."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""
    """``sha256:...``; empty where the reference has none, so that its content may change."""

    def __str__(self) -> str:
        return f"{self.name}{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}"

    @property
    def is_on_loopback(self) -> bool:
        """Whether the registry is on this machine, where registries have no TLS."""
        return self.host.partition(":")[0] in ("localhost", "127.0.0.1")

    @property
    def version(self) -> str:
        """What a registry is asked for: the digest, else the tag."""
        return self.digest or self.tag or "latest"

    def pinned(self, digest: str) -> Reference:
        """Return the same reference with a digest."""
        return replace(self, digest=digest)


def is_host(first: str) -> bool:
    """Say whether what stands before the first slash of a reference is a registry's host, and no part of the name."""
    return "." in first or ":" in first or first == "localhost"


def parse(text: str) -> Reference:
    """Take a reference apart. Raises BadReference."""
    first, slash, _ = text.partition("/")
    if not slash:
        text = f"{DOCKER_HUB}/library/{text}"
    elif not is_host(first):
        text = f"{DOCKER_HUB}/{text}"
    elif first == DOCKER_HUB and text.count("/") == 1:
        text = f"{DOCKER_HUB}/library/{text.partition('/')[2]}"
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise BadReference(f'"{text}" is no reference to an image: HOST/NAME:TAG@DIGEST')
    host, _, repository = found["name"].partition("/")
    if repository != repository.lower():
        raise BadReference(f'"{text}" has capital letters in its name, which registries refuse')
    return Reference(host, repository, found["tag"] or "", found["digest"] or "")
