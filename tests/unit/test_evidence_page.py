"""docs/how-to/evidence.md lets an auditor check the example: its commands run in their order, and print what the page shows."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from daulat.cli.main import main
from dev.evidence.example import FOLDER, drift, render
from dev.pages import page
from tests.docs.page import read

ROOT = Path(__file__).parents[2]
COMMANDS = [(c.bare, c.output) for c in read(ROOT / page("evidence")).unmarked if c.output is not None]


def test_the_example_is_what_its_script_makes() -> None:
    assert drift(ROOT, render()) == []


def test_five_commands_check_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) == 5
    for command, shown in COMMANDS:
        done = CliRunner().invoke(main, shlex.split(command)[1:])
        assert (done.exit_code, done.output) == (0, shown), command
    before, after = tmp_path / FOLDER / "report", tmp_path / "again"
    files = {p.relative_to(before) for p in before.rglob("*") if p.is_file()} - {Path("report.dsse.json")}
    assert files == {p.relative_to(after) for p in after.rglob("*") if p.is_file()}
    # Only when it was made differs, which the documents say and not the proofs.
    assert {str(p) for p in files if (before / p).read_bytes() != (after / p).read_bytes()} == {
        "report.html",
        "report.json",
        "oscal-assessment-results.json",
    }
    first, second = (json.loads((folder / "report.json").read_text()) for folder in (before, after))
    assert first | {"made": second["made"]} == second
