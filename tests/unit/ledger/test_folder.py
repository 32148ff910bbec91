"""A folder keeps a file whole or not at all, and lets one process write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daulat.ledger import reader
from daulat.ledger.errors import Locked
from daulat.ledger.folder import Folder
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer

from .logs import KEY, NOW, TRUST, entries


def test_a_log_in_a_folder_is_continued(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "log"
    with Writer.create(Folder(folder), [KEY], NOW) as writer:
        writer.append(entries(300), NOW)
    with Writer.open(Folder(folder), [KEY], NOW) as writer:
        writer.append(entries(300, 300), NOW)
        writer.append(entries(1, 600), NOW)
    assert verify(Folder(folder), TRUST).findings == ()
    assert (folder / "tile" / "0" / "001").stat().st_size == 8192
    assert not (folder / "tile" / "0" / "001.p").exists()
    assert not (folder / ".tmp").exists()


def test_another_process_cant_write_meanwhile(tmp_path: Path) -> None:
    other = (
        "import sys, pathlib\nfrom daulat.ledger.folder import Folder\nfrom daulat.ledger.errors import Locked\n"
        "try: Folder(pathlib.Path(sys.argv[1])).lock()\nexcept Locked: sys.exit(7)\n"
    )
    command = [sys.executable, "-c", other, str(tmp_path)]
    held = Folder(tmp_path)
    held.lock()
    with pytest.raises(Locked):
        Folder(tmp_path).lock()
    assert subprocess.run(command, check=False).returncode == 7
    held.unlock()
    assert subprocess.run(command, check=False).returncode == 0


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    folder.put("a/b", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.put("a/b", b"new")
    assert folder.get("a/b") == b"old"


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of the data, rename, fsync of the folder that has the name; each new folder is flushed into the one above."""
    calls: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        calls.append(f"sync {os.readlink(f'/proc/self/fd/{descriptor}').removeprefix(str(tmp_path))}")
        real_sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        calls.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    Folder(tmp_path).put("a/b/c", b"x")
    assert calls == ["sync ", "sync /a", "sync /.tmp", "rename", "sync /a/b"]


@pytest.mark.parametrize("nth", range(1, 21))
def test_a_full_disk_loses_nothing(nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Writer.create(Folder(tmp_path), [KEY], NOW) as writer:
        writer.append(entries(250), NOW)
    real, calls = os.fsync, 0

    def sync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match="No space"):
        Writer.open(Folder(tmp_path), [KEY], NOW).append(entries(10, 250), NOW)
    with Writer.open(Folder(tmp_path), [KEY], NOW) as writer:
        assert writer.head.size in {250, 260}
        writer.append(entries(260 - writer.head.size, writer.head.size), NOW)
    assert list(reader.entries(Folder(tmp_path), 260)) == entries(260)
    assert verify(Folder(tmp_path), TRUST).findings == ()


def test_what_isnt_a_regular_file_isnt_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert [Folder(tmp_path).get(name) for name in ("pipe", "folder", "zero")] == [None] * 3


def test_a_file_that_isnt_there_is_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("a", b"x")
    assert folder.get("b") is None
    assert folder.get("a/b") is None
    folder.remove_partial("a")
    assert folder.get("a") == b"x"
