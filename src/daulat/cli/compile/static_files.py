"""Writes static manifests into a directory that API servers read: each file in one step, and files of others are left alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import click

from daulat.admission.static import MUTATING, VALIDATING, admission_configuration, static
from daulat.api.kinds import Manifest
from daulat.manifest.document import Problem

from ..errors import fail
from ..structured import manifests_as

CONFIGURATION = "admission-configuration.yaml"
_MARK = "Written by daulat compile, which replaces and removes this file."
_README = """<!-- {mark} -->
Static admission manifests of Daulat, for kube-apiserver 1.37 or later. Every API server of the cluster needs this directory at
{root}, readable by it and writable by no other, and this flag:

    --admission-control-config-file={root}/{configuration}

Where that flag is set already, add the two plugins of {configuration} to the file that it names. The flag is read at
the start, the directories for as long as the API server runs: a change is in force about two seconds later. A file that
can't be read keeps what was in force, but lets no API server start.
"""


class _NotOurs(Exception):
    """There is a file of that name that this command hasn't written."""


def write_static(root: Path, manifests: Sequence[Manifest], name: str, host_path: str | None) -> None:
    """Write the manifests under the directory, with the configuration that makes API servers read it at ``host_path``."""
    where = host_path or str(root.absolute())
    if not PurePosixPath(where).is_absolute():
        raise click.BadParameter(f"{where!r} is not an absolute path.", param_hint="--host-path")
    folders = static(manifests)
    # Pods are pinned before they are refused unpinned.
    files: dict[str, str | None] = {
        f"{MUTATING}/{name}": _file(folders[MUTATING]),
        f"{VALIDATING}/{name}": _file(folders[VALIDATING]),
        CONFIGURATION: _file([admission_configuration(where)]),
        "README.md": _README.format(mark=_MARK, root=where, configuration=CONFIGURATION),
    }
    try:
        for folder in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
        written, removed = _put(root, files)
    except (_NotOurs, OSError) as error:
        fail(Problem(str(root), 0, str(error)))
    for path in written:
        click.echo(f"wrote {root / path}", err=True)
    for path in removed:
        click.echo(f"removed {root / path}", err=True)
    if not written and not removed:
        click.echo(f"{root} is up to date", err=True)


def _file(manifests: Sequence[Manifest]) -> str | None:
    return f"# {_MARK}\n{manifests_as('yaml', manifests, sort_keys=True)}" if manifests else None


def _put(root: Path, files: Mapping[str, str | None]) -> tuple[list[str], list[str]]:
    """Write files by their path under the directory, and remove those that are None. Return what was written and removed.

    Nothing is written if one of them is not ours (_NotOurs). A file whose contents are right isn't written again.
    """
    for name in files:
        if (root / name).exists() and _MARK not in (root / name).read_text(encoding="utf-8", errors="replace"):
            raise _NotOurs(f"{root / name} exists and wasn't written by daulat compile: move it away")
    written, removed = [], []
    for name, text in files.items():
        if text is not None and _replace(root / name, text):
            written.append(name)
    for name, text in files.items():
        if text is None and (root / name).exists():
            (root / name).unlink()
            removed.append(name)
    return written, removed


def _replace(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    # A name that the API server doesn't read, until it is whole.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True
