"""Commands are found without importing any but the one that is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from daulat.cli.lazy import LazyCommand, LazyGroup
from daulat.cli.main import COMMANDS, main

HEAVY = (
    "kopf",
    "kubernetes",
    "aiohttp",
    "pydantic",
    "cel_expr_python",
    "yaml",
    "rich",
    "filelock",
    "obstore",
    "model_signing",
)


def _imported_by(*arguments: str) -> set[str]:
    code = f"import sys; from daulat.cli.main import main; main({list(arguments)!r}, standalone_mode=False); "
    code += f"print('\\n', *(m for m in {HEAVY!r} if m in sys.modules))"
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_no_command() -> None:
    assert _imported_by("--help") == set()


def test_help_lists_every_command_with_its_sentence() -> None:
    told = CliRunner().invoke(main, ["--help"]).output
    for name, command in COMMANDS.items():
        assert name in told
        assert command.help.split()[0] in told


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_registered_command_exists(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, click.Command)
    assert command.name == name


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["chekc"])
    assert result.exit_code == 2
    assert "No such command 'chekc'" in result.output


def test_an_entry_that_is_no_command_is_told() -> None:
    group = LazyGroup("g", lazy={"x": LazyCommand("daulat.cli.main", "COMMANDS", "x")})
    with pytest.raises(TypeError, match=r"daulat\.cli\.main\.COMMANDS is no command"):
        group.get_command(click.Context(group), "x")


def test_what_isnt_installed_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    for module in ("daulat.cli.weights.carry_out", "daulat.weights.load", "daulat.weights.signature"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    result = CliRunner().invoke(main, ["weights", "digest", "."])
    assert result.exit_code == 1
    # The project is on no package index, where its name may be somebody else's.
    assert "pip install './daulat[weights]' for a checkout in ./daulat" in result.output


@pytest.mark.parametrize("command", [(), ("load",), ("check",), ("digest",), ("verify",)])
def test_the_help_of_a_command_needs_no_optional_dependency(command: tuple[str, ...]) -> None:
    assert _imported_by("weights", *command, "--help") == set()
