"""Every control passes and refuses exactly what its own examples say, through the offline evaluator."""

from __future__ import annotations

import pytest

from daulat.cel.evaluator import evaluate_all
from daulat.controls import library
from daulat.controls.library import Control, Example
from tests.requests import EXAMPLES, IDS, manifests_of, request_of


@pytest.mark.parametrize(("control", "example"), EXAMPLES, ids=IDS)
def test_a_control_says_exactly_what_its_example_says(control: Control, example: Example) -> None:
    verdicts = evaluate_all(manifests_of(control, example), request_of(control, example))
    # As a set: where a control looks at a map, the order of its messages isn't defined.
    assert sorted(m for v in verdicts for m in v.violations) == sorted(example.violations)
    assert [v.message for v in verdicts] == [" ".join(v.violations) for v in verdicts]
    assert not any(v.error for v in verdicts)


@pytest.mark.parametrize("control", library.controls(), ids=lambda c: f"{c.id}.{c.guard}")
def test_every_control_has_examples_on_both_sides(control: Control) -> None:
    assert any(e.violations for e in control.examples)
    assert any(not e.violations for e in control.examples)


def test_a_control_is_named_once_for_each_guard() -> None:
    keys = [(c.id, c.guard) for c in library.controls()]
    assert len(keys) == len(set(keys))
