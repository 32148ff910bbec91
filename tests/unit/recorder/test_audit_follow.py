"""Following a log file: rotation as the API server and logrotate do it, restarts, and what is told when something is missing."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from daulat.recorder.audit.follow import AuditFile, Taken
from daulat.recorder.audit.intake import Unavailable
from tests.unit.evidence.audits import lines, refused

from .taking import Log, intake, run


class Site:
    """A log in a folder, and the recorder that follows it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.log"
        self.position = folder / "position.json"
        self.log = Log()
        self.restart()
        self._written = 0

    def restart(self, most: int = 1 << 20, taken: Sequence[Taken] = ()) -> None:
        """Start as another process does: with what is on the disk."""
        self.file = AuditFile(intake(self.log), self.path, self.position, taken=taken, most=most)

    def write(self, count: int, end: bytes = b"") -> None:
        """Let the API server log this many refusals."""
        times = [
            f"2026-11-30T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}.000000Z"
            for n in range(self._written, self._written + count)
        ]
        events = [
            refused(
                auditID=str(self._written + n),
                objectRef={"resource": "pods", "name": f"p{self._written + n}"},
                requestReceivedTimestamp=times[n],
                stageTimestamp=times[n],
            )
            for n in range(count)
        ]
        with self.path.open("ab") as file:
            file.write(lines(*events).replace(b'": ', b'":') + end)
        self._written += count

    def rotate(self, stamp: str = "2026-11-30T00-00-00.000") -> Path:
        """Rename the log as the API server does."""
        older = self.path.with_name(f"audit-{stamp}.log")
        self.path.rename(older)
        return older

    async def drain(self) -> None:
        while await self.file.step():
            pass

    def taken(self) -> list[Taken]:
        """Return what the log says that was taken."""
        return list(map(Taken.of, self.log.of("AuditBatch")))

    @property
    def recorded(self) -> list[int]:
        return [int(data["audit"]) for data in self.log.of("Refused")]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_lines_are_recorded_as_they_are_written(site: Site) -> None:
    async def scenario() -> None:
        await site.drain()
        site.write(2)
        await site.drain()
        site.write(1)
        await site.drain()
        assert site.recorded == [0, 1, 2]
        first, second = site.log.of("AuditBatch")
        assert (first["file"], first.get("offset", 0)) == ("audit.log", 0)
        assert second["offset"] == first["bytes"]

    run(scenario())


def test_half_a_line_waits_for_its_other_half(site: Site) -> None:
    async def scenario() -> None:
        site.write(1, end=b'{"kind":')
        await site.drain()
        assert site.recorded == [0]
        with site.path.open("ab") as file:
            file.write(b'"x"}\n')
        await site.drain()
        assert [b.get("unreadable", 0) for b in site.log.of("AuditBatch")] == [0, 1]

    run(scenario())


def test_a_batch_has_whole_lines_and_no_more_than_it_may(site: Site) -> None:
    async def scenario() -> None:
        site.restart(most=5000)
        site.write(20)
        await site.drain()
        assert site.recorded == list(range(20))
        assert len(site.log.of("AuditBatch")) > 3
        assert max(b["bytes"] for b in site.log.of("AuditBatch")) <= 5000

    run(scenario())


def test_a_line_that_is_too_long_is_told_and_what_follows_is_read(site: Site) -> None:
    async def scenario() -> None:
        site.restart(most=5000)
        site.write(1)
        with site.path.open("ab") as file:
            file.write(b'{"' + b"x" * 12_000 + b'"}\n')
        site.write(1)
        await site.drain()
        assert site.recorded == [0, 1]
        assert site.log.of("AuditUnreadable")

    run(scenario())


def test_a_restart_goes_on_where_the_log_has_all(site: Site) -> None:
    async def scenario() -> None:
        site.write(2)
        await site.drain()
        site.write(2)
        site.restart()
        await site.drain()
        assert site.recorded == [0, 1, 2, 3]

    run(scenario())


@pytest.mark.parametrize("first", [True, False])
def test_what_was_recorded_before_a_crash_isnt_recorded_again_with_the_lines_that_came_since(
    site: Site, first: bool
) -> None:
    """The process ended after the log had a batch, and before its place in the file was saved."""

    async def scenario() -> None:
        if not first:
            site.write(1)
            await site.drain()
        before = site.position.read_bytes() if site.position.exists() else None
        site.write(2)
        await site.drain()
        if before is None:
            site.position.unlink()
        else:
            site.position.write_bytes(before)
        site.write(1)
        site.restart(taken=site.taken())
        await site.drain()
        assert site.recorded == list(range(3 if first else 4))

    run(scenario())


def test_lines_that_only_have_the_place_of_a_recorded_batch_are_recorded(site: Site) -> None:
    async def scenario() -> None:
        site.write(2)
        await site.drain()
        taken = site.taken()
        site.path.unlink()
        site.position.unlink()
        site.write(2)
        site.restart(taken=taken)
        await site.drain()
        assert site.recorded == [0, 1, 2, 3]

    run(scenario())


def test_what_the_log_refused_is_read_again_after_a_restart(site: Site) -> None:
    async def scenario() -> None:
        site.write(2)
        site.log.full = True
        with pytest.raises(Unavailable):
            await site.drain()
        site.log.full = False
        site.restart()
        await site.drain()
        assert site.recorded == [0, 1]

    run(scenario())


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_written_before_a_rotation_is_read_to_its_end(site: Site, restarts: bool, compressed: bool) -> None:
    async def scenario() -> None:
        site.write(2)
        await site.drain()
        for stamp in ("2026-11-30T00-00-00.000", "2026-11-30T00-10-00.000"):
            site.write(2)
            older = site.rotate(stamp)
            if compressed:
                with gzip.open(f"{older}.gz", "wb") as file:
                    file.write(older.read_bytes())
                older.unlink()
        site.write(1)
        if restarts:
            site.restart()
        await site.drain()
        site.write(1)
        await site.drain()
        assert site.recorded == list(range(8))
        assert site.log.of("AuditGap") == []

    run(scenario())


def test_a_log_that_is_copied_and_truncated_is_read_to_its_end(site: Site) -> None:
    async def scenario() -> None:
        site.write(2)
        await site.drain()
        site.write(2)
        shutil.copy(site.path, f"{site.path}.1")
        site.path.write_bytes(b"")
        await site.drain()
        site.write(2)
        await site.drain()
        assert site.recorded == [0, 1, 2, 3, 4, 5]
        assert site.log.of("AuditGap") == []

    run(scenario())


def test_a_file_that_is_gone_is_a_gap_from_its_last_event_to_the_next_files_first(site: Site) -> None:
    async def scenario() -> None:
        site.write(2)
        await site.drain()
        site.write(2)
        site.rotate().unlink()
        await site.drain()
        assert site.log.of("AuditGap") == []
        site.write(1)
        site.rotate("2026-11-30T00-10-00.000")
        site.write(1)
        await site.drain()
        assert site.recorded == [0, 1, 4, 5]
        assert site.log.of("AuditGap") == [
            {
                "source": "file",
                "reason": "RotatedAway",
                "since": "2026-11-30T00:00:01.000000Z",
                "until": "2026-11-30T00:00:04.000000Z",
                "file": "audit-2026-11-30T00-10-00.000.log",
            }
        ]

    run(scenario())


def test_a_file_that_was_cut_off_is_a_gap_and_read_again(site: Site) -> None:
    async def scenario() -> None:
        site.write(3)
        whole = site.path.read_bytes()
        await site.drain()
        site.path.write_bytes(whole[: whole.index(b"\n") + 1])
        site.write(1)
        await site.drain()
        assert [g["reason"] for g in site.log.of("AuditGap")] == ["CutOff"]
        # What was read before is known, and recorded once.
        assert site.recorded == [0, 1, 2, 3]

    run(scenario())


def test_a_damaged_file_is_a_gap_and_the_next_one_is_read(site: Site) -> None:
    async def scenario() -> None:
        site.write(1)
        await site.drain()
        site.write(50)
        older = site.rotate()
        compressed = gzip.compress(older.read_bytes())
        older.unlink()
        Path(f"{older}.gz").write_bytes(compressed[:-200])
        await site.drain()
        assert site.recorded == [0]
        site.write(1)
        await site.drain()
        assert site.recorded[-1] == 51
        assert [(g["reason"], g["since"]) for g in site.log.of("AuditGap")] == [
            ("Damaged", "2026-11-30T00:00:00.000000Z")
        ]

    run(scenario())


def test_what_was_rotated_before_the_first_start_is_not_read(site: Site) -> None:
    async def scenario() -> None:
        site.write(2)
        site.rotate()
        site.write(2)
        await site.drain()
        assert site.recorded == [2, 3]

    run(scenario())


@pytest.mark.parametrize("name", ["audit-policy.yaml", "audit-x.log", "audit.log.bak", "other.log", "audit.logs.1"])
def test_other_files_beside_the_log_are_not_read(site: Site, name: str) -> None:
    async def scenario() -> None:
        site.write(1)
        await site.drain()
        site.path.with_name(name).write_bytes(lines(refused(auditID="99")))
        site.write(1)
        await site.drain()
        assert site.recorded == [0, 1]

    run(scenario())


@pytest.mark.parametrize("content", [b"", b"{", b'{"file": 1}', b'{"offset": 3}'])
def test_a_position_that_cannot_be_read_is_an_error_and_no_new_beginning(site: Site, content: bytes) -> None:
    async def scenario() -> None:
        site.position.write_bytes(content)
        with pytest.raises(ValueError, match="position"):
            site.restart()

    run(scenario())


def test_a_crash_before_the_position_is_saved_repeats_a_batch_and_loses_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def killed(*_: object) -> None:
        raise Killed

    async def scenario() -> None:
        site.write(2)
        with monkeypatch.context() as patch:
            patch.setattr("daulat.recorder.audit.follow.save", killed)
            with pytest.raises(Killed):
                await site.drain()
        site.restart()
        site.write(1)
        await site.drain()
        assert site.recorded == [0, 1, 0, 1, 2]
        first, again = site.log.of("AuditBatch")
        assert (first.get("offset", 0), again.get("offset", 0)) == (0, 0)

    run(scenario())
