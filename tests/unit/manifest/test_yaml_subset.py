"""What the fast reader takes, the one that knows all of YAML reads the same; what it can't be sure of it leaves."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.manifest.yaml_reader import read
from daulat.manifest.yaml_subset import MAX_DEPTH, read_subset

POD = """apiVersion: v1
kind: Pod
# Source: chart/templates/pod.yaml
metadata: {}
spec:
  containers:
  - name: main
    image: registry.example.my:5000/a@sha256:00
    args: []
    command: ['sh', -c]
    env:
    - name: REPLICA
      value: '0'
    ports:
    - containerPort: 8080
    resources:
      limits:
        cpu: 500m
        memory: 32Gi
  hostNetwork: false
  nodeName: null
"""
PIECES = [
    " ",
    "\n",
    ":",
    ": ",
    "- ",
    " #",
    ",",
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "|",
    ">",
    "0",
    "007",
    "1.5",
    "1e3",
    "~",
    "null",
]
PIECES += [
    "No",
    "y",
    "?",
    "? ",
    "=",
    "@",
    "`",
    "--",
    "\n---\n",
    "<<",
    "&a ",
    "*a",
    "!x ",
    " : ",
    "::",
    "'a':1",
    "0x1f",
    "0o7",
]
PIECES += [
    "-_0",
    "1_0",
    "12:30",
    "-.5",
    "{}",
    "[]",
    "[a]",
    "\n\n",
    "\n  ",
    "\n    - ",
    "|2",
    "TRUE",
    "\t",
    "\\",
    "é",
    "%",
    "\0",
]
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99999) | st.text(max_size=8) | st.sampled_from(PIECES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def agrees(text: str) -> bool:
    """Say whether the fast reader took it; AssertionError where the other one reads something else."""
    fast, slow = read_subset(text), read(text)
    if fast is None:
        return False
    assert slow.flaws == []
    assert json.dumps(fast) == json.dumps(slow.value)
    return True


def test_an_ordinary_pod_is_read_fast() -> None:
    assert agrees(POD.replace("['sh', -c]", "[]"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: Pod\n", "kind: Pod\nkind: Job\n"),
        ("kind: Pod\n", "kind: Pod\n'kind': Job\n"),
        ("hostNetwork: false", "hostNetwork: no"),
        ("hostNetwork: false", "hostNetwork: false # a: b"),
        ("8080", "0777"),
        ("8080", "1_000"),
        ("500m", "1.0"),
        ("name: main", "name: &a main"),
        ("name: main", "name: !!str main"),
        ("name: main", "name: a\\b"),
        ("name: main", "? name\n    : main"),
        ("name: main", "<<: main"),
        ("name: main", "yes: main"),
        ("name: main", "é: main"),
        ("nodeName: null", "nodeName: |\n    a"),
        ("nodeName: null", "nodeName: null\n---\na: b"),
        ("nodeName: null", "null: nodeName"),
        ("apiVersion: v1\n", "%YAML 1.2\n---\napiVersion: v1\n"),
    ],
)
def test_what_could_be_read_in_two_ways_is_left(old: str, new: str) -> None:
    plain = POD.replace("['sh', -c]", "[]")
    assert old in plain
    assert read_subset(plain.replace(old, new, 1)) is None


def test_what_is_no_mapping_or_too_deep_is_left() -> None:
    deep = "\n".join("  " * level + "a:" for level in range(MAX_DEPTH + 2))
    for text in ("", "# nothing\n", "- a\n", "a\n", deep):
        assert read_subset(text) is None


@given(value=st.dictionaries(st.text(max_size=6), _json, max_size=5))
def test_what_is_written_plainly_is_read_as_it_was_meant(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, default_flow_style=False)
    if agrees(text):
        # PyYAML quotes what YAML 1.1 reads otherwise, so both mean what was written.
        assert read_subset(text) == value


@settings(max_examples=600)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(POD)), st.integers(0, 8), st.sampled_from(PIECES)), max_size=5),
    start=st.integers(0, len(POD)),
)
def test_a_pod_with_anything_in_it_is_read_alike_or_left(edits: list[tuple[int, int, str]], start: int) -> None:
    text = POD
    for at, gone, piece in edits:
        text = text[:at] + piece + text[at + gone :]
    agrees(text)
    agrees(text[start:])
