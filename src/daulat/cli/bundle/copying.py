"""Copies all artefacts of a bundle, and asks the registry for the digests of what is there under a tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from daulat.artifacts.mirror import Move
from daulat.artifacts.reference import Reference
from daulat.weights.transfer import Repository, TargetError, TransferError, copy, digest_of


@dataclass
class Copied:
    """The digests of what is in the registry, and what isn't there, as sentences."""

    digests: dict[Reference, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def copy_all(todo: Sequence[Move], configs: list[Path], *, plain_http: bool) -> Copied:
    """Copy the artefacts one by one. One that fails doesn't keep the others; a registry that can't be written to does."""
    done = Copied()
    for n, move in enumerate(todo, 1):
        try:
            target = _repository(move.destination, configs, plain_http=plain_http, failure=TargetError)
            digest = copy(move.source.version, move.destination.tag, _repository(move.source, configs), target)
        except TargetError as error:
            done.errors.append(f"{error}; {len(todo) - len(done.digests)} of {len(todo)} weren't copied")
            break
        except TransferError as error:
            done.errors.append(str(error))
        else:
            done.digests[move.source] = digest
            click.echo(
                f"{n}/{len(todo)} {move.source} -> {move.destination.name}:{move.destination.tag} {digest}", err=True
            )
    return done


def resolve(todo: Sequence[Move], configs: list[Path], *, plain_http: bool) -> Copied:
    """Ask the registry for what has been copied. An artefact that isn't there is an error."""
    found = Copied()
    for move in todo:
        try:
            target = _repository(move.destination, configs, plain_http=plain_http, failure=TargetError)
            there = target.manifest(move.source.digest or move.destination.tag)
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


def _repository(
    of: Reference, configs: list[Path], *, plain_http: bool = False, failure: type[TransferError] = TransferError
) -> Repository:
    # As container runtimes do, without TLS on loopback.
    return Repository(of.host, of.repository, configs, plain_http=plain_http or of.is_on_loopback, failure=failure)
