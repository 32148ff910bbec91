"""The commands of each page of the documentation, run in their order, on a real API server with Daulat on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs import given
from tests.docs.follow import Reader
from tests.docs.page import PAGES, Page, read
from tests.docs.session import install_programs
from tests.docs.stage import Stage

GIVEN = given.every()
_ORDER = ("none", "empty", "installed")


def _turn(page: Page) -> tuple[int, str, str]:
    """Pages that are given the same follow each other, so that the cluster may stay as it is."""
    state = given.of(page, GIVEN)
    return _ORDER.index(state.cluster), state.model_dump_json(), page.name


def _parameter(page: Page) -> Any:
    """Pages that are read first are followed by `make test`, the others by `make test-docs`."""
    return pytest.param(page, id=page.name, marks=() if page.name in given.FIRST else pytest.mark.docs)


FOLLOWED = sorted((page for page in map(read, PAGES) if page.unmarked), key=_turn)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster for the pages, one after the other, which is brought up for the first page that needs one."""
    found = Stage(tmp_path_factory.mktemp("stage"))
    yield found
    found.lower()


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands that pages call."""
    folder = tmp_path_factory.mktemp("path") / "bin"
    install_programs(folder)
    return folder


@pytest.mark.parametrize("page", [_parameter(page) for page in FOLLOWED])
def test_the_commands_of_a_page_work_in_their_order_and_print_what_it_shows(
    page: Page, stage: Stage, programs: Path, tmp_path: Path
) -> None:
    state = given.of(page, GIVEN)
    Reader(page, state, programs, tmp_path, stage.prepared(page, state)).follow()
