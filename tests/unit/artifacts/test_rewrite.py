"""References are rewritten where they stand, and nothing else changes."""

from __future__ import annotations

import pytest

from daulat.artifacts.rewrite import Change, rewrite
from daulat.manifest.document import Chunk
from daulat.manifest.paths import Path

OLD, NEW = "nginx:1.27", "registry.example.my:5000/library/nginx:1.27@sha256:" + "1a" * 32
AT: Path = ("spec", "image")


def rewritten(text: str, *changes: Change) -> str:
    result = rewrite(Chunk("f.yaml", 1, text), changes)
    assert result.problems == []
    return result.text


@pytest.mark.parametrize(
    "text",
    [
        "spec:\n  # before\n  image: nginx:1.27 # behind\n  other: nginx:1.27\n",
        "spec: {image: nginx:1.27, other: 'nginx:1.27'}\n",
        "spec: {other: nginx:1.27, image: 'nginx:1.27'}\r\n",
        'spec: {"image": "nginx:1.27", "other": 1}',
        "spec:\n  image: !!str nginx:1.27\n",
        "spec:\n  ключ: значение\n  image: nginx:1.27\n",
        "spec:\n  image: >-\n    nginx:1.27\n  other: 1\n",
        "base: &base\n  image: nginx:1.27\nspec:\n  <<: *base\n",
        "first: &image nginx:1.27\nspec: {image: *image}\n",
    ],
)
def test_only_the_value_changes(text: str) -> None:
    where = text.index("nginx:1.27", text.index("image: 'nginx") if "image: 'nginx" in text else 0)
    assert rewritten(text, Change(AT, OLD, NEW)) == text[:where] + NEW + text[where + len(OLD) :]


def test_a_part_of_an_argument_changes() -> None:
    text = "args: [--model=oci://a.io/w:v1, --other=oci://a.io/w:v1.2]\n"
    made = rewritten(text, Change(("args", 0), "oci://a.io/w:v1", "oci://b.io/w:v1", whole=False))
    assert made == "args: [--model=oci://b.io/w:v1, --other=oci://a.io/w:v1.2]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n- {profile: x, count: 4} # four\n", "a:\n- {profile: x, image: NEW, count: 4} # four\n"),
        ('{"a": [{"profile": "x"}]}', '{"a": [{"profile": "x", "image": "NEW"}]}'),
        ("a:\n  - profile: x # four\n    count: 4\n", "a:\n  - profile: x # four\n    image: NEW\n    count: 4\n"),
        ("a:\n  - profile: x", "a:\n  - profile: x\n    image: NEW"),
    ],
)
def test_an_image_that_a_profile_named_is_added(text: str, expected: str) -> None:
    assert rewritten(text, Change(("a", 0), "", NEW, "image")) == expected.replace("NEW", NEW)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("spec: {image: {repository: nginx, tag: '1.27'}}\n", "in parts"),
        ('spec: {image: "nginx\\u003a1.27"}\n', "one piece"),
        ("spec: {}\n", "one piece"),
    ],
)
def test_what_cant_be_rewritten_is_said_with_what_to_write(text: str, why: str) -> None:
    result = rewrite(Chunk("f.yaml", 3, text), [Change(AT, OLD, NEW)])
    assert result.text == text
    (problem,) = result.problems
    assert f"spec.image: set {NEW} manually" in str(problem)
    assert why in str(problem)


def test_an_alias_isnt_rewritten_where_something_else_would_change_with_it() -> None:
    text = "label: &v v1\nspec: {image: *v}\n"
    made = rewrite(Chunk("f.yaml", 1, text), [Change(AT, "v1", NEW), Change(("label",), "v1", "other")])
    assert made.text == text
    assert made.problems
