"""The pages of docs/: each is reached from the index and has one title, and texts name only pages that there are.

It needs no Sphinx: `make docs` checks the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.pages import page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDERS = ("charts", "contrib", "dev", "examples", "src", "tests", "changelog.d")
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".json", ".toml"}
OTHERS = {("device_access.yaml", "how-to/how-to-set-sandbox-config-kata.md")}
"""Pages of other projects."""
PAGES = sorted(DOCS.rglob("*.md"))
_TOCTREE = re.compile(r"^```{toctree}\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"(?<![\w/.-])docs/((?:how-to|reference|explanation|tutorials|neighbours)/[\w./-]+\.md)")


def listed(text: str, folder: Path) -> Iterator[Path]:
    """Yield the pages that the toctrees of an index lead to."""
    for block in _TOCTREE.findall(text):
        for line in (line.strip() for line in block.splitlines()):
            if line and not line.startswith(":"):
                yield from folder.glob(f"{line}.md")


def reached(start: Path) -> set[Path]:
    found, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        new = set(listed(here.read_text(), here.parent)) - found
        found |= new
        waiting += new
    return found


def test_every_page_is_reached_from_the_index() -> None:
    assert sorted(set(PAGES) - reached(DOCS / "index.md")) == []


def test_a_page_that_no_index_lists_is_told() -> None:
    text = "```{toctree}\n:glob:\n\ncli\nkinds*\n```\n"
    assert set(listed(text, DOCS / "reference")) == {DOCS / "reference/cli.md", DOCS / "reference/kinds.md"}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_every_page_has_one_title(path: Path) -> None:
    assert len(re.findall(r"^# ", _FENCED.sub("", path.read_text()), re.MULTILINE)) == 1


def test_a_page_is_found_by_its_name_alone() -> None:
    names = Counter(path.name for path in PAGES if path.name != "index.md")
    assert [name for name, times in names.items() if times > 1] == []
    assert page("controls") == Path("docs/reference/controls.md")
    with pytest.raises(ValueError, match=r"0 pages of docs/ are named nothing\.md"):
        page("nothing")


def test_texts_outside_of_pages_name_only_pages_that_there_are() -> None:
    files = [*ROOT.glob("*.*"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))]
    texts = {file: file.read_text() for file in files if file.suffix in SUFFIXES and file.is_file()}
    named = {(file.name, found) for file, text in texts.items() for found in _NAMED.findall(text)} - OTHERS
    assert len(named) > 50
    assert sorted((file, name) for file, name in named if not (DOCS / name).is_file()) == []


def test_the_glossary_is_in_alphabetical_order() -> None:
    lines = (ROOT / page("glossary")).read_text().splitlines()
    words = [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]
    assert len(words) > 40
    assert words == sorted(words, key=str.casefold)


def test_each_row_of_the_glossary_has_its_three_cells() -> None:
    rows = [line for line in (ROOT / page("glossary")).read_text().splitlines() if line.startswith("|")]
    assert [row for row in rows if row.count("|") != 4 or not row.endswith("|")] == []


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize("picture", sorted(DOCS.rglob("*.svg")), ids=lambda p: p.name)
def test_a_picture_loads_nothing_from_elsewhere(picture: Path) -> None:
    assert re.findall(r"""(?:url\(|href=)["']?(?!#)[^"')]*""", picture.read_text()) == []
