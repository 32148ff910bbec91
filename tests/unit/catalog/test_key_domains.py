"""Labels and annotations of other projects."""

from __future__ import annotations

import re

import pytest

from daulat.api.pods import RESERVED
from daulat.catalog.key_domains import acted_on, of_controllers
from daulat.controls import library


@pytest.mark.parametrize("label", of_controllers())
def test_no_model_may_have_a_label_by_which_a_controller_finds_its_pods(label: str) -> None:
    domain = label.partition("/")[0]
    assert re.search(RESERVED, label) or any(domain == d or domain.endswith(f".{d}") for d in acted_on())


def test_the_guard_of_labels_lists_them_all() -> None:
    (guard,) = [g for g in library.guards().values() if g.guard == "labels"]
    (changed,) = [c.expression for c in guard.conditions if c.name == "a-models-labels-change"]
    lists = re.findall(r"k in \[('[^\]]*/[^\]]*')\]", changed)
    assert [sorted(re.findall(r"'([^']+)'", found)) for found in lists if "job-name" in found] == [
        sorted(of_controllers())
    ] * 2
