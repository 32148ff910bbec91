"""The store of salts: what is kept, what is erased, and what another process sees of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daulat.recorder.salts import NotSalts, Salts


def store(path: Path) -> Salts:
    return Salts(path / "salts.db", create=True)


def test_a_person_keeps_a_salt_of_their_own_across_restarts(tmp_path: Path) -> None:
    with store(tmp_path) as salts:
        alice, bob = salts.salt("alice"), salts.salt("bob")
    assert len(alice) == 32
    assert alice != bob
    with store(tmp_path) as salts:
        assert (salts.salt("alice"), salts.salt("bob")) == (alice, bob)
        assert [p.name for p in salts.people()] == ["alice", "bob"]


def test_what_was_erased_is_nowhere_in_the_file(tmp_path: Path) -> None:
    with store(tmp_path) as salts:
        erased = salts.salt("alice.ng@example.my")
        kept = salts.salt("bob")
        assert salts.erase("alice.ng@example.my")
        assert not salts.erase("alice.ng@example.my")
    files = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"alice.ng" not in files
    assert erased not in files
    assert kept in files


def test_after_an_erasure_a_person_gets_another_salt(tmp_path: Path) -> None:
    with store(tmp_path) as salts:
        before = salts.salt("alice")
        salts.erase("alice")
        assert salts.find("alice") is None
        assert salts.salt("alice") != before


def test_an_erasure_by_another_process_ends_the_salt_that_is_in_use(tmp_path: Path) -> None:
    with store(tmp_path) as recorder, Salts(tmp_path / "salts.db") as other:
        before = recorder.salt("alice")
        assert recorder.salt("alice") == before
        other.erase("alice")
        assert recorder.salt("alice") != before


def test_two_processes_agree_on_a_new_salt(tmp_path: Path) -> None:
    with store(tmp_path) as one, Salts(tmp_path / "salts.db") as two:
        assert one.salt("alice") == two.salt("alice")


def test_only_the_owner_may_read_the_store(tmp_path: Path) -> None:
    with store(tmp_path) as salts:
        salts.salt("alice")
        assert (tmp_path / "salts.db").stat().st_mode & 0o077 == 0


def test_a_name_that_is_no_unicode_text_has_a_salt(tmp_path: Path) -> None:
    with store(tmp_path) as salts:
        assert salts.salt("\ud800") == salts.salt("\ud800")
        assert salts.erase("\ud800")


@pytest.mark.parametrize("content", [b"not a database, but long enough for a header" * 4, None])
def test_another_file_is_never_taken_for_a_store(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    if content is None:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE person (name TEXT, salt BLOB)")
        db.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(NotSalts):
        Salts(path, create=True)
    assert path.read_bytes() == before


def test_a_store_that_is_not_there_is_not_made_to_look_somebody_up(tmp_path: Path) -> None:
    with pytest.raises(NotSalts, match="no such file"):
        Salts(tmp_path / "salts.db")
    assert not (tmp_path / "salts.db").exists()
