"""What is written is read as it was meant, whichever YAML the reader knows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from yaml12 import parse_yaml

from daulat.manifest.yaml_reader import read
from daulat.manifest.yaml_writer import dump

# A digest of twelve digits is such a text now and then, and so is what people have in labels.
NUMBERS = (
    "123456789e12",
    "45e334565371",
    "12e3",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "190:20:30",
    "010",
    "1.",
    ".5",
    "+1",
)
WORDS = ("y", "N", "yes", "Off", "null", "~", "", ".inf", ".NaN", "true", "=", "<<", "2001-01-01")


def meant_by_all(value: Any, text: str) -> None:
    kubectl = read(text)
    assert kubectl.flaws == []
    assert kubectl.value == value, text
    assert yaml.safe_load(text) == value, text
    assert parse_yaml(text) == value, text


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("text", [*NUMBERS, *WORDS])
def test_a_text_that_looks_like_something_else_stays_a_text(text: str, fast: bool) -> None:
    value = {"metadata": {"annotations": {"daulat.dev/revision": text}, text or "-": [text]}}
    meant_by_all(value, dump(value, fast=fast))


_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=130) | st.from_regex(
    r"[-+]?[0-9]{1,9}\.?[0-9]{0,3}([eE][-+]?[0-9]{1,6})?", fullmatch=True
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@given(value=st.dictionaries(_texts, _values, max_size=4), fast=st.booleans())
@example(value={"a": "12345678e123"}, fast=False)
def test_what_is_written_is_read_by_kubectl(value: dict[str, Any], fast: bool) -> None:
    found = read(dump(value, fast=fast))
    assert found.flaws == []
    assert found.value == value


def test_nothing_is_quoted_without_need() -> None:
    value = {"image": "registry.example.my:5000/a@sha256:00", "cpu": "500m", "count": 3, "on-node": True, "none": None}
    assert "'" not in dump(value)
    assert '"' not in dump(value)


def test_long_texts_stay_readable() -> None:
    expression = "object.spec.containers.all(c, c.image.startsWith('registry.example.my/')) || " * 2 + "true"
    assert dump({"expression": expression}).startswith("expression: >")
    assert dump({"script": "a\nb\n"}) == "script: |\n  a\n  b\n"
