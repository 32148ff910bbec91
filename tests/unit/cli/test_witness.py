"""``daulat witness`` as a process: it serves until it is ended, keeps its state, and says what is wrong with its options."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from daulat.cli.witness import witness
from daulat.ledger.keys import SignerKey
from daulat.ledger.trust import Trust
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer
from daulat.witness.client import Witness, Witnesses
from daulat.witness.standing import Outcome
from tests.unit.ledger.logs import KEY, NOW, WITNESSES, Memory, entries

SIGNER = WITNESSES[0]


def key_file(folder: Path, key: SignerKey = SIGNER) -> Path:
    path = folder / "w.key"
    path.write_text(f"{key.text()}\n")
    return path


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    state = folder / "state"
    state.mkdir(exist_ok=True)
    options = ["--listen", "127.0.0.1:0", "--key", key_file(folder), "--state", state, "--log", str(KEY.verifier())]
    command = [sys.executable, "-m", "daulat.cli.main", "witness", *map(str, options)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = json.loads(process.stderr.readline())
            yield f"http://{line['host']}:{line['port']}", process
        finally:
            process.kill()


def test_a_witness_killed_and_started_again_continues_where_it_was(tmp_path: Path) -> None:
    store = Memory()
    for restarts in range(3):
        with running(tmp_path) as (url, _), Witnesses([Witness(url, (SIGNER.verifier(),))], 1) as witnesses:
            with (Writer.open if restarts else Writer.create)(store, [KEY], NOW, witnesses) as writer:
                writer.append(entries(7, 7 * restarts), NOW)
            assert witnesses.standings.witnesses[0].outcome is Outcome.COSIGNED
    assert verify(store, Trust((KEY.verifier(),), (SIGNER.verifier(),), 1)).findings == ()
    # Another history isn't cosigned, whatever the log says.
    with running(tmp_path) as (url, _), Witnesses([Witness(url, (SIGNER.verifier(),))], 1) as witnesses:
        with Writer.create(Memory(), [KEY], NOW, witnesses) as writer:
            writer.append(entries(30, 1000), NOW)
        assert witnesses.standings.witnesses[0].outcome is Outcome.INCONSISTENT


def test_a_witness_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with running(tmp_path) as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--log", "x"], "--log: not a verifier key"),
        (["--log", str(SIGNER.verifier())], "the key of a log is of type 1"),
        (["--listen", "localhost"], "isn't ADDRESS:PORT"),
        (["--listen", "localhost:99999"], "isn't ADDRESS:PORT"),
        (["--listen", "203.0.113.1:8080"], "--listen 203.0.113.1:8080: "),
    ],
)
def test_what_is_wrong_with_an_option_is_said(tmp_path: Path, options: list[str], problem: str) -> None:
    given = ["--key", str(key_file(tmp_path)), "--state", str(tmp_path), "--log", str(KEY.verifier()), *options]
    result = CliRunner().invoke(witness, given)
    assert result.exit_code == 2
    assert problem in result.output


def test_a_message_has_nothing_of_a_private_key(tmp_path: Path) -> None:
    path = key_file(tmp_path, KEY)
    result = CliRunner().invoke(witness, ["--key", str(path), "--state", str(tmp_path), "--log", str(KEY.verifier())])
    assert result.exit_code == 2
    assert "the key of a witness is of type 4" in result.output
    secret = re.sub(r".*\+", "", KEY.text())
    path.write_text(f"PRIVATE+KEY+broken+{secret}")
    result = CliRunner().invoke(witness, ["--key", str(path), "--state", str(tmp_path), "--log", str(KEY.verifier())])
    assert result.exit_code == 2
    assert secret not in result.output
