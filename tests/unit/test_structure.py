"""The structure of the source: what import contracts can't say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "daulat"
PARSERS = ("api/", "facts/")
"""Where raw objects are read."""
STORED = ("facts/", "reconcile/conditions.py", "reconcile/definitions.py")
"""What may read a status of Daulat's own as it is stored: what keeps it, and what compares it with what is to be written."""


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("daulat")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert tuple(TopologicalSorter(imports).static_order())


def test_a_status_is_read_by_its_fields_and_not_as_a_dict() -> None:
    assert [found for path in _modules(PARSERS) for found in _reads(path)] == []


def test_a_status_as_it_is_stored_is_only_kept_and_compared() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in _modules(STORED)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "stored"
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'x.status.get("phase")',
        'x.status["phase"]',
        '(x.status or {}).get("phase")',
        "for key, value in x.status.items(): pass",
        "{**x.status}",
        '(x.status if x else y)["phase"]',
        '"phase" in x.status',
    ],
)
def test_each_way_to_read_a_status_as_a_dict_is_found(code: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(code)
    assert list(_reads(module)) == ["module.py:1"]


def _modules(left_out: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted(SOURCE.rglob("*.py")):
        if not path.relative_to(SOURCE).as_posix().startswith(left_out):
            yield path


def _reads(path: Path) -> Iterator[str]:
    """Return where a module uses an attribute ``status`` as a dict."""
    where = path.relative_to(SOURCE) if path.is_relative_to(SOURCE) else Path(path.name)
    for node in ast.walk(ast.parse(path.read_text())):
        used: list[ast.expr | None] = []
        match node:
            case ast.Attribute(attr="get" | "items" | "keys" | "values" | "pop"):
                used = [node.value]
            case ast.Subscript():
                used = [node.value]
            case ast.Dict():
                used = [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
            case ast.Compare(ops=[ast.In() | ast.NotIn()]):
                used = [*node.comparators]
        if any(_is_status(one) for one in used):
            yield f"{where}:{getattr(node, 'lineno', 0)}"


def _is_status(node: ast.expr | None) -> bool:
    match node:
        case ast.Attribute(attr="status"):
            return True
        case ast.BoolOp():
            return any(_is_status(value) for value in node.values)
        case ast.IfExp():
            return _is_status(node.body) or _is_status(node.orelse)
    return False


def test_every_target_of_the_makefile_is_phony() -> None:
    """A file of a target's name would keep it from running."""
    text = (SOURCE.parents[1] / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text, re.MULTILINE))
    phony = set(text.partition(".PHONY:")[2].replace("\\", " ").split())
    assert targets == phony
