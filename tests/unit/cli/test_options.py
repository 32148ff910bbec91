"""Options that commands share have the same names and mean the same."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from daulat.cli.main import main


def _commands(group: click.Group, name: str = "daulat") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        assert command is not None
        yield f"{name} {each}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {each}")


COMMANDS = dict(_commands(main))
SHARED = {
    "-o": {"-o", "--output"},
    "--output": {"-o", "--output"},
    "-n": {"-n", "--namespace"},
    "-f": {"-f", "--filename"},
    "--output-file": {"--output-file"},
    "--context": {"--context"},
    "--cluster": {"--cluster"},
}
"""An option's names wherever a command has one of them."""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_option_has_the_same_names_in_every_command(name: str) -> None:
    for option in COMMANDS[name].params:
        for word in option.opts:
            assert {*option.opts} == SHARED.get(word, {*option.opts})


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_output_is_a_format_in_every_command(name: str) -> None:
    for option in COMMANDS[name].params:
        if "--output" in option.opts:
            assert isinstance(option.type, click.Choice)
            assert "json" in option.type.choices
