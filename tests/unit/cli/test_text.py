"""Text for people fits the terminal, and has colours only where they show."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from daulat.cli.text import NARROWEST, NOT_A_TERMINAL, Page


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A terminal of 72 columns."""
    monkeypatch.setattr("daulat.cli.text.sys", SimpleNamespace(stdout=Terminal()))
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


def test_a_page_is_as_wide_as_the_terminal_and_has_colours(terminal: pytest.MonkeyPatch) -> None:
    page = Page.for_output()
    assert (page.width, page.colour) == (72, True)
    assert page.styled("x", fg="red") == "\x1b[31mx\x1b[0m"


def test_no_color_turns_colours_off(terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("NO_COLOR", "1")
    assert Page.for_output().styled("x", fg="red") == "x"


def test_a_file_has_no_colours_and_a_width_of_its_own(terminal: pytest.MonkeyPatch) -> None:
    page = Page.for_output(terminal=False)
    assert (page.width, page.colour) == (NOT_A_TERMINAL, False)


def test_a_terminal_is_never_taken_for_too_narrow_to_write_on(terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("COLUMNS", "3")
    assert Page.for_output().width == NARROWEST


def test_lines_are_wrapped_below_their_start_and_control_characters_are_escaped() -> None:
    page = Page(width=20)
    page.wrapped("one two three four five\x1b[2J", "  - ")
    page.line(page.styled("a\nb"))
    assert str(page) == "  - one two three\n    four five\\x1b[2J\na\\nb\n"
