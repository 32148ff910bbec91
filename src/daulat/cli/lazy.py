"""A group of commands of which only the one that runs is imported, so that each starts fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import click


@dataclass(frozen=True)
class LazyCommand:
    """Where a command is, and the sentence that the list of commands shows: listing them imports none."""

    module: str
    attribute: str
    help: str


def imported(module: str, extra: str) -> ModuleType:
    """Import a module that needs optional dependencies. Raises click.ClickException where they aren't installed.

    ``extra`` is their name in pyproject.toml. The advice names no package index: Daulat is on none, and its name there may be
    somebody else's.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("daulat"):
            raise
        raise click.ClickException(
            f"{error.name} isn't installed. This command needs Daulat's extra \"{extra}\": install it from where Daulat was "
            f"installed, as in: pip install './daulat[{extra}]' for a checkout in ./daulat"
        ) from error


class LazyGroup(click.Group):
    """A click group whose commands are imported when they are run or when their own help is shown."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name, imported now, or None where there is none."""
        entry = self._lazy.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        rows = [(name, self._summary(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in self._lazy:
            return self._lazy[name].help
        command = super().get_command(ctx, name)
        return command.get_short_help_str() if command else ""
