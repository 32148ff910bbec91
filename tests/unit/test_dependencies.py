"""What the code imports is what pyproject.toml declares, and what the lock files pin: another machine has nothing else."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN = {"daulat", "dev", "tests", "bench"}


def imported(*folders: str) -> set[str]:
    """Return the top-level modules that files in the folders import, without Python's own and the project's."""
    found = set()
    # dev/engines/ask_*.py runs in environments of its own, each with one engine.
    for file in (f for folder in folders for f in (ROOT / folder).rglob("*.py") if not f.name.startswith("ask_")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - OWN - sys.stdlib_module_names


def named(requirements: Iterable[str]) -> set[str]:
    """Return the normalised names of distributions."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[ ;]", line)[0]).lower() for line in requirements if line.strip()}


def distributions(modules: set[str]) -> dict[str, set[str]]:
    """Return which distributions each of the modules comes from."""
    found = packages_distributions()
    return {module: named(found.get(module, [])) for module in modules}


SHIPPED = named(PROJECT["project"]["dependencies"])
WEIGHTS = named(PROJECT["project"]["optional-dependencies"]["weights"])
BUCKETS = named(PROJECT["project"]["optional-dependencies"]["s3"])
DEVELOPMENT = named(PROJECT["dependency-groups"]["dev"])


@pytest.mark.parametrize(
    ("folders", "declared"),
    [(["src"], SHIPPED | WEIGHTS), (["tests", "dev", "bench"], SHIPPED | WEIGHTS | DEVELOPMENT)],
    ids=["shipped", "development"],
)
def test_what_is_imported_is_declared(folders: list[str], declared: set[str]) -> None:
    undeclared = {m: sorted(d) for m, d in distributions(imported(*folders)).items() if not d & declared}
    # pydantic pins its core exactly, and the two are one library to their users.
    undeclared.pop("pydantic_core", None)
    assert undeclared == {}


@pytest.mark.parametrize(
    ("file", "declared"),
    [("runtime", SHIPPED), ("weights", SHIPPED | WEIGHTS), ("dev", SHIPPED | WEIGHTS | DEVELOPMENT)],
)
def test_what_is_declared_is_pinned(file: str, declared: set[str]) -> None:
    lines = (ROOT / "requirements" / f"{file}.txt").read_text().splitlines()
    pinned = named(line for line in lines if "==" in line)
    assert declared - pinned == set()


def test_only_what_loads_weights_needs_what_loads_them() -> None:
    """The operator and the other commands work with the dependencies that everybody installs."""
    rest = [f for f in (ROOT / "src" / "daulat").iterdir() if f.is_dir() and f.name not in ("weights", "__pycache__")]
    needed = distributions(imported(*(str(f) for f in rest)))
    assert {m for m, d in needed.items() if d & WEIGHTS - SHIPPED - BUCKETS} == set()


def test_only_what_keeps_a_log_in_a_bucket_needs_what_speaks_s3() -> None:
    package = ROOT / "src" / "daulat"
    own = {f for f in package.rglob("*.py") if re.search(r"^(import|from) obstore", f.read_text(), re.MULTILINE)}
    assert {f.relative_to(package).as_posix() for f in own if "weights" not in f.parts} == {"ledger/bucket.py"}
