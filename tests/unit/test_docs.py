"""What the documentation shows can be applied: every whole object of a daulat.dev kind in it, and every link between its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from daulat.api import reasons
from daulat.api.kinds import KINDS
from daulat.check.profiles import mistakes

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHORTENED = re.compile(r"sha256:([0-9a-f]{4})\.\.\.")
"""A digest as pages write it where its length would hide the rest."""
_LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")
_SPECS = {kind.kind: kind.spec for kind in KINDS}


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the page and the object, for objects that say their apiVersion: others are excerpts."""
    for page in PAGES:
        for block in _BLOCK.findall(_SHORTENED.sub(lambda m: "sha256:" + m[1] * 16, page.read_text())):
            for found in yaml.safe_load_all(block):
                if isinstance(found, dict) and str(found.get("apiVersion")).startswith("daulat.dev/"):
                    yield page.name, found


SHOWN = [pytest.param(o, id=f"{page}-{o['kind']}-{o['metadata']['name']}") for page, o in objects()]


@pytest.mark.parametrize("shown", SHOWN)
def test_an_object_that_a_page_shows_is_one_that_can_be_applied(shown: dict[str, Any]) -> None:
    spec = _SPECS[shown["kind"]].model_validate(shown["spec"], strict=False, by_alias=True, by_name=False)
    if shown["kind"] == "AcceleratorProfile":
        assert list(mistakes(spec)) == []  # type: ignore[arg-type] # the kind says which spec it is


def test_pages_show_objects() -> None:
    assert len(SHOWN) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    broken = []
    for target, anchor in _LINK.findall(page.read_text()):
        there = (page.parent / target).resolve()
        if not there.exists():
            broken.append(target)
        elif anchor and there.suffix == ".md" and anchor[1:] not in _anchors(there):
            broken.append(target + anchor)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_each_symptom_of_the_operations_page_has_a_condition_and_a_reason_that_exist() -> None:
    page = (ROOT / "docs" / "how-to" / "operations.md").read_text()
    told = re.findall(r"`(\w+)` (?:False|Unknown), `(\w+)`", page)
    known = {
        (str(c), str(r)) for kind in KINDS for c in reasons.conditions_of(kind.kind) for r in reasons.reasons_of(c)
    }
    assert len(told) > 10
    assert [t for t in told if t not in known] == []
