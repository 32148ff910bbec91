"""``daulat where-ran``: what it prints, and what it refuses to answer from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daulat.cli.main import main
from daulat.ledger.folder import Folder
from daulat.ledger.tiles import bundled
from daulat.ledger.writer import Writer
from tests.unit.evidence.test_index import entry, run, time
from tests.unit.ledger.logs import KEY, NOW, STRANGER, WITNESSES

ENTRIES = [
    entry(1, "ZoneRecorded", name="z", uid="z", country="MY", operator="Example Sdn Bhd"),
    run(10, "a", model="r1", zoneEntry=0),
    entry(20, "RunChanged", uid="a", namespace="treasury", pod="p-a", node="a1", zone="z", country="MY", model="r1"),
    entry(30, "RunChanged", uid="a", namespace="treasury", pod="p-a", node="a1", zone="z", country="SG", model="r1"),
    entry(40, "RunEnded", uid="a", reason="Completed", ended=time(39)),
    run(50, "b", country="", zone="", noZone="stands in no zone of record"),
    entry(60, "Gap", of="Recorder", since=time(52), until=time(58), reason="no replica recorded"),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with Writer.create(Folder(tmp_path / "log"), [KEY], NOW) as writer:
        writer.append(ENTRIES, NOW)
    return tmp_path / "log"


def where_ran(log: Path, *arguments: str, key: Any = KEY) -> Result:
    return CliRunner().invoke(main, ["where-ran", str(log), "--key", str(key.verifier()), *arguments])


def lines(done: Result) -> list[list[str]]:
    assert done.exit_code == 0, done.output
    table = done.stdout.split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in table]


def test_a_line_lasts_as_long_as_nothing_that_it_shows_has_changed(log: Path) -> None:
    assert lines(where_ran(log, "--model", "treasury/r1")) == [
        ["2027-01-15 00:00:10Z", "2027-01-15 00:00:30Z", "treasury/p-a", "r1", "a1", "z", "MY", "changed", "1"],
        ["2027-01-15 00:00:30Z", "2027-01-15 00:00:39Z", "treasury/p-a", "r1", "a1", "z", "SG", "Completed", "3"],
    ]


def test_what_is_not_known_is_said(log: Path) -> None:
    done = where_ran(log, "--outside", "my")
    assert lines(done)[1][5:8] == ["none", "unknown", "running"]
    assert (
        "not observed (Recorder) from 2027-01-15 00:00:52Z until 2027-01-15 00:00:58Z: no replica recorded"
        in done.stdout
    )
    assert "observed from 2027-01-15 00:00:01Z until 2027-01-15 00:01:00Z" in done.stdout
    done = where_ran(log, "--from", "2027-01-14", "--to", "2027-01-16")
    assert "before 2027-01-15 00:00:01Z nothing was recorded" in done.stdout
    assert "after 2027-01-15 00:01:00Z nothing is recorded yet" in done.stdout


def test_json_has_each_change_and_what_it_refers_to(log: Path) -> None:
    done = where_ran(log, "--pod", "p-a", "-o", "json")
    found = json.loads(done.stdout)
    assert [r["entries"] for r in found["runs"]] == [
        {"began": 1, "says": 1, "ended": 2},
        {"began": 1, "says": 2, "ended": 3},
        {"began": 1, "says": 3, "ended": 4},
    ]
    assert found["runs"][0]["zoneRecord"]["operator"] == "Example Sdn Bhd"
    assert found["checkpoint"]["size"] == len(ENTRIES)


def test_nothing_that_matches_is_an_answer(log: Path) -> None:
    done = where_ran(log, "--node", "elsewhere")
    assert done.exit_code == 0
    assert done.stdout.startswith("nothing ran that matches\n")


def test_a_log_that_was_changed_gives_no_answer(log: Path) -> None:
    bundle = log / "tile/entries/000.p/7"
    bundle.write_bytes(bundled([*ENTRIES[:-1], entry(60, "Heartbeat")]))
    done = where_ran(log)
    assert done.exit_code == 1
    assert "daulat ledger verify" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "isn't signed by"),
        (("--witness", str(WITNESSES[0].verifier())), "0 known witnesses cosigned it"),
    ],
)
def test_a_checkpoint_that_is_not_trusted_gives_no_answer(log: Path, arguments: tuple[str, ...], message: str) -> None:
    done = where_ran(log, *arguments, key=KEY if arguments else STRANGER)
    assert done.exit_code == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "yesterday"), "is no date such as"),
        (("--from", "2027-02-01", "--to", "2027-01-01"), "--from has to be before --to"),
        (("--model", "a/b", "-n", "c"), "--namespace is c"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(log: Path, arguments: tuple[str, ...], message: str) -> None:
    done = where_ran(log, *arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_an_index_is_kept_where_it_is_asked_for(log: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    first, again = where_ran(log, "--index", str(index)), where_ran(log, "--index", str(index))
    assert first.stdout == again.stdout
    assert index.is_file()
