"""A page of a list is read as far as somebody needs it, and what is no list is no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.kube.errors import NoAnswer
from daulat.kube.page import read_page

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def page(*items: Any, **meta: str) -> bytes:
    return json.dumps({"kind": "PodList", "metadata": {"resourceVersion": "7", **meta}, "items": items}).encode()


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_an_object_is_read_as_the_standard_library_reads_it(fields: dict[str, Any]) -> None:
    head = {"name": "a", "namespace": "b", "resourceVersion": "3"}
    item = {**fields, "metadata": {**head, "annotations": {"note": "\u20ac"}}}
    (listed,) = read_page(page(item)).items
    assert (listed.name, listed.namespace, listed.version) == ("a", "b", "3")
    assert listed.read() == json.loads(json.dumps(item))


def test_managed_fields_are_left_out_and_only_those() -> None:
    item = {"metadata": {"name": "a", "managedFields": [{"manager": "kubectl"}]}, "spec": {"managedFields": 1}}
    (listed,) = read_page(page(item)).items
    assert listed.read() == {"metadata": {"name": "a"}, "spec": {"managedFields": 1}}


def test_a_page_names_its_version_and_the_next_page() -> None:
    first, last = read_page(page({"metadata": {"name": "a"}}, **{"continue": "x"})), read_page(page())
    assert (first.version, first.next, len(first.items)) == (7, "x", 1)
    assert (last.next, len(last.items)) == ("", 0)
    assert read_page(b'{"metadata": {"resourceVersion": "7"}, "items": null}').items == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>log in</html>",
        b"[]",
        b'{"items": []}',
        b'{"metadata": {"resourceVersion": ""}, "items": []}',
        b'{"metadata": {"resourceVersion": "7"}, "items": [{}]}',
        b'{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": 5}}]}',
    ],
)
def test_what_is_no_list_is_no_answer(text: bytes) -> None:
    with pytest.raises(NoAnswer):
        read_page(text)


def test_an_object_that_is_no_json_is_no_answer_either() -> None:
    text = b'{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a"}, "spec": "\xff"}]}'
    with pytest.raises(NoAnswer):
        [item.read() for item in read_page(text).items]
