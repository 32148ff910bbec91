"""A log in a bucket of a real server of S3, by one writer and by two that race."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from click.testing import CliRunner
from obstore.store import ObjectStore

from daulat.cli.main import main
from daulat.ledger import reader
from daulat.ledger.bucket import Bucket, BucketError, s3
from daulat.ledger.errors import Locked
from daulat.ledger.keys import parse_signer
from daulat.ledger.trust import trusted
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer
from dev.s3.build import program
from tests.unit.cli.test_where_ran import ENTRIES
from tests.unit.ledger.logs import KEY, NOW, TRUST, entries

from .listening import await_listening

pytestmark = pytest.mark.e2e
_NAME, _PASSWORD = "daulat", "correct-horse-battery"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with the bucket ``ledger``. It needs extended attributes: kept in files of their own, ETags and bytes
    wouldn't change at once."""
    root = tmp_path_factory.mktemp("s3")
    (root / "ledger").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(program()), "--port", f"127.0.0.1:{port}", "--health", "/health", "--quiet"]
    secrets = {"ROOT_ACCESS_KEY": _NAME, "ROOT_SECRET_KEY": _PASSWORD}
    with (
        (root.parent / "s3.log").open("wb") as log,
        subprocess.Popen([*command, "posix", str(root)], env=os.environ | secrets, stdout=log, stderr=log) as process,
    ):
        try:
            await_listening(port, process, Path(log.name).read_text)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture
def objects(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[], ObjectStore]:
    """Connects to a part of the bucket that is this test's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", _NAME)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _PASSWORD)
    return lambda: s3("ledger", prefix=request.node.name, endpoint=server)


def content(objects: ObjectStore) -> list[bytes]:
    """Verify the log and return its entries."""
    files = Bucket(objects, "reader")
    assert verify(files, TRUST).findings == ()
    data = files.get("checkpoint")
    assert data is not None
    return list(reader.entries(files, trusted(data, TRUST).size))


def test_a_log_in_s3_is_what_was_appended_to_it(objects: Callable[[], ObjectStore]) -> None:
    Writer.create(Bucket(objects(), "a"), [KEY], NOW).close()
    size = 0
    for count in (1, 254, 1, 1, 300):
        with Writer.open(Bucket(objects(), "a"), [KEY], NOW) as writer:
            for _ in range(2):
                writer.append(entries(count, size), NOW)
                size += count
    assert content(objects()) == entries(size)
    paths = {o["path"] for batch in obstore.list(objects()) for o in batch}
    assert not [p for p in paths if "tile/entries/000.p" in p]


def test_the_lock_excludes_another_owner(objects: Callable[[], ObjectStore]) -> None:
    with Writer.create(Bucket(objects(), "a"), [KEY], NOW) as first:
        with pytest.raises(Locked, match="held by a"):
            Writer.open(Bucket(objects(), "b"), [KEY], NOW)
        with Writer.open(Bucket(objects(), "b", takeover=True), [KEY], NOW) as second:
            second.append(entries(3), NOW)
            with pytest.raises(Locked):
                first.append(entries(3, 100), NOW)
    assert content(objects()) == entries(3)


def test_writers_that_race_lose_nothing_and_fork_nothing(objects: Callable[[], ObjectStore]) -> None:
    """Two threads take the log from each other, as replicas would whose Leases fail."""
    Writer.create(Bucket(objects(), "begin"), [KEY], NOW).close()
    accepted: list[bytes] = []
    refused: list[str] = []

    def write(name: str, start: int) -> None:
        files = objects()
        for batch in range(12):
            first = start + 100 * batch
            try:
                with Writer.open(Bucket(files, name, takeover=True), [KEY], NOW) as writer:
                    for n in range(3):
                        writer.append(entries(20, first + 20 * n), NOW)
                        accepted.extend(entries(20, first + 20 * n))
            except Locked:
                refused.append(name)

    threads = [threading.Thread(target=write, args=(f"w{n}", 10_000 * n)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Writer.open(Bucket(objects(), "end", takeover=True), [KEY], NOW) as writer:
        assert writer.head.size >= len(accepted)
    found = content(objects())
    assert len(set(found)) == len(found)
    assert set(accepted) <= set(found)
    assert refused


def test_commands_read_and_rotate_the_log_where_it_is(
    server: str, objects: Callable[[], ObjectStore], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with Writer.create(Bucket(objects(), "pod-0"), [KEY], NOW) as writer:
        writer.append(ENTRIES, NOW)
    (tmp_path / "log.key").write_text(KEY.text())
    place = [f"s3://ledger/{request.node.name}", "--s3-endpoint", server]
    key = ["--key", str(KEY.verifier())]

    def daulat(*arguments: str) -> str:
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    new = tmp_path / "new.key"
    former = ["--former-key", str(tmp_path / "log.key"), "--output-file", str(new)]
    daulat("ledger", "rotate", *place, *former)
    with Writer.open(Bucket(objects(), "pod-1"), [parse_signer(new.read_text().strip())], NOW) as writer:
        writer.append(entries(300), NOW)
    assert f"{len(ENTRIES) + 301} entries, verified" in daulat("ledger", "verify", *place, *key)
    assert "treasury/p-a" in daulat("where-ran", *place, *key)
    (tmp_path / "proof").write_text(daulat("ledger", "proof", *place, "1"))
    daulat(
        "ledger", "check-proof", str(tmp_path / "proof"), "--key", str(parse_signer(new.read_text().strip()).verifier())
    )


def test_a_server_that_is_away_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", _NAME)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _PASSWORD)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(BucketError):
        Bucket(s3("ledger", endpoint=f"http://127.0.0.1:{port}"), "a").get("checkpoint")
