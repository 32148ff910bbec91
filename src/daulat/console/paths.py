"""Names the pages. A path is the same in the static site and on the server, below the folder of the language."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

ROWS = 100
"""Rows of a table on one page: about 100 KiB of HTML."""
_PLAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,198}[a-z0-9])?", re.ASCII)
T = TypeVar("T")


def part(name: str) -> str:
    """Return a name as one part of a path. Names that no API server would take, or too long for a file, are hashed.

    No name of an object has an underscore, so what follows one can't be taken for a part of a name.
    """
    return name if _PLAIN.fullmatch(name) else "_" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def zone(name: str) -> str:
    """Return the path of a zone's page."""
    return f"zone/{part(name)}.html"


def policy(name: str) -> str:
    """Return the path of a policy's page."""
    return f"policy/{part(name)}.html"


def model(namespace: str, name: str) -> str:
    """Return the path of a model's page."""
    return f"model/{part(namespace)}/{part(name)}.html"


def inventory(name: str) -> str:
    """Return the path of an inventory's page."""
    return f"inventory/{part(name)}.html"


LOST_NODES = "whatif-nodes.html"
"""The path of the page that lists the nodes that can be lost."""


def narrowed(policy: str) -> str:
    """Return the path of the page that lists what a policy can accept no more."""
    return f"whatif/policy/{part(policy)}.html"


def numbered(path: str, number: int) -> str:
    """Return the path of one of the pages that a table is spread over; the first has the number 1."""
    return path if number == 1 else f"{path.removesuffix('.html')}_{number}.html"


@dataclass(frozen=True)
class Part(Generic[T]):
    """The rows of one page."""

    path: str
    """Of the first page."""
    number: int
    """From 1."""
    of: int
    first: int
    """The position of the first row among all, from 1."""
    total: int
    rows: Sequence[T]

    @property
    def here(self) -> str:
        """The path of this page."""
        return numbered(self.path, self.number)


def parts(path: str, rows: Sequence[T], size: int = ROWS) -> tuple[Part[T], ...]:
    """Spread rows over pages. There is always one."""
    of = max(-(-len(rows) // size), 1)
    return tuple(Part(path, n + 1, of, n * size + 1, len(rows), rows[n * size : (n + 1) * size]) for n in range(of))
