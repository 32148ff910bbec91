"""What a page takes for granted: the cluster, objects in it, files, and the names that its words in capitals stand for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from .page import Page

FOLDER = Path(__file__).with_name("given")


class Given(BaseModel):
    """The state before the first command of a page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cluster: Literal["none", "empty", "installed"] = "installed"
    """None, one without Daulat, or one with Daulat and nothing else."""
    apply: tuple[str, ...] = ()
    """Manifests to apply, in their order."""
    wait: tuple[str, ...] = ()
    """What to wait for after that, as `kubectl wait` has it."""
    shell: tuple[str, ...] = ()
    """Commands to run before that, which write files in the page's folder."""
    edits: dict[str, str] = {}
    """What a reader does otherwise than by a command, as one: in an editor, before the commands that match a pattern."""
    names: dict[str, str] = {}
    """Words of the page that stand for others, and these: `{tomorrow}` is a time, `{context}` the cluster's context."""


_ALL = TypeAdapter(dict[str, Given])


@cache
def every() -> dict[str, Given]:
    """Return what is given, by the names of pages; a page of which nothing is said is given Daulat on a cluster."""
    return _ALL.validate_python(yaml.safe_load(FOLDER.with_suffix(".yaml").read_text()))


def files(page: Page) -> Path | None:
    """Return the folder of the files that a page takes for granted, if it does."""
    folder = FOLDER / page.path.stem
    return folder if folder.exists() else None


def of(page: Page, all_: dict[str, Given]) -> Given:
    """Return what a page is given."""
    return all_.get(page.name.removeprefix("docs/"), Given())


FIRST = frozenset({"README", "docs/tutorials/first-hour"})
"""Pages that are read first. `make test` follows only these."""


def shared(name: str) -> str:
    """Return a key that pages have in common which are followed on one cluster: the first ones, and those given the same."""
    state = every().get(name.removeprefix("docs/"))
    if name in FIRST:
        return "first"
    return name if state is None or state.cluster == "none" else state.model_dump_json()
