"""Up to where an audit log was recorded, kept across restarts."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

_DONE = 64


class Position(BaseModel):
    """A place in a log with its older files."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    file: str
    """The identity of the file that is being read."""
    offset: int = 0
    until: str = ""
    """The latest time of an event that was recorded."""
    done: list[str] = []
    """The identities of files that were read to their ends, the last 64."""

    def at(self, offset: int, until: str) -> Position:
        """Return the position after a batch."""
        return self.model_copy(update={"offset": offset, "until": max(until, self.until)})

    def in_next(self, file: str) -> Position:
        """Return the position at the beginning of the next file."""
        return Position(file=file, until=self.until, done=[*self.done, self.file][-_DONE:])


def load(path: Path) -> Position | None:
    """Return the position that was saved; None if there is none. ValueError if it can't be read: to begin anew would be a guess."""
    try:
        return Position.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ValueError(f"{path}: isn't a position in an audit log") from error


def save(path: Path, position: Position) -> None:
    """Save a position. It is on the disk, as a whole, when this returns."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(position.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
