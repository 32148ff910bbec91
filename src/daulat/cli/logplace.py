"""Where the log that a command reads or writes is kept: a folder, or a prefix of an S3 bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import click

from daulat.ledger.folder import Folder
from daulat.ledger.store import Files, Store

from .errors import fail
from .lazy import imported

_FORMS = "must be a folder or s3://BUCKET/PREFIX"


@dataclass(frozen=True)
class LogPlace:
    """A folder, or a prefix of a bucket with the server that has it. As a text it is what the user gave."""

    text: str
    bucket: str = ""
    prefix: str = ""
    endpoint: str | None = None
    region: str = ""

    def __str__(self) -> str:
        return self.text

    def files(self) -> Files:
        """Return what readers need; nothing is written there."""
        if not self.bucket:
            return Folder(Path(self.text))
        found = _implementation()
        files: Files = found.Objects(found.s3(self.bucket, self.prefix, self.endpoint, self.region))
        return files

    def store(self, owner: str, *, takeover: bool) -> Store:
        """Return what a writer needs. ``owner`` and ``takeover`` are those of a bucket's lock."""
        if not self.bucket:
            return Folder(Path(self.text))
        found = _implementation()
        objects = found.s3(self.bucket, self.prefix, self.endpoint, self.region)
        store: Store = found.Bucket(objects, owner, takeover)
        return store

    def own_index(self, path: Path | None) -> Path | None:
        """Return the path of an index. Exits with 2 if it is in the log's folder: it came with the log, and may lack runs."""
        if path is not None and not self.bucket and Path(self.text).resolve() in path.resolve().parents:
            fail(
                f"--index {path}: is in the log's folder. An index isn't checked against the log: use a file of your own"
            )
        return path

    def unreadable(self, error: OSError) -> NoReturn:
        """Write why files can't be read or written, and exit with 2."""
        if error.strerror is None:
            fail(f"{self}: {error}")
        fail(f"{error.filename or self}: {error.strerror.lower()}")


def _implementation() -> ModuleType:
    return imported("daulat.ledger.bucket", "s3")


def place(text: str, endpoint: str | None, region: str) -> LogPlace:
    """Return the place that a text means. ValueError if it is neither a folder nor a prefix of a bucket."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return LogPlace(text)
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError(_FORMS)
    return LogPlace(text, bucket, prefix.strip("/"), endpoint, region)


def s3_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--s3-endpoint`` and ``--s3-region``."""
    endpoint = click.option(
        "--s3-endpoint", envvar="DAULAT_S3_ENDPOINT", metavar="URL", help="The bucket's server, where it isn't AWS's."
    )
    region = click.option(
        "--s3-region", envvar="DAULAT_S3_REGION", default="us-east-1", show_default=True, help="The bucket's region."
    )
    return endpoint(region(command))


def log_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument LOG, which exists if it is a folder. The command has ``s3_options`` too, and gets all of it as ``log``."""

    @click.argument("log", metavar="LOG")
    @wraps(command)
    def with_log(*args: Any, log: str, s3_endpoint: str | None, s3_region: str, **kwargs: Any) -> Any:
        return command(*args, log=existing("LOG", log, s3_endpoint, s3_region), **kwargs)

    return with_log


def existing(option: str, text: str, endpoint: str | None, region: str) -> LogPlace:
    """Return the place of a log that is there. click.UsageError if the text means none, or a folder that doesn't exist."""
    try:
        found = place(text, endpoint, region)
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {error}") from error
    if not found.bucket and not Path(text).is_dir():
        raise click.UsageError(
            f"{option} {text}: {'is a file' if Path(text).exists() else 'does not exist'}; it {_FORMS}"
        )
    return found
