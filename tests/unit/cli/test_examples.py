"""The examples in a command's help are command lines of that command, and fit the help."""

from __future__ import annotations

import shlex
from copy import deepcopy

import click
import pytest
from click.testing import CliRunner

from daulat.cli.main import main

SHOW_EXAMPLES = (
    "bundle",
    "check",
    "chips",
    "compile",
    "doctor",
    "explain",
    "images",
    "ledger",
    "report",
    "sizing",
    "status",
    "weights",
)
"""The commands that users run by hand."""
PIPE = " | "


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def lines(name: str) -> list[str]:
    shown = (command(name).epilog or "").splitlines()
    return [line.strip().rpartition(PIPE)[2] for line in shown if not line.strip().startswith(("#", "Examples:", "\b"))]


EXAMPLES = [(name, line) for name in SHOW_EXAMPLES for line in lines(name)]


@pytest.mark.parametrize("name", SHOW_EXAMPLES)
def test_help_ends_with_examples(name: str) -> None:
    text = CliRunner().invoke(main, [name, "--help"]).output
    _, _, shown = text.partition("\n  Examples:\n")
    assert shown.count("\n    daulat ") + shown.count(f"{PIPE}daulat ") == len(lines(name)) > 1
    assert shown.count("\n    #") + shown.startswith("    #") == len(lines(name))


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_has_options_and_arguments_that_the_command_takes(name: str, line: str) -> None:
    program, word, *rest = shlex.split(line)
    assert (program, word) == ("daulat", name)
    found, context = deepcopy(command(name)), click.Context(main)
    if isinstance(found, click.Group):
        inner = found.get_command(context, rest[0]) if rest else None
        assert inner is not None or found.invoke_without_command
        found, rest = (inner, rest[1:]) if inner is not None else (found, rest)
    # Paths of an example don't exist here.
    for parameter in found.params:
        if isinstance(parameter.type, click.Path | click.File):
            parameter.type = click.STRING
    found.make_context(name, rest)


def test_a_line_that_is_no_option_of_the_command_is_found() -> None:
    with pytest.raises(click.NoSuchOption):
        command("doctor").make_context("doctor", ["--frobnicate"])
