"""Entries are canonical JSON with a version, a kind and a time, and read as nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daulat.ledger.entry import Entry, canonical, digest, parse
from daulat.ledger.errors import Malformed

TIME = "2027-01-15T08:00:00Z"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
PLAIN = b'{"apiVersion":"ledger.daulat.dev/v1","data":{"n":1},"kind":"PodStarted","time":"2027-01-15T08:00:00Z"}'


def test_an_entry_is_these_bytes() -> None:
    assert Entry(kind="PodStarted", time=TIME, data={"n": 1}).encode() == PLAIN
    assert parse(PLAIN) == Entry(kind="PodStarted", time=TIME, data={"n": 1})


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=4))
def test_an_entry_is_read_as_it_was_written(data: dict[str, Any]) -> None:
    encoded = Entry(kind="PodStarted", time=TIME, data=data).encode()
    assert encoded == rfc8785.dumps(
        {"apiVersion": "ledger.daulat.dev/v1", "kind": "PodStarted", "time": TIME, "data": data}
    )
    assert parse(encoded).encode() == encoded


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1",
        b"[]",
        b"\xff",
        PLAIN + b"\n",
        PLAIN.replace(b":1}", b": 1}"),
        PLAIN.replace(b'"n":1', b'"n":1.0'),
        PLAIN.replace(b'"n":1', b'"n":-0'),
        PLAIN.replace(b'"n":1', b'"n":1e2'),
        PLAIN.replace(b'"n":1', b'"n":NaN'),
        PLAIN.replace(b'"n":1', b'"n":9007199254740992'),
        PLAIN.replace(b'"n":1', b'"n":1,"n":1'),
        PLAIN.replace(b'"n":1', b'"n":1,"m":1'),
        PLAIN.replace(b'"n":1', b'"n":"\\u0041"'),
        PLAIN.replace(b'"n":1', b'"n":"\\u00e9"'),
        PLAIN.replace(b'"n":1', b'"n":"\\ud800"'),
        PLAIN.replace(b'"n":1', b'"n":"\\/"'),
        PLAIN.replace(b'"n":1', b'"n":' + b"[" * 20000 + b"]" * 20000),
        PLAIN.replace(b'"n":1', b'"\xf0\x9f\x98\x80":1,"\xef\xac\xb3":1')[:-2],
        PLAIN.replace(b"v1", b"v2"),
        PLAIN.replace(b"PodStarted", b"podStarted"),
        PLAIN.replace(b"08:00:00Z", b"08:00:00+08:00"),
        PLAIN.replace(b"2027-01-15", b"2027-13-15"),
        PLAIN.replace(b'"time"', b'"when"'),
        PLAIN.replace(b'{"n":1}', b"[]"),
    ],
)
def test_nothing_else_is_an_entry(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_keys_beyond_the_bmp_are_in_the_order_of_utf_16() -> None:
    emoji, ligature = "\U0001f600", "\ufb33"
    encoded = Entry(kind="PodStarted", time=TIME, data={ligature: 1, emoji: 2}).encode()
    assert encoded.index(emoji.encode()) < encoded.index(ligature.encode())
    assert parse(encoded).data == {ligature: 1, emoji: 2}


def test_an_entry_has_at_most_65535_bytes() -> None:
    rest = len(Entry(kind="A", time=TIME, data={"x": ""}).encode())
    longest = Entry(kind="A", time=TIME, data={"x": "y" * (65535 - rest)})
    assert len(longest.encode()) == 65535
    with pytest.raises(Malformed, match="65536 bytes"):
        Entry(kind="A", time=TIME, data={"x": "y" * (65536 - rest)}).encode()


def test_what_canonical_json_cant_say_is_refused() -> None:
    for value in (2**53, float("nan"), "\ud800"):
        with pytest.raises(Malformed):
            canonical({"x": value})


def test_a_float_that_would_be_read_as_an_integer_too_large_is_refused() -> None:
    with pytest.raises(Malformed):
        Entry(kind="A", time=TIME, data={"x": 2.0**53}).encode()


def test_an_entry_of_no_kind_cant_be_made() -> None:
    with pytest.raises(ValidationError):
        Entry(kind="", time=TIME, data={})


def test_a_digest_names_its_algorithm() -> None:
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
