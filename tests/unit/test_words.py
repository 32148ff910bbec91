"""The words that users read: CONTRIBUTING.md has a table of those that aren't used, and of what to write in their place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from daulat.api import reasons
from daulat.api.crd import manifest
from daulat.api.kinds import KINDS
from daulat.cli.main import main
from daulat.controls import library
from daulat.doctor.catalog import checks

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| (`[^|]*`) \| ([^|]+) \|$", re.MULTILINE)
_CODE = re.compile(r"^ *```.*?^ *```|``.*?``|`[^`\n]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)
_RULED_OUT = "## Words"
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
"""A text in a CEL expression."""
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
COMMENTED = sorted(
    p for folder in ("examples", "contrib", "charts/daulat/templates") for p in (ROOT / folder).rglob("*.yaml")
)
"""Manifests whose comments users read."""
PAGES = sorted(
    [
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("changelog.d/*.md"),
        *(ROOT / name for name in ("README.md", "SECURITY.md", "charts/daulat/README.md")),
        *(ROOT / "charts/daulat" / name for name in ("values.yaml", "templates/NOTES.txt")),
    ]
)


def ruled_out() -> dict[str, str]:
    """Return what to write in the place of each word or phrase of the table, in lower case."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split(f"\n{_RULED_OUT}\n")[1].split("\n## ")[0]
    return {
        word.strip().strip("`").lower(): instead.strip()
        for words, instead in _ROW.findall(section)
        for word in words.split(",")
    }


RULED_OUT = ruled_out()
_FORBIDDEN = re.compile(rf"(?<![\w-])({'|'.join(re.escape(w) for w in RULED_OUT)})(?![\w-])", re.IGNORECASE)


def findings(text: str) -> list[str]:
    """Return each word of the text that the table rules out, with what to write instead."""
    found = _FORBIDDEN.findall(" ".join(_CODE.sub(" ", text).split()))
    return [f'"{word}": write {RULED_OUT[word.lower()]}' for word in found]


def described(node: Any, at: str) -> Iterator[tuple[str, str]]:
    """Yield every description and every message of a rule in a schema, with where it is."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "message") and isinstance(value, str):
                yield at, value
            else:
                yield from described(value, f"{at}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from described(value, at)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Yield the help of a command, of its options, and of all commands under it."""
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.opts[0]}", getattr(parameter, "help", None) or ""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            under = command.get_command(context, each)
            assert under is not None
            yield from commands(under, f"{name} {each}")


def strings(node: Any) -> Iterator[str]:
    """Yield every text in a tree of YAML, without those that are programs."""
    if isinstance(node, str):
        if not node.startswith("import "):
            yield _PLACEHOLDER.sub("", node)
    elif isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


def messages(path: Path) -> Iterator[tuple[str, str]]:
    """Yield every text of a module that has words, without docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and " " in node.value
            and id(node) not in docstrings
        ):
            yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text that users read in the product, with where it is."""
    for kind in KINDS:
        yield from described(manifest(kind), kind.kind)
    for control in library.controls():
        yield f"control {control.id}", f"{control.title}. {control.why}"
        yield from ((f"message {control.id}", text) for text in _QUOTED.findall(control.violations))
    for name, guard in library.guards().items():
        yield f"guard {name}", guard.title
    for condition in reasons.CONDITIONS.values():
        yield f"condition {condition}", condition.meaning
    for reason in reasons.REASONS.values():
        yield f"reason {reason}", f"{reason.meaning} {reason.remedy}"
    for event in reasons.EVENTS.values():
        yield f"Event {event}", event.meaning
    for check in checks().values():
        yield f"check {check.id}", f"{check.title}. {check.why} {check.remedy}"
    yield from commands(main, "daulat")
    for path in sorted((ROOT / "src/daulat/catalog").rglob("*.yaml")):
        yield from ((path.name, text) for text in strings(list(yaml.safe_load_all(path.read_text()))))
    for path in sorted((ROOT / "src/daulat").rglob("*.py")):
        yield from messages(path)


def test_the_table_rules_words_out() -> None:
    assert {"nobody", "whoever", "by hand"} <= RULED_OUT.keys()
    assert findings("Nobody reads `nobody`, and somebodyelse") == [f'"Nobody": write {RULED_OUT["nobody"]}']


def test_texts_of_every_sort_are_looked_at() -> None:
    where = [at for at, _ in texts()]
    assert len(where) > 1000
    for sort in (
        "SovereignModel.spec",
        "control USE-04",
        "guard pods",
        "reason",
        "Event",
        "check DOC-01",
        "daulat check --",
        "message SUP-08",
        "nvidia-h20.yaml",
        "src/daulat/placement/capacity.py:",
    ):
        assert any(at.startswith(sort) for at in where), sort


def test_texts_of_the_product_use_the_settled_words() -> None:
    assert [f"{at}: {found}" for at, text in texts() for found in findings(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_use_the_settled_words(page: Path) -> None:
    assert findings(page.read_text()) == []


@pytest.mark.parametrize("path", COMMENTED, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_comments_of_manifests_use_the_settled_words(path: Path) -> None:
    assert findings("\n".join(re.findall(r"(?:^|\s)# (.*)", path.read_text()))) == []
