"""Writes generated parts into pages of docs/, between marks; the text around them is left as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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
