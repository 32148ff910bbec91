"""Every command's help ends with examples, which are command lines of that command, and fits a terminal of 80 columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from copy import deepcopy

import click
import pytest

from daulat.cli.examples import examples
from daulat.cli.main import main

PIPE = re.compile(r" \| | < | > |(?<=yaml) (?=daulat )")


def commands(group: click.Group, context: click.Context) -> Iterator[click.Context]:
    """All commands and groups of commands, each as the context that its help is shown in."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found = click.Context(command, info_name=name, parent=context)
        yield found
        if isinstance(command, click.Group):
            yield from commands(command, found)


def wide(columns: int) -> dict[str, click.Context]:
    settings = {**main.context_settings, "terminal_width": columns}
    root = click.Context(main, info_name="daulat", **settings)
    return {each.command_path: each for each in commands(main, root)}


COMMANDS = wide(80)
IN_PODS = {"daulat weights check", "daulat weights load"}
"""Commands of init containers, configured by their environment: nobody writes their command lines."""
SUBGROUPS = {"daulat ledger person", "daulat crds"}
"""Groups whose commands have the examples."""
RUN = sorted(COMMANDS.keys() - IN_PODS - SUBGROUPS)


def lines(name: str) -> list[str]:
    """The command lines of Daulat among a command's examples, without what is before or behind a pipe."""
    shown = (COMMANDS[name].command.epilog or "").replace("\\\n", " ").splitlines()
    said = [line.strip() for line in shown if not line.strip().startswith(("#", "Examples:", "\b"))]
    parts = [part.strip() for line in said for part in PIPE.split(line.replace("source <(", "").removesuffix(")"))]
    return [part for part in parts if part.startswith("daulat ")]


EXAMPLES = [(name, line) for name in RUN for line in lines(name)]


@pytest.mark.parametrize("name", RUN)
def test_help_ends_with_examples(name: str) -> None:
    text = COMMANDS[name].get_help()
    _, _, shown = text.partition("\n  Examples:\n")
    assert lines(name)
    assert shown.count("    #") >= 1
    assert shown.count("daulat ") >= len(lines(name))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_fits_a_terminal_of_80_columns_and_has_no_escapes(name: str) -> None:
    text = COMMANDS[name].get_help()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "\x1b" not in text


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_has_options_and_arguments_that_the_command_takes(name: str, line: str) -> None:
    program, *rest = shlex.split(line)
    assert f"{program} {' '.join(rest)} ".startswith(f"{name} ")
    found: click.Command = main
    while isinstance(found, click.Group) and rest:
        inner = found.get_command(click.Context(found), rest[0])
        if inner is None:
            break
        found, rest = inner, rest[1:]
    assert not isinstance(found, click.Group) or found.invoke_without_command
    found = deepcopy(found)
    # Paths of an example don't exist here.
    for parameter in found.params:
        if isinstance(parameter.type, click.Path | click.File):
            parameter.type = click.STRING
    found.make_context(name, rest, **main.context_settings)


def test_a_line_that_is_no_option_of_the_command_is_found() -> None:
    with pytest.raises(click.NoSuchOption):
        COMMANDS["daulat doctor"].command.make_context("doctor", ["--frobnicate"], **main.context_settings)


def test_a_long_example_is_continued_as_a_shell_reads_it() -> None:
    said = "daulat report ./log --key log.vkey --from 2027-01-01 --to 2027-02-01 --output-dir january --policy a"
    shown = examples(("x", said)).splitlines()[3:]
    assert len(shown) > 1
    assert all(len(line) <= 78 for line in shown)
    assert shlex.split("".join(line.replace("\\", " ") for line in shown)) == shlex.split(said)
