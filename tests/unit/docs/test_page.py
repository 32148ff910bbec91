"""How a page is read: commands, their outputs and marks, and the files that it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.output import is_shown
from tests.docs.page import Command, Need, Page, PageError, Shown, read


def page(folder: Path, text: str) -> Page:
    file = folder / "page.md"
    file.write_text(text)
    return read(file)


def only(folder: Path, text: str) -> list[str]:
    return [command.text for command in page(folder, text).commands]


def test_a_command_may_span_lines(tmp_path: Path) -> None:
    lines = ["one \\\n  more", "cat <<END\nx\nEND", "for i in a b; do\n  echo $i\ndone", "last   # words, isn't it"]
    assert only(tmp_path, "```console\n" + "\n# only a comment\n".join(lines) + "\n```\n") == lines


def test_after_prompts_stands_what_is_printed(tmp_path: Path) -> None:
    found = page(tmp_path, "```console\n$ one\nprinted\nmore\n$ two \\\n  three\n```\n").commands
    assert [(c.text, c.output) for c in found] == [("one", "printed\nmore\n"), ("two \\\n  three", None)]


def test_a_text_just_after_commands_is_the_last_ones_output(tmp_path: Path) -> None:
    found = page(tmp_path, "```console\none\ntwo\n```\n\n```text\nprinted\n```\n").commands
    assert [c.output for c in found] == [None, "printed\n"]


def test_a_text_elsewhere_is_none(tmp_path: Path) -> None:
    found = page(tmp_path, "```console\none\n```\n\nOr:\n\n```text\nprinted\n```\n").commands
    assert [c.output for c in found] == [None]


def test_a_mark_says_of_which_command_a_text_is_the_output(tmp_path: Path) -> None:
    text = "```console\none x  # words\none y\n```\n\nSo:\n\n<!-- output of: one x -->\n```text\nprinted\n```\n"
    assert [c.output for c in page(tmp_path, text).commands] == ["printed\n", None]


def test_an_illustration_is_counted_and_not_compared(tmp_path: Path) -> None:
    found = page(tmp_path, "```console\none\n```\n\n<!-- output: illustration -->\n```text\nprinted\n```\n")
    assert ([c.output for c in found.commands], found.illustrations) == ([None], 1)


def test_marks_are_for_all_commands_of_a_fence_or_for_those_that_match(tmp_path: Path) -> None:
    text = '<!-- run: needs=npu,root -->\n<!-- run: for="b *" exit=1 user=ali -->\n```console\na\nb c\n```\n'
    a, b = (command.marks for command in page(tmp_path, text).commands)
    assert a.needs == b.needs == {Need.NPU, Need.ROOT}
    assert (a.exit, a.user) == (0, "")
    assert (b.exit, b.user) == (1, "ali")


def test_marks_are_for_the_next_fence_alone(tmp_path: Path) -> None:
    text = "<!-- run: needs=npu -->\n```console\na\n```\n\n```console\nb\n```\n"
    assert [bool(c.marks.needs) for c in page(tmp_path, text).commands] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "<!-- run: needs=gold -->\n```console\na\n```\n",
        "<!-- run: need=npu -->\n```console\na\n```\n",
        '<!-- run: for="b" exit=1 -->\n```console\na\n```\n',
        "<!-- run: exit=1 -->\n\nWords.\n\n```console\na\n```\n",
        "<!-- run: exit=1 -->\n```text\na\n```\n",
        "<!-- file: a.yaml -->\n```console\na\n```\n",
        "<!-- output of: b -->\n```text\na\n```\n",
        "<!-- output: illustrated -->\n```text\na\n```\n",
        "```console\na\n```\n\n<!-- run: exit=1 -->\n",
        "```console\n$ a\nb\n```\n\n<!-- output of: a -->\n```text\nc\n```\n",
    ],
)
def test_a_mark_that_means_nothing_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(PageError, match=r"page\.md"):
        page(tmp_path, text)


def test_a_file_is_named_by_a_mark_or_by_its_first_line(tmp_path: Path) -> None:
    marked, named = (
        "<!-- file: a.yaml -->\n```yaml\na: 1\n```\n",
        "```yaml\n# dir/b.yaml\nimage: x@sha256:1a2b...\n```\n",
    )
    assert page(tmp_path, f"{marked}\n{named}\n```yaml\nc: 1\n```\n").steps == [
        Shown("a.yaml", "a: 1\n"),
        Shown("dir/b.yaml", "# dir/b.yaml\nimage: x@sha256:" + "1a2b" * 16 + "\n"),
    ]


def test_a_fence_in_a_list_is_read_as_well(tmp_path: Path) -> None:
    assert only(tmp_path, "1. First:\n\n   ```console\n   a \\\n     b\n   ```\n") == ["a \\\n  b"]


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("kubectl get pods", True),
        ("kubectl -n treasury wait pod/a", True),
        ("KUBECONFIG=a kubectl get pods", True),
        ("daulat explain USE-04", True),
        ("kubectl apply -f a", False),
        ("daulat compile a", False),
        ("helm upgrade daulat charts/daulat", False),
    ],
)
def test_a_command_that_changes_nothing_may_be_repeated(text: str, asks: bool) -> None:
    assert Command(text, 1).asks is asks


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("NAME  AGE\na  5d\n", "NAME   AGE\na      12s\n"),
        ("at 2026-01-01T00:00:00Z", "at 2027-11-30T10:00:00.123Z"),
        ("ends with a\nlong line", "ends with a long line"),
        ("first\n...\nlast", "first\nmuch\nmore\nlast\n"),
        ("first\n...\n", "first\n"),
        ("first\n...\n", "first\nmore\n"),
        ("node v1.32.13", "node v1.37.2"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(shown: str, printed: str) -> None:
    assert is_shown(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a 5", "a 6"),
        ("first\n...\n", "second\n"),
        ("node-1", "node-2"),
        ("a\nb", "a"),
        ("a", "a\nb"),
        ("8 devices", "8s devices"),
        ("v2", "v1.2.3"),
    ],
)
def test_another_text_is_a_difference(shown: str, printed: str) -> None:
    assert not is_shown(shown, printed)


def test_without_a_cluster_times_are_compared_too() -> None:
    assert not is_shown("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", exact=True)
