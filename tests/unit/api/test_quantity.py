"""Counts of devices are read as Kubernetes reads quantities; what isn't a count is none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.api.quantity import parse, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8", 8),
        (8, 8),
        ("0", 0),
        ("2k", 2000),
        ("1Ki", 1024),
        ("2Ki", 2048),
        ("3M", 3 * 10**6),
        ("1T", 10**12),
        ("1Ei", 2**60),
        ("1e3", 1000),
        ("1.5k", 1500),
        ("8000m", 8),
        ("1.000", 1),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_a_count_is_read_in_every_form_that_the_api_server_takes(text: Any, number: int) -> None:
    assert whole(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "1.5",
        "-1",
        "500m",
        "",
        None,
        True,
        "8 ",
        "1e-3",
        "0x8",
        "٣x",
        {},
        "2K",
        "1u",
        "n",
        str(2**63),
        "1e19",
        "9e999999999",
    ],
)
def test_anything_else_is_no_count(text: Any) -> None:
    assert whole(text) is None


@given(
    st.integers(0, 10**12),
    st.sampled_from(["", "m", "u", "n", "k", "M", "Ki", "Mi", "e2", "E-2", ".0", ".50", ".250k"]),
)
def test_a_count_is_what_the_quantity_is_worth(number: int, suffix: str) -> None:
    amount = parse(f"{number}{suffix}")
    worth = Decimal(amount.value).scaleb(amount.scale)
    assert whole(f"{number}{suffix}") == (int(worth) if worth == int(worth) else None)
