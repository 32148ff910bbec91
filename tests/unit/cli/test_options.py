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


PROCESSES = "it is a process that runs until it is stopped: its answers are logs and metrics"
NO_FORMATS = {
    "daulat attest make": "it writes a statement, which is JSON already",
    "daulat bundle": "it copies, and writes files or a shell script",
    "daulat completion": "it writes a shell's script",
    "daulat console": "it serves pages or writes them to a folder",
    "daulat ledger proof": "it writes a proof in C2SP's form, tlog-proof, which other tools read",
    "daulat operator": PROCESSES,
    "daulat recorder": PROCESSES,
    "daulat report": "it writes a folder with the report as JSON, OSCAL and a page",
    "daulat reporter": PROCESSES,
    "daulat snapshot": "it writes a folder of JSON lines",
    "daulat weights check": "a pod's init container runs it, and its answer is the termination message",
    "daulat weights load": "a pod's init container runs it, and its answer is the termination message",
    "daulat witness": PROCESSES,
}
"""The commands without -o json, and why."""


@pytest.mark.parametrize("name", sorted(n for n, c in COMMANDS.items() if c.callback and n not in NO_FORMATS))
def test_a_command_that_prints_a_result_prints_json_too(name: str) -> None:
    command = COMMANDS[name]
    if isinstance(command, click.Group) and not command.invoke_without_command:
        return
    assert [option for option in command.params if "--output" in option.opts], name


@pytest.mark.parametrize("name", sorted(NO_FORMATS))
def test_a_command_that_is_said_to_have_no_formats_has_none(name: str) -> None:
    assert not [option for option in COMMANDS[name].params if "--output" in option.opts]
