"""Weights on a volume that replicas share: a failed check takes nothing from those that read, and a bad copy is replaced."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daulat.api.weights import parse
from daulat.weights.cache import Cache
from daulat.weights.digest import folder_digest
from daulat.weights.load import Order, check, load
from daulat.weights.problem import WeightsProblem
from daulat.weights.signature import Trust
from dev.deployment import ROOT

from .servers import Site, serving
from .signing import FILES, Key, folder

OTHER = b"other weights"


@dataclasses.dataclass
class Shared:
    """A volume with a published copy of the site's weights, which were signed with a key."""

    site: Site
    target: Path
    key: Key
    rotated: Key

    def order(self, *, pinned: bool = False, key: Key | None = None) -> Order:
        uri = "s3://models/r1"
        if pinned:
            uri += f"@sha256:{folder_digest(self.target.parent / 'signed')}"
        trusted = (Trust("confidential", ((key or self.key).public,), ()),)
        return Order(parse(uri), self.target, self.site.url, "model.sig", trusted)

    def content(self, order: Order) -> dict[str, bytes]:
        path = self.target / order.source.key
        return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}

    def beside(self, order: Order) -> set[str]:
        """Name what lies beside the published folder."""
        return {p.name for p in self.target.iterdir()} - {order.source.key}


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    key, rotated = Key.new(tmp_path), Key.new(tmp_path, "rotated")
    (tmp_path / "signed").mkdir()
    signed = folder(tmp_path / "signed")
    key.sign(signed)
    files = {str(p.relative_to(signed)): p.read_bytes() for p in signed.rglob("*") if p.is_file()}
    (tmp_path / "models").mkdir()
    with serving(Site(s3={"models": {f"r1/{name}": content for name, content in files.items()}})) as site:
        yield Shared(site, tmp_path / "models", key, rotated)


def refusal(order: Order) -> WeightsProblem:
    with pytest.raises(WeightsProblem) as told:
        load(order)
    return told.value


def corrupt(order: Order) -> None:
    (order.target / order.source.key / "config.json").write_bytes(OTHER)


@pytest.mark.parametrize("pinned", [False, True])
def test_a_key_that_a_policy_rotated_refuses_the_new_replica_and_leaves_the_others_their_weights(
    shared: Shared, pinned: bool
) -> None:
    order = shared.order(pinned=pinned)
    published, before = load(order).stat().st_ino, shared.content(order)
    asked = len(shared.site.asked)
    assert refusal(shared.order(pinned=pinned, key=shared.rotated)).word == "SignatureValidationFailed"
    assert (order.target / order.source.key).stat().st_ino == published
    assert shared.content(order) == before
    assert len(shared.site.asked) == asked, "fetching again brings the same signature"
    assert load(order).stat().st_ino == published


def test_a_policy_without_a_key_that_signed_gets_weights_by_another_uri(shared: Shared) -> None:
    load(shared.order())
    signed = folder(shared.target.parent / "signed")
    (signed / "model.sig").unlink()
    shared.rotated.sign(signed)
    shared.site.s3["models"] = {**shared.site.s3["models"], "r1/model.sig": (signed / "model.sig").read_bytes()}
    assert load(shared.order(pinned=True, key=shared.rotated))


def failing(name: str) -> Callable[..., Any]:
    """Hash files as hashlib does, but for the one of that name."""
    real = hashlib.file_digest

    def file_digest(stream: Any, algorithm: Any) -> Any:
        if stream.name.endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(stream, algorithm)

    return file_digest


def scandir_failing(at: str) -> Callable[..., Any]:
    real = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith(at):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path)

    return scandir


def stat_failing(name: str) -> Callable[..., Any]:
    real = Path.stat

    def stat(self: Path, **options: Any) -> Any:
        if self.name == name:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(self))
        return real(self, **options)

    return stat


def open_failing(name: str) -> Callable[..., Any]:
    real = open

    def opened(file: Any, *arguments: Any, **options: Any) -> Any:
        if str(file).endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))
        return real(file, *arguments, **options)

    return opened


@pytest.mark.parametrize(
    ("where", "fault", "pinned", "named"),
    [
        ("hashlib.file_digest", failing("model.safetensors"), True, "model.safetensors"),
        ("os.scandir", scandir_failing("/a"), True, "/a"),
        ("os.scandir", scandir_failing("/a"), False, "/a"),
        ("builtins.open", open_failing("model.safetensors"), False, "model.safetensors"),
        ("io.open", open_failing("model.sig"), False, "model.sig"),
    ],
    ids=["file", "folder, for the digest", "folder, for the signature", "signed file", "signature"],
)
def test_a_volume_that_cant_be_read_is_no_other_digest_and_no_bad_signature(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, where: str, fault: Callable[..., Any], pinned: bool, named: str
) -> None:
    order = shared.order(pinned=pinned)
    published, before, asked = load(order).stat().st_ino, shared.content(order), len(shared.site.asked)
    with monkeypatch.context() as patched:
        patched.setattr(where, fault)
        told = refusal(order)
    assert told.word == "FetchFailed"
    assert "can't be read" in told.sentence
    assert "Input/output error" in told.sentence
    assert named in told.sentence
    assert (order.target / order.source.key).stat().st_ino == published
    assert shared.content(order) == before
    assert len(shared.site.asked) == asked
    assert load(order).stat().st_ino == published


def test_a_volume_that_went_stale_is_told(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shared.order()
    load(order)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stat_failing(order.source.key))
        told = refusal(order)
    assert told.word == "FetchFailed"
    assert os.strerror(errno.ESTALE) in told.sentence


def test_mounted_weights_that_cant_be_read_are_no_other_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = folder(tmp_path)
    monkeypatch.setattr(hashlib, "file_digest", failing("config.json"))
    with pytest.raises(WeightsProblem, match=r"FetchFailed: .*config\.json"):
        check(Order(parse("pvc://claim/r1@sha256:" + "0" * 64), weights), weights)


def test_a_mounted_folder_that_isnt_there_is_no_other_digest(tmp_path: Path) -> None:
    with pytest.raises(WeightsProblem, match=r"FetchFailed: .*No such file"):
        check(Order(parse("pvc://claim/r1@sha256:" + "0" * 64), tmp_path / "r1"), tmp_path / "r1")


def test_a_copy_with_another_digest_is_told_replaced_and_kept_for_those_that_read_it(shared: Shared) -> None:
    order = shared.order(pinned=True)
    load(order)
    good = shared.content(order)
    with (order.target / order.source.key / "a" / "model.safetensors").open("rb") as reading:
        assert reading.read(10)
        corrupt(order)
        told = refusal(order)
        assert told.word == "DigestMismatch"
        assert "what is there has the digest sha256:" in told.sentence
        assert reading.read() == FILES["a/model.safetensors"][10:]
    kept = f".{order.source.key}.refused"
    assert kept in told.sentence
    assert (order.target / kept / "config.json").read_bytes() == OTHER
    load(order)
    assert shared.content(order) == good
    assert shared.beside(order) == {kept}


def test_a_volume_is_never_filled_with_refused_copies(shared: Shared) -> None:
    order = shared.order(pinned=True)
    load(order)
    for _ in range(2):
        corrupt(order)
        asked, told = len(shared.site.asked), refusal(order)
    assert told.word == "DigestMismatch"
    assert "holds an earlier copy" in told.sentence
    assert len(shared.site.asked) == asked
    assert (order.target / order.source.key / "config.json").read_bytes() == OTHER


def test_a_copy_with_another_digest_stays_where_none_better_can_be_had(shared: Shared) -> None:
    order = shared.order(pinned=True)
    published = load(order).stat().st_ino
    corrupt(order)
    source, shared.site.s3["models"] = shared.site.s3["models"], {"r1/config.json": b"{}"}
    told = refusal(order)
    assert told.word == "DigestMismatch"
    assert "Fetching it again failed" in told.sentence
    shared.site.s3.clear()
    told = refusal(order)
    assert told.word == "DigestMismatch", "what is there is the reason, the server's answer only why it stays so"
    assert "404" in told.sentence or "nothing there" in told.sentence
    assert (order.target / order.source.key).stat().st_ino == published
    assert shared.beside(order) == set()
    shared.site.s3["models"] = source
    assert refusal(order).word == "DigestMismatch"
    assert load(order).stat().st_ino != published


def test_a_full_volume_leaves_the_copy_that_is_there(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shared.order(pinned=True)
    published = load(order).stat().st_ino
    corrupt(order)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        told = refusal(order)
    assert "No space left" in told.sentence
    assert (order.target / order.source.key).stat().st_ino == published
    assert shared.beside(order) == set()


@pytest.mark.parametrize("left", [".{}.partial", ".{}.partial-20260101T000000Z-pod-1-0a1b2c3d"])
def test_what_a_killed_pod_left_is_fetched_anew_and_cleared_away(shared: Shared, left: str) -> None:
    order = shared.order()
    partial = order.target / left.format(order.source.key)
    partial.mkdir()
    (partial / "stale").touch()
    load(order)
    assert set(FILES) < set(shared.content(order))
    assert shared.beside(order) == set()


KILLED = """
import os, signal, sys
from pathlib import Path
from daulat.api.weights import parse
from daulat.weights import cache, load
uri, endpoint, target, step = sys.argv[1:]
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
real, count = Path.rename, 0
def rename(path, to):
    global count
    if count == int(step):
        die()
    count += 1
    return real(path, to)
Path.rename = rename
if step == "-1":
    load.folder_digest = lambda folder: die() if "partial" in folder.name else "0"
load.load(load.Order(parse(uri), Path(target), endpoint))
die()
"""


@pytest.mark.parametrize("step", [-1, 0, 1, 2], ids=["fetched", "before", "between", "after"])
def test_a_process_that_is_killed_while_it_replaces_a_copy_loses_none(shared: Shared, step: int) -> None:
    order = dataclasses.replace(shared.order(pinned=True), trusted=(), signature="")
    load(order)
    good = shared.content(order)
    corrupt(order)
    with (order.target / order.source.key / "a" / "model.safetensors").open("rb") as reading:
        done = subprocess.run(
            [sys.executable, "-c", KILLED, order.source.uri, order.endpoint, str(order.target), str(step)],
            env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
            timeout=60,
            check=False,
        )
        assert done.returncode == (1 if step == 2 else -signal.SIGKILL)
        assert OTHER in [p.read_bytes() for p in order.target.rglob("config.json")]
        # Between the two renames, the first attempt puts the other copy back, and the second replaces it.
        for _ in range({1: 2, 2: 0}.get(step, 1)):
            assert refusal(order).word == "DigestMismatch"
        load(order)
        assert reading.read() == FILES["a/model.safetensors"]
    assert shared.content(order) == good
    assert shared.beside(order) == {f".{order.source.key}.refused"}
    assert (order.target / f".{order.source.key}.refused" / "config.json").read_bytes() == OTHER


def test_of_two_that_fetched_at_once_the_second_changes_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "key")
    with cache.partial() as first, cache.partial() as second:
        (first / "file").write_text("first")
        (second / "file").write_text("second")
        assert cache.publish(first, instead_of=None)
        assert not cache.publish(second, instead_of=None)
    assert (cache.folder / "file").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_good_copy_isnt_moved_away_by_one_who_saw_a_bad_one_before(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "key")
    cache.folder.mkdir()
    (cache.folder / "file").write_text("good")
    with cache.partial() as late:
        (late / "file").write_text("late")
        assert not cache.publish(late, instead_of=(0, 0))
    assert (cache.folder / "file").read_text() == "good"
    assert not cache.refused.exists()


def test_one_who_lost_its_lease_unnoticed_cant_publish_half(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "key")
    with cache.partial() as lost:
        (lost / "file").touch()
        cache.recover()
        with pytest.raises(FileNotFoundError):
            (lost / "other").touch()
        with pytest.raises(FileNotFoundError):
            cache.publish(lost, instead_of=None)
    assert list(tmp_path.iterdir()) == []
