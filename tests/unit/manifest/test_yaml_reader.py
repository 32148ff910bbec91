"""YAML is read as kubectl reads it, and what is wrong in it is told with its place."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daulat.manifest.chunks import chunks
from daulat.manifest.document import Chunk, Document, Foreign, Problem, line_of
from daulat.manifest.documents import documents
from daulat.manifest.scalars import resolve
from daulat.manifest.yaml_reader import MAX_DEPTH, read


# What go.yaml.in/yaml/v2 2.4.4 (resolve.go) makes of each, through JSON.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("y", True),
        ("On", True),
        ("NO", False),
        ("n", False),
        ("off", False),
        ("true", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("0777", 511),
        ("0o777", 511),
        ("0x1F", 31),
        ("0b11", 3),
        ("-0b11", -3),
        ("1_000", 1000),
        ("+12", 12),
        ("08", 8),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("190:20:30", "190:20:30"),
        ("2001-01-01", "2001-01-01"),
        ("18446744073709551615", 18446744073709551615),
        ("1.2.3", "1.2.3"),
        ("100m", "100m"),
        ("-", "-"),
        # Too large for a float: kubectl writes such digests without quotes, and takes them for texts.
        ("45e334565371", "45e334565371"),
        ("-1.5e400", "-1.5e400"),
        ("1_0e400", "1_0e400"),
        ("1e-400", 0),
    ],
)
def test_an_unquoted_scalar_means_what_kubectl_takes_it_for(text: str, value: Any) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan"])
def test_a_number_that_json_cant_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unsupported value"):
        resolve(text)


@pytest.mark.parametrize("text", ["0" * 100_000, "9" * 100_000, "0x" + "f" * 100_000, "_" * 1000, "1" + "_" * 100_000])
def test_a_very_long_number_is_read_in_no_time(text: str) -> None:
    with suppress(ValueError):
        resolve(text)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 'duplicate key "a"', 3),
        ("x:\n  a: 1\n  a: 2\n", 'duplicate key "a"', 3),
        ("yes: 1\ntrue: 2\n", 'duplicate key "true"', 2),
        ("a: &x\n  b: *x\n", 'anchor "x" contains itself', 2),
        ("a: *nowhere\n", 'unknown anchor "nowhere"', 1),
        ("a:\n\tb: 1\n", "while scanning for the next token", 2),
        ("a: [1\n", "while parsing a flow sequence", 2),
        ("a: 1\n...\nb: 2\n", "expected <document start>", 3),
        ("? [a]\n: 1\n", "invalid key: must be a scalar", 1),
        ("null: 1\n", "invalid key: null", 1),
        ("a: .inf\n", "unsupported value: .inf", 1),
        ("a: x\x07y\n", "character U+0007 isn't allowed in YAML", 1),
        ("a: &x {k: 1}\nb:\n  k: 2\n  <<: *x\n", 'ambiguous key "k": set before <<', 4),
        ("a: !!int x\n", "cannot decode 'x' as !!int", 1),
        ("a: !!binary /w==\n", "cannot decode !!binary as UTF-8 text", 1),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, message: str, line: int) -> None:
    found = documents(Chunk("f.yaml", 1, text))
    problems = [p for p in found if isinstance(p, Problem)]
    assert any(message in p.message for p in problems), problems
    assert problems[0].line == line


def test_every_flaw_is_told_not_only_the_first() -> None:
    flaws = read("a: 1\na: 2\nb: .inf\nc: {d: 1, d: 2}\n").flaws
    assert [f.offset for f in flaws] == [5, 13, 28]


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert "excessive aliasing: more than 100,000" in read("\n".join(lines)).flaws[0].message


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000, "\n".join(" " * n + "a:" for n in range(400))]
)
def test_deep_nesting_is_stopped(text: str) -> None:
    assert f"exceeds the maximum depth of {MAX_DEPTH} levels" in read(text).flaws[0].message


def test_merged_keys_are_those_of_the_mapping() -> None:
    text = "a: &a {k: 1, l: 1}\nb: &b {k: 2}\nc:\n  <<: [*a, *b]\n  l: 3\n"
    assert read(text).value["c"] == {"k": 1, "l": 3}


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcyno01.-", min_size=1), inner, max_size=4),
    max_leaves=15,
)


@given(_plain, st.booleans(), st.sampled_from(["'", '"']))
def test_what_was_written_is_read_back(value: Any, flow: bool, style: str) -> None:
    # Everything is quoted or tagged: unquoted, PyYAML writes some texts that go.yaml.in takes for booleans.
    text = yaml.safe_dump({"v": value}, default_flow_style=flow, default_style=style, allow_unicode=True)
    found = read(text)
    assert found.flaws == []
    assert found.value == {"v": value}


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    read(text, positions=True)


@given(st.binary())
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for chunk in chunks(data, "f"):
        if isinstance(chunk, Chunk):
            for found in documents(chunk):
                assert isinstance(found, Document | Foreign | Problem)


@given(
    st.lists(
        st.sampled_from(
            ["---\n", "--- # c\n", "a: 1\n", "# c\n", "\n", "- x\n", "kind: Pod\n", "apiVersion: v1\n", "  b: {c: d}\n"]
        )
    )
)
def test_lines_are_counted_right(lines: list[str]) -> None:
    text = "".join(lines)
    for chunk in chunks(text.encode(), "f"):
        if isinstance(chunk, Chunk):
            assert text.splitlines(keepends=True)[chunk.line - 1 :][: chunk.text.count("\n")] == chunk.text.splitlines(
                keepends=True
            )


def test_a_path_is_found_on_its_line() -> None:
    text = "# top\n---\n# c\nkind: Pod\napiVersion: v1\nspec:\n  containers:\n  - name: a\n    image: b\n"
    (document,) = (d for c in chunks(text.encode(), "f") if isinstance(c, Chunk) for d in documents(c))
    assert isinstance(document, Document)
    assert line_of(document, ()) == 4
    assert line_of(document, ("spec", "containers", 0, "image")) == 9
    assert line_of(document, ("spec", "containers", 0, "env", 3)) == 8
