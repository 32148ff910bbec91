"""A witness that isn't ours cosigns our log, and Go's libraries have our witness cosign one."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daulat.ledger import base64
from daulat.ledger.folder import Folder
from daulat.ledger.keys import KeyType, SignerKey, VerifierKey
from daulat.ledger.tree import EMPTY_ROOT
from daulat.ledger.trust import Trust
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer
from daulat.witness.client import Witness, Witnesses
from daulat.witness.standing import Outcome
from dev.witness.build import LITEWITNESS, SUBMIT, program
from tests.unit.cli.test_witness import SIGNER, running
from tests.unit.ledger.logs import KEY, NOW, ORIGIN, POST_QUANTUM, STRANGER, entries

from .agents import agent, fingerprint
from .listening import await_listening

pytestmark = pytest.mark.e2e
NAME = "litewitness.example/w"
SECRET = Ed25519PrivateKey.from_private_bytes(b"\x40" * 32)
THEIRS = VerifierKey(NAME, KeyType.COSIGNATURE, SECRET.public_key().public_bytes_raw())
TRUST = Trust((KEY.verifier(),), (THEIRS,), 1)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database of litewitness that knows the log, as its ``witnessctl add-log`` makes one."""
    path = tmp_path / "litewitness.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL)")
        made.execute(
            "CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin))"
        )
        made.execute("INSERT INTO log VALUES (?, 0, ?)", (ORIGIN, base64.encode(EMPTY_ROOT)))
        made.execute("INSERT INTO key VALUES (?, ?)", (ORIGIN, str(KEY.verifier())))
    made.close()
    return path


@contextmanager
def litewitness(database: Path) -> Iterator[str]:
    """Run it, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = database.with_name("agent")
    keys.unlink(missing_ok=True)
    flags = {"name": NAME, "db": database, "ssh-agent": keys, "key": fingerprint(SECRET), "listen": f"127.0.0.1:{port}"}
    command = [str(program(LITEWITNESS)), *(f"-{name}={value}" for name, value in flags.items())]
    with agent(keys, SECRET), subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            await_listening(port, process, lambda: process.stderr.read().decode() if process.stderr else "")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def test_litewitness_cosigns_a_log_as_it_grows(tmp_path: Path, database: Path) -> None:
    files = Folder(tmp_path / "log")
    with litewitness(database) as url, Witnesses([Witness(url, (THEIRS,))], 1) as witnesses:
        with Writer.create(files, [KEY, POST_QUANTUM], NOW, witnesses) as writer:
            for start, count in [(0, 1), (1, 254), (255, 1), (256, 1), (257, 300)]:
                writer.append(entries(count, start), NOW)
                assert verify(files, TRUST).findings == (), count
        with Writer.open(files, [KEY], NOW, witnesses) as writer:
            writer.append(entries(43, 557), NOW)
    assert verify(files, TRUST).findings == ()


def test_litewitness_is_caught_up_after_both_were_restarted(tmp_path: Path, database: Path) -> None:
    files = Folder(tmp_path / "log")
    with (
        litewitness(database) as url,
        Witnesses([Witness(url, (THEIRS,))], 1) as witnesses,
        Writer.create(files, [KEY], NOW, witnesses) as writer,
    ):
        writer.append(entries(7), NOW)
    # It is away: what has no cosignature is published.
    with Witnesses([Witness(url, (THEIRS,))], 1) as witnesses, Writer.open(files, [KEY], NOW, witnesses) as writer:
        writer.append(entries(300, 7), NOW)
        assert witnesses.standings.missed_since is not None
    assert {finding.fault for finding in verify(files, TRUST).findings} == {"UnwitnessedCheckpoint"}
    with litewitness(database) as url, Witnesses([Witness(url, (THEIRS,))], 1) as witnesses:
        # The log is idle, and is submitted again.
        with Writer.open(files, [KEY], NOW, witnesses) as writer:
            writer.cosign(NOW)
        assert witnesses.standings.missed_since is None
        assert verify(files, TRUST).findings == ()


def test_litewitness_refuses_another_history_and_another_key(tmp_path: Path, database: Path) -> None:
    with litewitness(database) as url, Witnesses([Witness(url, (THEIRS,))], 1) as witnesses:

        def outcome(name: str, start: int, count: int, key: SignerKey = KEY) -> Outcome | None:
            with Writer.create(Folder(tmp_path / name), [key], NOW) as writer:
                writer.append(entries(count, start), NOW)
            with Writer.open(Folder(tmp_path / name), [key], NOW, witnesses) as writer:
                writer.cosign(NOW)
            return witnesses.standings.witnesses[0].outcome

        assert outcome("first", 0, 20) is Outcome.COSIGNED
        assert outcome("forked", 1000, 30) is Outcome.INCONSISTENT
        assert outcome("cut", 0, 10) is Outcome.AHEAD
        assert outcome("stolen", 0, 40, STRANGER) is Outcome.SIGNATURE_REFUSED


def test_litewitness_cosigns_a_log_before_and_after_its_key_is_rotated(tmp_path: Path, database: Path) -> None:
    with sqlite3.connect(database) as made:
        made.execute("INSERT INTO key VALUES (?, ?)", (ORIGIN, str(STRANGER.verifier())))
    made.close()
    files = Folder(tmp_path / "log")
    with litewitness(database) as url, Witnesses([Witness(url, (THEIRS,))], 1) as witnesses:
        with Writer.create(files, [KEY], NOW, witnesses) as writer:
            writer.append(entries(7), NOW)
            writer.rotate([STRANGER, POST_QUANTUM], NOW)
            assert verify(files, TRUST).findings == ()
        with Writer.open(files, [STRANGER, POST_QUANTUM], NOW, witnesses) as writer:
            writer.append(entries(300, 8), NOW)
    assert verify(files, TRUST).findings == ()


def submit(log: Path, old: int, url: str) -> list[str]:
    """Submit by Go's libraries, which verify the answer as well, and return what they print."""
    public = base64.encode(SIGNER.verifier().public)
    command = [str(program(SUBMIT)), str(log), str(old), url, str(KEY.verifier()), SIGNER.name, public]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_go_has_our_witness_cosign_a_log_as_it_grows(tmp_path: Path) -> None:
    folder, other = tmp_path / "log", tmp_path / "other"
    Writer.create(Folder(folder), [KEY], NOW).close()
    Writer.create(Folder(other), [KEY], NOW).close()
    size = 0
    for count in (0, 5, 250, 1, 1, 300):
        # A process each time: it continues from what it kept.
        with running(tmp_path) as (url, _):
            with Writer.open(Folder(folder), [KEY], NOW) as writer:
                writer.append(entries(count, size), NOW)
            assert submit(folder, size, url) == ["200"]
            size += count
            assert submit(folder, size + 1, url)[0] == "400"
            assert submit(folder, size, url) == ["200"]
    with running(tmp_path) as (url, _):
        assert submit(folder, 0, url) == ["409", "557"]
        with Writer.open(Folder(other), [KEY], NOW) as writer:
            writer.append(entries(557, 1000), NOW)
            assert submit(other, 557, url)[0] == "422"
            writer.append(entries(10), NOW)
            assert submit(other, 557, url)[0] == "422"
