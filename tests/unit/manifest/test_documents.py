"""Files are cut into documents as kubectl does, and objects are found in them with file and line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.manifest.chunks import chunks
from daulat.manifest.document import Chunk, Document, Foreign, Problem, line_of
from daulat.manifest.documents import documents


def _found(text: str | bytes) -> list[Document | Foreign | Problem]:
    found: list[Document | Foreign | Problem] = []
    for chunk in chunks(text if isinstance(text, bytes) else text.encode(), "f"):
        found += [chunk] if isinstance(chunk, Problem) else documents(chunk)
    return found


def _objects(text: str) -> list[Document]:
    return [d for d in _found(text) if isinstance(d, Document)]


def _problems(text: str | bytes) -> list[str]:
    return [str(p) for p in _found(text) if isinstance(p, Problem)]


POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


def test_documents_know_their_lines() -> None:
    found = _objects(f"# licence\n---\n{POD}---\n\n{POD}---\n# nothing\n---\n{POD}")
    assert [line_of(d, ()) for d in found] == [3, 8, 14]


def test_a_list_is_its_items_with_their_own_lines() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n- apiVersion: v1\n  kind: Secret\n"
    assert [(d.kind, line_of(d, ())) for d in _objects(text)] == [("Pod", 4), ("Secret", 6)]


def test_items_of_a_typed_list_are_of_its_kind() -> None:
    found = _objects("apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}]\n")
    assert [(d.kind, d.api_version, d.name) for d in found] == [("Pod", "v1", "a")]


def test_lists_in_lists_are_opened() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod"}]}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [inner, inner]})
    assert [d.path for d in _objects(text)] == [("items", 0, "items", 0), ("items", 1, "items", 0)]


def test_an_object_with_items_that_isnt_called_a_list_is_judged_itself_too() -> None:
    found = _objects("apiVersion: v1\nkind: Pod\nspec: {}\nitems: [{apiVersion: v1, kind: Secret}]\n")
    assert [d.kind for d in found] == ["Pod", "Secret"]


def test_a_stream_of_json_is_read() -> None:
    one = json.dumps({"apiVersion": "v1", "kind": "Pod"}, indent=2)
    assert [line_of(d, ()) for d in _objects(f"{one}\n{one}{one}")] == [1, 5, 8]


def test_json_with_tabs_is_read() -> None:
    assert len(_objects('{\n\t"apiVersion": "v1",\n\t"kind": "Pod"\n}')) == 1


def test_yaml_that_starts_with_a_brace_is_read() -> None:
    assert [d.kind for d in _objects("{apiVersion: v1, kind: Pod}\n---\n{apiVersion: v1, kind: Secret}\n")] == [
        "Pod",
        "Secret",
    ]


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    (found,) = _objects('{"apiVersion": "v1", "kind": "Pod", "spec": {"a": "\\ud800"}}')
    assert found.object["spec"]["a"] == "\ufffd"


def test_helms_source_is_told() -> None:
    (found,) = _objects(f"---\n# Source: chart/templates/pod.yaml\n{POD}")
    assert found.chunk.origin == "chart/templates/pod.yaml"


def test_windows_line_ends_are_fine() -> None:
    found = _objects(f"{POD}---\n{POD}".replace("\n", "\r\n"))
    assert [line_of(d, ()) for d in found] == [1, 5]


@pytest.mark.parametrize("empty", ["", "\n", "# c\n", "---\n---\n", "---", "\ufeff", "null\n"])
def test_nothing_is_nothing(empty: str) -> None:
    assert _found(empty) == []


@pytest.mark.parametrize(
    "foreign",
    [
        "a: 1\n",
        "[1, 2]\n",
        "text\n",
        "3\n",
        "[]",
        "apiVersion: v2\nname: chart\n",
        "kind: Deployment\nimage: {repository: a}\n",
        "apiVersion: skaffold/v4beta6\nkind: Config\nmetadata: {name: a}\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n$patch: delete\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, $patch: delete}]}\n",
    ],
)
def test_what_is_no_object_is_foreign(foreign: str) -> None:
    assert [type(d) for d in _found(foreign)] == [Foreign]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a: \xff\n", "f:1: invalid UTF-8 at byte 3"),
        (b"\xff\xfea\x00:\x00", "f:1: invalid UTF-8 at byte 0"),
        (b"a: b\n\x00", "f:2: contains a NUL character"),
        ("--- {kind: Pod}\n", "f:1: only a comment may follow the separator ---"),
        ("---foo: bar\n", "f:1: only a comment may follow the separator ---"),
        ("kind: Pod\nmetadata: {}\n", "f:1: apiVersion: is required"),
        ("apiVersion: v1\nmetadata: {}\n", "f:1: kind: is required"),
        ("apiVersion: daulat.dev/v1alpha1\nspec: {}\n", "f:1: kind: is required"),
        ("kind: SovereigntyPolicy\nspec: {}\n", "f:1: apiVersion: is required"),
        ("apiVersion: 1\nkind: Pod\n", "f:1: apiVersion: must be a string: quote it (YAML reads it as 1)"),
        ("apiVersion: v1\nkind: [Pod]\n", 'f:2: kind: must be a string, not ["Pod"]'),
        ("apiVersion: v1\nkind: Pod\nmetadata: x\n", 'f:3: metadata: must be a mapping, not "x"'),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: 12\n", "f:4: metadata.name: must be a string: quote it"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    a/b: yes\n",
            'f:5: metadata.labels["a/b"]: must be a string: quote it (YAML reads it as true)',
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {annotations: []}\n",
            "f:3: metadata.annotations: must be a mapping, not []",
        ),
        ("apiVersion: v1\nkind: List\nitems:\n- 3\n", "f:4: items[0]: must be an object"),
        ('{"apiVersion": "v1",\n"kind": "Pod",\n"kind": "Pod"}', 'f:3: duplicate key "kind"'),
        ('{"apiVersion": "v1", "kind": "Pod", "x": NaN}', "f:1: unsupported value: NaN"),
        ('{"apiVersion": "v1", "kind": "Pod"', "f:1: while parsing a flow mapping"),
        ("a: {{ .Values.x }}\n", "render it first (helm template ... | daulat check -)"),
    ],
)
def test_what_cant_be_used_is_told_with_file_line_and_field(text: str | bytes, told: str) -> None:
    assert any(told in problem for problem in _problems(text)), _problems(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000])
def test_deep_json_is_a_problem_and_no_crash(text: str) -> None:
    assert any("exceeds the maximum depth" in problem for problem in _problems(text))


def test_chunks_hold_the_whole_text_but_the_separators() -> None:
    text = f"{POD}---\n{POD}"
    assert "---\n".join(c.text for c in chunks(text.encode(), "f") if isinstance(c, Chunk)) == text


def test_a_typed_value_stays_what_kubectl_takes_it_for() -> None:
    (found,) = _objects("apiVersion: v1\nkind: Pod\nspec: {privileged: yes, mode: 0777, text: 'yes'}\n")
    spec: dict[str, Any] = found.object["spec"]
    assert spec == {"privileged": True, "mode": 511, "text": "yes"}


def test_a_kind_that_is_no_text_is_foreign_or_told() -> None:
    # GitHub's file of labels has a list of that name.
    (chunk,) = chunks(b"kind:\n- name: bug\n  color: red\n", "labels.yaml")
    assert isinstance(chunk, Chunk)
    (found,) = documents(chunk)
    assert isinstance(found, Foreign)
