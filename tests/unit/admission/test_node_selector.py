"""The text of a nodeSelector in an annotation of a namespace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.admission.node_selector import pins_in, with_pins

A, B = "daulat.node-restriction.kubernetes.io/a", "daulat.node-restriction.kubernetes.io/b"
OTHERS = st.lists(st.sampled_from(["disk=ssd", "node-role.kubernetes.io/worker=", "zone==x", "y"]), max_size=3)
OURS = st.frozensets(st.sampled_from([A, B]))


@pytest.mark.parametrize(
    ("before", "labels", "after"),
    [
        ("", [A], f"{A}=eligible"),
        ("disk=ssd", [B, A], f"disk=ssd,{A}=eligible,{B}=eligible"),
        (f"{A}=eligible, disk=ssd", [], "disk=ssd"),
        (f"{A}=eligible", [], ""),
        (f"{A}=no,disk=ssd", [A], f"disk=ssd,{A}=eligible"),
        (" disk=ssd , ", [A], f"disk=ssd,{A}=eligible"),
    ],
)
def test_entries_of_others_stay(before: str, labels: list[str], after: str) -> None:
    assert with_pins(before, labels) == after


@pytest.mark.parametrize("text", [f"{A}=eligible", f" {A} = eligible ", f"disk=ssd,{A}==eligible"])
def test_a_pin_is_read_as_plugins_read_it(text: str) -> None:
    assert pins_in(text) == {A}


@pytest.mark.parametrize("text", ["", A, f"{A}=", f"{A}=no", "a=eligible", f"x{A}=eligible"])
def test_what_pins_to_nothing_of_ours_is_no_pin(text: str) -> None:
    assert pins_in(text) == frozenset()


@given(OTHERS, OURS, OURS)
def test_writing_and_reading_agree(others: list[str], before: frozenset[str], after: frozenset[str]) -> None:
    first = with_pins(",".join(others), before)
    second = with_pins(first, after)
    assert pins_in(second) == after
    assert with_pins(second, []) == ",".join(others)
    assert with_pins(second, after) == second
