"""Commands read a log from a bucket as they do from a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore
import pytest
from click.testing import CliRunner, Result
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from daulat.cli.main import main
from daulat.ledger import bucket
from daulat.ledger.bucket import Bucket
from daulat.ledger.folder import Folder
from daulat.ledger.store import Store
from daulat.ledger.writer import Writer
from tests.unit.ledger.logs import KEY, NOW

from .test_where_ran import ENTRIES

VKEY = str(KEY.verifier())
URL = "s3://ledger/clusters/my"
READERS: dict[str, Callable[[str, Path], list[str]]] = {
    "verify": lambda log, _: ["ledger", "verify", log, "--key", VKEY],
    "proof": lambda log, _: ["ledger", "proof", log, "1"],
    "show": lambda log, _: ["ledger", "show", log, "-o", "json"],
    "where-ran": lambda log, _: ["where-ran", log, "--key", VKEY, "-o", "json"],
    "report": lambda log, out: [
        *("report", log, "--key", VKEY, "--from", "2027-01-01", "--to", "2027-02-01"),
        *("--output-dir", str(out / "report")),
    ],
}


def filled(store: Store) -> None:
    with Writer.create(store, [KEY], NOW) as writer:
        writer.append(ENTRIES, NOW)


def run(arguments: list[str]) -> Result:
    return CliRunner().invoke(main, arguments)


class Requested:
    """Stands in for a bucket's server, and notes how it was addressed."""

    def __init__(self) -> None:
        self.objects = MemoryStore()
        self.asked: list[tuple[Any, ...]] = []

    def s3(self, *arguments: Any) -> MemoryStore:
        self.asked.append(arguments)
        return self.objects


@pytest.fixture
def requested(monkeypatch: pytest.MonkeyPatch) -> Requested:
    server = Requested()
    monkeypatch.setattr(bucket, "s3", server.s3)
    return server


@pytest.mark.parametrize("command", READERS)
def test_what_is_read_from_a_bucket_is_what_is_read_from_a_folder(
    command: str, requested: Requested, tmp_path: Path
) -> None:
    filled(Folder(tmp_path / "log"))
    filled(Bucket(requested.objects, "pod-0"))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    locally, there = (
        run(READERS[command](log, tmp_path / out)) for log, out in ((str(tmp_path / "log"), "a"), (URL, "b"))
    )
    assert (locally.exit_code, there.exit_code) == (0, 0), there.output
    known = there.output.replace(URL, str(tmp_path / "log")).replace(str(tmp_path / "b"), str(tmp_path / "a"))
    assert known == locally.output
    assert requested.asked == [("ledger", "clusters/my", None, "us-east-1")]


@pytest.mark.parametrize("command", READERS)
def test_nothing_is_written_by_a_reader(command: str, requested: Requested, tmp_path: Path) -> None:
    filled(Bucket(requested.objects, "pod-0"))
    before = {o["path"]: o["last_modified"] for batch in requested.objects.list() for o in batch}
    assert run(READERS[command](URL, tmp_path)).exit_code == 0
    assert {o["path"]: o["last_modified"] for batch in requested.objects.list() for o in batch} == before


def test_a_server_and_a_region_are_named_by_options_and_by_the_environment(requested: Requested) -> None:
    filled(Bucket(requested.objects, "pod-0"))
    run(["ledger", "show", URL, "0", "--s3-endpoint", "https://s3.example.my", "--s3-region", "my-1"])
    environment = {"DAULAT_S3_ENDPOINT": "https://s3.example.my", "DAULAT_S3_REGION": "my-1"}
    CliRunner().invoke(main, ["ledger", "show", URL, "0"], env=environment)
    assert requested.asked == [("ledger", "clusters/my", "https://s3.example.my", "my-1")] * 2


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("gs://bucket/x", "must be a folder or s3://BUCKET/PREFIX"),
        ("s3://", "must be a folder or s3://BUCKET/PREFIX"),
        ("nowhere", "does not exist"),
    ],
)
def test_a_place_that_is_none_is_refused(command: str, log: str, message: str, tmp_path: Path) -> None:
    done = run(READERS[command](log, tmp_path))
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize("command", READERS)
def test_a_bucket_that_cant_be_read_is_an_error_of_the_input(
    command: str, requested: Requested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> None:
        raise GenericError("403 Forbidden: AccessDenied")

    monkeypatch.setattr(obstore, "get", refuses)
    done = run(READERS[command](URL, tmp_path))
    assert done.exit_code == 2
    assert f"error: {URL}: checkpoint: 403 Forbidden: AccessDenied" in done.output
