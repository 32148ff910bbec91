"""Copies all artefacts of a bundle, and asks the registry for the digests of what is there under a tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from daulat.artifacts.mirror import Move
from daulat.artifacts.reference import Reference
from daulat.weights.layout import Layout
from daulat.weights.transfer import Repository, Store, TargetError, TransferError, copy, digest_of


@dataclass
class Copied:
    """The digests of what is in the registry, and what isn't there, as sentences."""

    digests: dict[Reference, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Way:
    """From where to where artefacts go."""

    configs: tuple[Path, ...] = ()
    """Docker configurations with credentials."""
    plain_http: bool = False
    """Whether the registry that is copied to has no TLS."""
    folder: Path | None = None
    """An OCI image layout: in place of the registries outside, or of the one that is copied to where ``saves``."""
    saves: bool = False

    def source(self, move: Move) -> Store:
        """Return where an artefact comes from. Raises TransferError."""
        if self.folder is not None and not self.saves:
            return Layout(self.folder, move.source.name)
        # As container runtimes do, without TLS on loopback.
        of = move.source
        return Repository(of.host, of.repository, [*self.configs], plain_http=of.is_on_loopback)

    def target(self, move: Move) -> Store:
        """Return where an artefact goes to. Raises TargetError."""
        if self.folder is not None and self.saves:
            return Layout(self.folder, move.source.name, failure=TargetError)
        of, plain = move.destination, self.plain_http or move.destination.is_on_loopback
        return Repository(of.host, of.repository, [*self.configs], plain_http=plain, failure=TargetError)


def copy_all(todo: Sequence[Move], way: Way) -> Copied:
    """Copy the artefacts one by one. One that fails doesn't keep the others; what can't be written to does."""
    done = Copied()
    for n, move in enumerate(todo, 1):
        try:
            target = way.target(move)
            digest = copy(move.source.version, move.destination.tag, way.source(move), target)
        except TargetError as error:
            done.errors.append(f"{error}; {len(todo) - len(done.digests)} of {len(todo)} weren't copied")
            break
        except TransferError as error:
            done.errors.append(str(error))
        else:
            done.digests[move.source] = digest
            click.echo(f"{n}/{len(todo)} {move.source} -> {target.name}:{move.destination.tag} {digest}", err=True)
    return done


def resolve(todo: Sequence[Move], way: Way) -> Copied:
    """Ask the registry for what has been copied. An artefact that isn't there is an error."""
    found = Copied()
    for move in todo:
        try:
            there = way.target(move).manifest(move.source.digest or move.destination.tag)
        except TargetError as error:
            found.errors.append(str(error))
            break
        if there is None:
            found.errors.append(
                f"{move.destination.name}:{move.destination.tag}: not found: copy {move.source} there first"
            )
        else:
            found.digests[move.source] = digest_of(there[1])
    return found
