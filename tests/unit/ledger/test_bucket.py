"""A log in a bucket loses nothing that was accepted and has one history, with two writers and with a crash at any request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from daulat.ledger import reader
from daulat.ledger.bucket import LOCK, Bucket, BucketError
from daulat.ledger.errors import Inconsistent, Locked
from daulat.ledger.reader import PENDING
from daulat.ledger.trust import trusted
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer

from .buckets import Requests
from .logs import KEY, NOW, TRUST, Crash, entries


def begun(requests: Requests, count: int) -> None:
    """Make a log of so many entries."""
    with Writer.create(requests.bucket(), [KEY], NOW) as writer:
        for start in range(0, count, 30_000):
            writer.append(entries(min(30_000, count - start), start), NOW)


def assert_one_history(requests: Requests) -> list[bytes]:
    """Every checkpoint that could be read is a prefix of the log, which is whole. Return its entries."""
    files = Bucket(requests.objects, "reader")
    assert verify(files, TRUST, [(str(n), seen) for n, seen in enumerate(requests.seen)]).findings == ()
    data = files.get("checkpoint")
    assert data is not None
    return list(reader.entries(files, trusted(data, TRUST).size))


def test_a_log_in_a_bucket_is_what_was_appended_to_it(requests: Requests) -> None:
    begun(requests, 0)
    size = 0
    for count in (1, 254, 1, 1, 300):
        with Writer.open(requests.bucket(), [KEY], NOW) as writer:
            for _ in range(2):
                writer.append(entries(count, size), NOW)
                size += count
        assert assert_one_history(requests) == entries(size)
    paths = {o["path"] for batch in obstore.list(requests.objects) for o in batch}
    assert not [p for p in paths if p.startswith("tile/entries/000.p")]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("start", [0, 3, 250, 65_500])
def test_a_crash_at_any_request_loses_nothing_and_forks_nothing(requests: Requests, start: int, after: bool) -> None:
    begun(requests, start)
    base = {
        o["path"]: bytes(obstore.get(requests.objects, o["path"]).bytes())
        for b in obstore.list(requests.objects)
        for o in b
    }
    crash = 0
    while True:
        crash += 1
        requests.objects = MemoryStore()
        for path, data in base.items():
            obstore.put(requests.objects, path, data)
        requests.seen = [base["checkpoint"]]
        requests.crash_at(crash, after)
        accepted = attempted = start
        try:
            with Writer.open(requests.bucket(), [KEY], NOW) as writer:
                for count in (10, 40, 2):
                    attempted += count
                    writer.append(entries(count, accepted), NOW)
                    accepted += count
        except Crash:
            crashed = True
        else:
            crashed = False
        requests.calm()
        with Writer.open(requests.bucket(), [KEY], NOW + 5) as writer:
            assert accepted <= writer.head.size <= attempted
            writer.append(entries(start + 60 - writer.head.size, writer.head.size), NOW + 5)
        if start < 1000:
            assert assert_one_history(requests) == entries(start + 60)
        else:
            assert list(reader.entries(requests.bucket(), start + 60))[start:] == entries(60, start)
        if not crashed:
            break
    assert crash > 10


@pytest.mark.parametrize("start", [0, 3, 250])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_two_writers_that_both_think_they_lead_never_fork_the_log(requests: Requests, start: int, after: bool) -> None:
    """The lock fails: at each request of a writer another one takes over, appends other entries, and the first goes on."""
    begun(requests, start)
    base = {
        o["path"]: bytes(obstore.get(requests.objects, o["path"]).bytes())
        for b in obstore.list(requests.objects)
        for o in b
    }
    comes_in = 0
    refused = 0
    while True:
        comes_in += 1
        requests.objects, requests.changes, requests.seen = MemoryStore(), 0, [base["checkpoint"]]
        for path, data in base.items():
            obstore.put(requests.objects, path, data)
        accepted: list[bytes] = []
        others: list[Writer] = []

        def other(
            number: int, at: int = comes_in, others: list[Writer] = others, accepted: list[bytes] = accepted
        ) -> None:
            if number != at:
                return
            requests.calm()
            writer = Writer.open(requests.bucket("b", takeover=True), [KEY], NOW)
            writer.append(entries(7, 1000), NOW)
            accepted += entries(7, 1000)
            others.append(writer)

        requests.before, requests.after = ((lambda number: None), other) if after else (other, lambda number: None)
        try:
            with Writer.open(requests.bucket("a"), [KEY], NOW) as first:
                for n, count in enumerate((10, 40)):
                    first.append(entries(count, start + 100 * n), NOW)
                    accepted += entries(count, start + 100 * n)
        except Locked:
            refused += 1
        came = bool(others) or requests.changes >= comes_in
        requests.calm()
        # The second one goes on, unless the first has appended since: then it is the one that is refused.
        for writer in others:
            with suppress(Locked):
                writer.append(entries(3, 2000), NOW)
                accepted += entries(3, 2000)
            writer.close()
        found = assert_one_history(requests)
        assert all(found.count(entry) == 1 for entry in accepted)
        if not came:
            break
    assert comes_in > 10
    assert refused > 3


def test_a_writer_that_was_overtaken_cant_cosign_an_older_checkpoint(requests: Requests) -> None:
    begun(requests, 5)
    with Writer.open(requests.bucket("a"), [KEY], NOW) as first:
        with Writer.open(requests.bucket("b", takeover=True), [KEY], NOW) as second:
            second.append(entries(1, 5), NOW)
        with pytest.raises(Inconsistent):
            first.cosign(NOW)
    assert assert_one_history(requests) == entries(6)


def test_the_lock_excludes_another_owner_until_it_is_released_or_taken_over(requests: Requests) -> None:
    begun(requests, 1)
    first = Writer.open(requests.bucket("pod-a"), [KEY], NOW)
    with pytest.raises(Locked, match="pod-a"):
        Writer.open(requests.bucket("pod-b"), [KEY], NOW)
    # The same pod after a crash.
    Writer.open(requests.bucket("pod-a"), [KEY], NOW).close()
    with Writer.open(requests.bucket("pod-b", takeover=True), [KEY], NOW) as second:
        first.close()
        # A release of before doesn't open the lock of another.
        with pytest.raises(Locked, match="pod-b"):
            Writer.open(requests.bucket("pod-a"), [KEY], NOW)
        second.append(entries(1, 1), NOW)
    Writer.open(requests.bucket("pod-c"), [KEY], NOW).close()


@pytest.mark.parametrize("ignored", ["create", "update"])
def test_a_bucket_that_ignores_conditions_isnt_used(requests: Requests, ignored: str) -> None:
    requests.ignores = (ignored,)
    with pytest.raises(Inconsistent, match="ignores the conditions"):
        Writer.create(requests.bucket(), [KEY], NOW)


def test_a_write_whose_answer_was_lost_and_that_is_repeated_is_one_write(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients of S3 send a request again after a lost answer, and are told that the object has changed."""
    begun(requests, 3)
    send = requests.put

    def twice(store: MemoryStore, path: str, data: bytes, mode: object = None, use_multipart: bool = True) -> object:
        if path != LOCK:
            send(store, path, data, mode, use_multipart)
        return send(store, path, data, mode, use_multipart)

    monkeypatch.setattr(requests, "put", twice)
    with Writer.open(requests.bucket(), [KEY], NOW) as writer:
        for start in range(3, 300, 99):
            writer.append(entries(99, start), NOW)
    assert assert_one_history(requests) == entries(300)


def test_a_bucket_that_fails_is_an_error_of_the_system(requests: Requests) -> None:
    begun(requests, 3)

    def fails(_number: int) -> None:
        raise GenericError("503 Slow Down")

    with Writer.open(requests.bucket(), [KEY], NOW) as writer:
        requests.before = fails
        with pytest.raises(BucketError, match="503"):
            writer.append(entries(1, 3), NOW)
    requests.calm()
    with Writer.open(requests.bucket(), [KEY], NOW) as writer:
        writer.append(entries(1, 3), NOW)
    assert assert_one_history(requests) == entries(4)


@pytest.mark.parametrize(
    "files",
    [
        b"5 tile/0/000.p/1\nabc",
        b"1 checkpoint\nx",
        b"1 tile/../checkpoint\nx",
        b"x tile/0/000\n",
        b"-1 tile/0/000\n",
        b"\xff",
    ],
)
def test_a_pending_head_whose_files_cant_be_read_isnt_completed(requests: Requests, files: bytes) -> None:
    begun(requests, 3)
    before = {o["path"] for batch in obstore.list(requests.objects) for o in batch}
    pending = bytes(obstore.get(requests.objects, PENDING).bytes()).partition(b"\n\n")[0].replace(b"\n3\n", b"\n4\n")
    obstore.put(requests.objects, PENDING, pending + b"\n\n" + files)
    with pytest.raises(Inconsistent):
        Writer.open(requests.bucket(), [KEY], NOW)
    assert {o["path"] for batch in obstore.list(requests.objects) for o in batch} == before


def test_facts_beside_the_log_are_written_at_once(requests: Requests) -> None:
    """The recorder keeps large facts by their digests, before the entries that name them."""
    with Writer.create(requests.bucket(), [KEY], NOW) as writer:
        files = requests.bucket()
        for _ in range(2):
            files.put("facts/sha256/0abc", b"{}")
        assert requests.bucket().get("facts/sha256/0abc") == b"{}"
        writer.append(entries(1), NOW)
    assert assert_one_history(requests) == entries(1)


def heads(seen: Sequence[bytes]) -> list[int]:
    return [trusted(data, TRUST).size for data in seen]


def test_checkpoints_only_grow(requests: Requests) -> None:
    begun(requests, 3)
    with Writer.open(requests.bucket(), [KEY], NOW) as writer:
        writer.append(entries(5, 3), NOW)
    assert heads(requests.seen) == [0, 3, 3, 8]


def test_an_object_that_is_larger_than_any_file_of_a_log_isnt_read(requests: Requests) -> None:
    obstore.put(requests.objects, "checkpoint", bytes((17 << 20) + 1))
    with pytest.raises(BucketError, match="17825793 bytes"):
        requests.bucket().get("checkpoint")
