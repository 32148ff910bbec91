"""Every command that prints a table fits a terminal of 80 columns, and prints one line a row to a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result, _NamedTextIOWrapper
from hypothesis import given
from hypothesis import strategies as st

from daulat.cli.main import main
from daulat.cli.text import aligned, printable
from daulat.ledger.folder import Folder
from daulat.ledger.writer import Writer
from tests.strategies import TEXT
from tests.unit.cli.served import add_objects
from tests.unit.cli.test_examples import COMMANDS
from tests.unit.console.worlds import busy
from tests.unit.evidence.test_index import entry, run, time
from tests.unit.kube.api_server import FakeApiServer, serving
from tests.unit.ledger.logs import KEY, NOW

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
WIDE = 80
AS_THEY_ARE = {
    "daulat ledger show": "an entry is shown as the log has it",
    "daulat ledger check-proof": "an entry is shown as the log has it",
}
"""Commands that print a table of which a cell isn't wrapped, with the reason."""


class Place:
    """Where the commands run: a cluster, and a log with long names."""

    def __init__(self, folder: Path, api: FakeApiServer) -> None:
        self.folder, self.kubeconfig = folder, api.kubeconfig(folder)
        names = {
            "namespace": "treasury-of-the-federation",
            "pod": "deepseek-r1-7d4b9c6f5-x2x9q",
            "node": "npu-host-0017",
        }
        model = {"model": "deepseek-r1-distill-qwen-32b", "zone": "cyberjaya-1"}
        started = [run(n, f"u{n}", **names, **model) for n in range(5)]
        ended = entry(9, "RunEnded", uid="u1", reason="NodeLost", ended=time(8))
        pod = {
            "metadata": {"name": names["pod"], "namespace": "treasury"},
            "spec": {"nodeName": names["node"], "containers": []},
        }
        (folder / "pod.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **pod}))
        with Writer.create(Folder(folder / "log"), (KEY,), NOW) as writer:
            writer.append([*started, ended], NOW)

    def run(self, *words: str) -> Result:
        env = {"KUBECONFIG": str(self.kubeconfig), "COLUMNS": str(WIDE), "NO_COLOR": "1", "TERM": "dumb"}
        return CliRunner().invoke(main, words, env=env, catch_exceptions=False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    server, world = FakeApiServer(), busy()
    server.serve_watched()
    add_objects(server, world)
    with serving(server):
        yield Place(tmp_path, server)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal."""
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda _: True)


LOG = ("{folder}/log", "--key", str(KEY.verifier()))
CASES: tuple[tuple[str, ...], ...] = (
    ("attest", "verify", str(EXAMPLES / "attested.yaml"), str(EXAMPLES / "zone.yaml"), "--at", "2027-01-15T00:00:00Z"),
    ("check", "pod.yaml", str(EXAMPLES / "policy.yaml"), str(EXAMPLES / "namespace.yaml")),
    ("chips",),
    ("doctor",),
    ("images", str(EXAMPLES / "deepseek-r1.yaml")),
    ("ledger", "verify", *LOG),
    ("simulate", "--revoke-zone", "johor-1", "--cluster"),
    ("sizing", "deepseek-r1"),
    ("sizing", "deepseek-r1", "--accelerator", "huawei-ascend-910b"),
    ("sizing", "--list"),
    ("status",),
    ("status", "--all"),
    ("where-ran", *LOG),
)


def tabular(command: click.Command) -> bool:
    """Say whether a command can print a table."""
    formats = (p.type.choices for p in command.params if isinstance(p.type, click.Choice))
    return any("table" in each for each in formats)


def test_each_command_that_prints_a_table_has_a_case_here() -> None:
    tables = {name for name, context in COMMANDS.items() if tabular(context.command)}
    tested = {name for name in tables for words in CASES if f"{' '.join(('daulat', *words))} ".startswith(f"{name} ")}
    assert tables == tested | AS_THEY_ARE.keys()


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_no_line_is_wider_than_a_terminal_of_80_columns(place: Place, words: tuple[str, ...]) -> None:
    done = place.run(*(word.format(folder=place.folder) for word in words))
    lines = click.unstyle(done.stdout).splitlines()
    assert len(lines) >= 2, done.output
    assert [line for line in lines if len(line) > WIDE and not is_one_word(line)] == []


def is_one_word(line: str) -> bool:
    """Say whether a line is wide for a digest, a path or a command to copy, of which nothing may be broken."""
    return len(line.rpartition(" ")[0].strip()) <= 16 or line.strip().startswith(("daulat ", "vllm: "))


@pytest.mark.parametrize(
    "words", [("where-ran", *LOG), ("sizing", "--list"), ("images", str(EXAMPLES / "deepseek-r1.yaml"))], ids=" ".join
)
def test_in_a_file_each_row_is_one_line(place: Place, words: tuple[str, ...]) -> None:
    lines = place.run(*(word.format(folder=place.folder) for word in words)).stdout.splitlines()
    assert max(map(len, lines)) > WIDE
    assert all(line[:1].strip() for line in lines if line)


def test_the_widest_columns_get_narrower_and_no_text_is_lost() -> None:
    rows = [("NAME", "WHERE"), ("a", "one two three four five"), ("b" * 30, "x\x1b")]
    assert aligned(rows, 24) == [
        "NAME          WHERE",
        "a             one two",
        "              three four",
        "              five",
        "bbbbbbbbbbbb  x\\x1b",
        "bbbbbbbbbbbb",
        "bbbbbb",
    ]
    assert aligned(rows, None)[1] == f"a{' ' * 31}one two three four five"


def test_a_table_whose_columns_have_no_room_for_words_is_written_as_blocks() -> None:
    rows = [("FROM", "POD"), ("today", "treasury/deepseek"), ("", "x")]
    assert aligned(rows, 14) == ["FROM  today", "POD   treasury/dee", "      pseek", "", "FROM  ", "POD   x"]


@given(
    st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(TEXT, min_size=n, max_size=n), min_size=1, max_size=5)),
    st.integers(40, 200),
)
def test_no_line_of_a_table_is_wider_than_its_terminal_and_in_a_file_each_row_is_a_line(
    rows: list[list[str]], width: int
) -> None:
    assert max(map(len, aligned(rows, width)), default=0) <= max(width, max(len(printable(h)) for h in rows[0]) + 14)
    assert len(aligned(rows, None)) == len(rows)
