"""What manifests need: artefacts with where each is named, and what can't be known of them, which is said and never left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from daulat.manifest.document import Document, line_of
from daulat.manifest.paths import Path, dotted

from .reference import BadReference, Reference, parse


class Role(StrEnum):
    """What an artefact is for."""

    OPERATOR = "operator"
    INIT_CONTAINER = "init container"
    ENGINE = "engine"
    WORKLOAD = "workload"
    WEIGHTS = "weights"
    CHART = "chart"


@dataclass(frozen=True)
class Mention:
    """Where an artefact is named, or where something is that can't be known."""

    file: str
    line: int
    """From 1; 0 where the object wasn't read from text."""
    object: str
    """Its kind, namespace and name."""
    field: str
    document: Document | None = dataclasses.field(default=None, repr=False, compare=False)
    path: Path = dataclasses.field(default=(), repr=False, compare=False)
    """The value in the document that names it; for an engine of a shipped profile, the accelerator that has no image of its own."""
    implied: bool = dataclasses.field(default=False, compare=False)
    """The value isn't in the document: a profile or a default has it."""

    def __str__(self) -> str:
        return f"{self.object} {self.field}".strip()


@dataclass(frozen=True)
class Need:
    """One artefact in one role, and everything that names it."""

    role: Role
    text: str
    """As it is written: a reference to an image, the URI of weights, or the file of a chart."""
    reference: Reference | None
    """Where in a registry it is; None for what no registry holds."""
    mentions: tuple[Mention, ...]

    @property
    def is_pinned(self) -> bool:
        """Whether it is named by a digest, so that it is the same content whenever it is fetched."""
        return "@sha256:" in self.text or bool(self.reference and self.reference.digest)


@dataclass(frozen=True)
class Unknown:
    """Something that is needed and can't be known from the input."""

    mention: Mention
    reason: str

    def __str__(self) -> str:
        where = f"{self.mention.file}:{self.mention.line}: " if self.mention.line else ""
        return f"{where}{self.mention}: {self.reason}"


class Needs:
    """Gathers artefacts: one that several objects name is listed once for each role."""

    def __init__(self) -> None:
        self._found: dict[tuple[Role, str], tuple[Reference | None, dict[Mention, None]]] = {}
        self._unknown: dict[Unknown, None] = {}

    def image(self, role: Role, text: str, mention: Mention) -> None:
        """Add an image; what is no reference to one is unknown."""
        try:
            reference = parse(text)
        except BadReference as error:
            self.unknown(mention, str(error))
        else:
            self.add(role, text, reference, mention)

    def add(self, role: Role, text: str, reference: Reference | None, mention: Mention) -> None:
        """Add an artefact."""
        self._found.setdefault((role, text), (reference, {}))[1][mention] = None

    def unknown(self, mention: Mention, reason: str) -> None:
        """Add something that can't be known."""
        self._unknown[Unknown(mention, reason)] = None

    @property
    def needed(self) -> tuple[Need, ...]:
        """All artefacts, by role and name."""
        order = list(Role)
        found = [Need(role, text, ref, tuple(named)) for (role, text), (ref, named) in self._found.items()]
        return tuple(sorted(found, key=lambda need: (order.index(need.role), need.text)))

    @property
    def unknowns(self) -> tuple[Unknown, ...]:
        """All that isn't known, in the order of the input."""
        return tuple(self._unknown)


def images(needs: Iterable[Need]) -> list[Reference]:
    """Return what registries hold, each once, in order."""
    return sorted({need.reference for need in needs if need.reference is not None}, key=str)


def mention(document: Document, path: Path, *, implied: bool = False, note: str = "") -> Mention:
    """Return where in a document a value stands. ``note`` says where it comes from if it isn't there itself."""
    namespace = str(document.metadata.get("namespace") or "")
    name = "/".join(part for part in (namespace, document.name) if part)
    where = f"{dotted(path)}{f' ({note})' if note else ''}"
    line = line_of(document, path)
    return Mention(document.chunk.file, line, f"{document.kind} {name}".strip(), where, document, path, implied)
