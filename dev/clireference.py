"""Writes the reference of the command line: what `--help` prints for every command."""

from __future__ import annotations

from collections.abc import Iterator

import click

from daulat.cli.main import main
from dev.pages import between, page

PAGE = page("commands")
WIDTH = 100


def written(text: str) -> str:
    """Return the page with the help of every command written anew."""
    parts = [f"## {path}\n\n```text\n{help_}\n```" for path, help_ in helps(main, "daulat")]
    return between(text, "commands", "\n" + "\n\n".join(parts) + "\n")


def helps(command: click.Command, path: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """Yield a command's full name and its help, then those of its subcommands, by name."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent, **settings)
    # Click keeps the help option of a command's first context, which may have been one without the names that ``main`` gives it.
    command._help_option = None
    with context:
        yield path, command.get_help(context).rstrip()
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                if found is not None and not found.hidden:
                    yield from helps(found, f"{path} {name}", context)
