"""Writes generated parts into pages of docs/, between marks; the text around them is left as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = Path("docs")


def page(name: str) -> Path:
    """Return where a page of docs/ is in the repository, by its name without `.md`, so that only links know its folder.

    ValueError unless exactly one page has the name.
    """
    found = sorted((ROOT / DOCS).rglob(f"{name}.md"))
    if len(found) != 1:
        raise ValueError(f"{len(found)} pages of docs/ are named {name}.md, not one")
    return found[0].relative_to(ROOT)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in lines)


def between(text: str, name: str, content: str) -> str:
    """Return a page with other content between the marks of that name. ValueError where it has no such marks."""
    start, end = f'<!-- {name}: written by "make generate" -->', f"<!-- /{name} -->"
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"a page of docs/ has lost its marks {start} and {end}")
    return f"{before}{start}\n{content}\n{end}{after}"
