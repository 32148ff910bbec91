"""The index is made from the log alone, and only from one that leads to its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daulat.evidence.index import Index, Question
from daulat.ledger.entry import Entry
from daulat.ledger.errors import Inconsistent
from daulat.ledger.tiles import bundled
from daulat.ledger.trust import trusted
from daulat.ledger.writer import Writer
from tests.unit.ledger.logs import KEY, NOW, TRUST, Memory


def time(n: int) -> str:
    return f"2027-01-15T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}.000Z"


def entry(n: int, kind: str, **data: Any) -> bytes:
    return Entry(kind=kind, time=time(n), data=data).encode()


def run(n: int, uid: str, **data: Any) -> bytes:
    body = {"namespace": "treasury", "pod": f"p-{uid}", "uid": uid, "node": "a1", "zone": "z", "country": "MY"}
    return entry(n, "RunStarted", **{**body, "started": time(n), **data})


def written(*batches: list[bytes], store: Memory | None = None) -> Memory:
    store = store or Memory()
    opened = Writer.open(store, [KEY], NOW) if store.files else Writer.create(store, [KEY], NOW)
    with opened as writer:
        for batch in batches:
            writer.append(batch, NOW)
    return store


def indexed(store: Memory, index: Index | None = None) -> Index:
    index = index or Index()
    index.update(store, trusted(store.files["checkpoint"], TRUST))
    return index


def rows(index: Index, **asked: str) -> list[tuple[str, str, str, str]]:
    return [(s.data["uid"], s.since, s.until, s.reason) for s in index.stretches(Question(**asked))]


def test_a_run_lasts_from_its_start_to_its_end() -> None:
    store = written([run(10, "a"), run(20, "b"), entry(30, "RunEnded", uid="a", reason="Completed", ended=time(29))])
    assert rows(indexed(store)) == [("a", time(10), time(29), "Completed"), ("b", time(20), "", "")]


def test_a_change_ends_one_stretch_and_begins_the_next() -> None:
    changed = entry(40, "RunChanged", uid="a", namespace="treasury", pod="p-a", node="a1", zone="z", country="SG")
    store = written([run(10, "a"), changed, entry(50, "RunEnded", uid="a", reason="Deleted")])
    assert rows(indexed(store)) == [("a", time(10), time(40), ""), ("a", time(40), time(50), "Deleted")]
    assert [s.first for s in indexed(store).stretches(Question())] == [0, 0]
    assert rows(indexed(store), country="SG") == [("a", time(40), time(50), "Deleted")]
    assert rows(indexed(store), outside="MY") == [("a", time(40), time(50), "Deleted")]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "abc"),
        ({"since": time(31)}, "bc"),
        ({"since": time(30)}, "bc"),
        ({"until": time(20)}, "a"),
        ({"since": time(25), "until": time(40)}, "ab"),
        ({"pod": "p-b"}, "b"),
        ({"namespace": "other"}, ""),
        ({"node": "a1"}, "ab"),
        ({"country": "SG"}, "c"),
        ({"zone": "z"}, "abc"),
        ({"model": "m"}, "c"),
    ],
)
def test_what_is_asked_for_is_found(asked: dict[str, str], found: str) -> None:
    ended = entry(30, "RunEnded", uid="a", reason="Completed", ended=time(30))
    store = written([run(10, "a"), run(20, "b"), ended, run(40, "c", node="a2", country="SG", model="m")])
    assert "".join(uid for uid, *_ in rows(indexed(store), **asked)) == found


def test_a_run_without_a_country_is_outside_of_each() -> None:
    store = written([run(10, "a", zone="", country="")])
    assert [uid for uid, *_ in rows(indexed(store), outside="MY")] == ["a"]


@pytest.mark.parametrize(("until", "found"), [("08:00:00.500", "a"), ("08:00:00.000", "")])
def test_times_of_seconds_and_of_milliseconds_are_in_order(until: str, found: str) -> None:
    store = written([run(30_000, "a", started="2027-01-15T08:00:00Z")])
    assert "".join(uid for uid, *_ in rows(indexed(store), until=f"2027-01-15T{until}Z")) == found


def test_a_kubelet_s_clock_makes_no_run_begin_or_end_after_it_was_seen_to() -> None:
    far = "9999-12-31T23:59:59Z"
    store = written([run(10, "a", started=far), entry(20, "RunEnded", uid="a", reason="Failed", ended=far)])
    assert rows(indexed(store), until=time(15)) == [("a", time(10), time(20), "Failed")]


def gap(n: int, kind: str, since: int, **data: Any) -> bytes:
    return entry(n, kind, of="Cluster", since=time(since), **data)


def spans(index: Index, *asked: str) -> list[tuple[int, str, str]]:
    return [(g.entry, g.since, g.until) for g in index.gaps(*asked)]


def test_a_gap_that_is_not_over_is_one_from_its_beginning_on() -> None:
    index = indexed(written([gap(20, "GapOpened", 10)]))
    assert spans(index) == spans(index, time(500)) == [(0, time(10), "")]
    assert spans(index, "", time(5)) == []


def test_a_gap_that_is_over_replaces_the_one_that_was_open() -> None:
    store = written([gap(20, "GapOpened", 10), gap(40, "Gap", 10, until=time(40))])
    assert spans(indexed(store)) == [(1, time(10), time(40))]


def test_a_gap_that_was_left_open_lasts_until_the_next_one_of_its_kind_is_over() -> None:
    store = written([gap(20, "GapOpened", 10), gap(40, "GapOpened", 30), gap(50, "Gap", 30, until=time(50))])
    assert spans(indexed(store)) == [(0, time(10), time(50)), (2, time(30), time(50))]


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    store = written([run(n, f"u{n}") for n in range(300)])
    path = tmp_path / "index"
    indexed(store, Index(path)).close()
    written([run(n, f"u{n}") for n in range(300, 400)], store=store)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * (size - 4096 * 3))
    assert rows(indexed(store, Index(path))) == rows(indexed(store))


def test_an_entry_that_is_none_of_its_kind_is_named() -> None:
    with pytest.raises(Inconsistent, match="entry 1"):
        indexed(written([run(1, "a"), entry(2, "RunStarted", pod="p")]))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
@pytest.mark.parametrize("more", [1, 255, 256, 700])
def test_an_index_that_grows_with_its_log_is_the_one_that_is_made_anew(size: int, more: int, tmp_path: Path) -> None:
    entries = [run(n, f"u{n}") for n in range(size + more)]
    store = written(entries[:size])
    grown = indexed(store, Index(tmp_path / "index"))
    grown.close()
    written(entries[size:], store=store)
    again = indexed(store, Index(tmp_path / "index"))
    assert again.size == size + more
    assert rows(again) == rows(indexed(store))
    assert again.subjects() == indexed(store).subjects()


def test_what_was_appended_is_taken_in_without_being_read_again() -> None:
    store = written([run(1, "a")])
    index = indexed(store)
    batch = [run(2, "b")]
    with Writer.open(store, [KEY], NOW) as writer:
        index.extend(batch, writer.append(batch, NOW))
    assert rows(index) == rows(indexed(store))
    assert index.update(store, trusted(store.files["checkpoint"], TRUST)) == 0


@pytest.mark.parametrize("indexed_before", [0, 300])
def test_entries_that_were_changed_are_not_indexed(indexed_before: int) -> None:
    entries = [run(n, f"u{n}") for n in range(600)]
    store = written(entries[:300])
    index = indexed(store) if indexed_before else Index()
    written(entries[300:], store=store)
    changed = [*entries[256:511], run(511, "forged")]
    store.files["tile/entries/001"] = bundled(changed)
    with pytest.raises(Inconsistent):
        indexed(store, index)
    assert index.size == 0


def test_an_index_of_another_history_is_made_anew(tmp_path: Path) -> None:
    indexed(written([run(n, "x") for n in range(10)]), Index(tmp_path / "index")).close()
    other = written([run(n, f"u{n}") for n in range(20)])
    assert rows(indexed(other, Index(tmp_path / "index"))) == rows(indexed(other))


def test_an_index_that_is_ahead_of_its_log_is_made_anew(tmp_path: Path) -> None:
    store = written([run(n, f"u{n}") for n in range(20)])
    indexed(store, Index(tmp_path / "index")).close()
    behind = written([run(n, f"u{n}") for n in range(7)])
    assert rows(indexed(behind, Index(tmp_path / "index"))) == rows(indexed(behind))


def test_a_file_that_is_no_index_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"SQLite format 3\0 and then nonsense" * 50)
    store = written([run(1, "a")])
    assert rows(indexed(store, Index(tmp_path / "index"))) == rows(indexed(store))


def test_gaps_and_counts_are_those_of_the_time() -> None:
    gap = entry(50, "Gap", of="Recorder", since=time(20), until=time(40))
    index = indexed(written([entry(10, "Heartbeat"), entry(45, "Heartbeat"), gap]))
    assert [(g.of, g.since, g.until) for g in index.gaps(time(30), time(35))] == [("Recorder", time(20), time(40))]
    assert index.gaps(time(41)) == []
    assert index.counts(until=time(45)) == {"Heartbeat": 1}
    assert (index.first_time(), index.last_time()) == (time(10), time(50))
