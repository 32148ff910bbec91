"""Release binaries are used where they have the digest on record. In every other case nothing is left, and the reason is said."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dev.cluster import ClusterError, build, releases
from dev.cluster.machine import ARCHITECTURES
from dev.cluster.paths import MODULE_DIR
from dev.cluster.releases import Program, Releases, digest_in, load, refresh, take

GO_MOD = "\tk8s.io/kubernetes v1.99.1\n\tgo.etcd.io/etcd/server/v3 v3.99.0 // indirect\n"
ARCH = ARCHITECTURES[0]
PROGRAM = b"#!/bin/sh\necho kubectl\n"


def archive(member: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as opened:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        opened.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the mirror serves: by host and path."""
    files = {
        "dl.example/v1.99.1/kubectl": PROGRAM,
        "etcd.example/v3.99.0.tar.gz": archive("etcd-v3.99.0/etcd", b"etcd"),
        "dl.example/v1.99.1/kubectl.sha256": hashlib.sha256(PROGRAM).hexdigest().encode(),
    }
    for name, content in files.items():
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    etcd = tmp_path / "mirror" / "etcd.example"
    digest = hashlib.sha256((etcd / "v3.99.0.tar.gz").read_bytes()).hexdigest()
    (etcd / "SHA256SUMS").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  v3.99.0.tar.gz\n")
    return tmp_path / "mirror"


@pytest.fixture
def mirror(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv(releases.VARIABLE, url)
        yield url
        server.shutdown()


PROGRAMS = {
    "kubectl": Program(
        module="k8s.io/kubernetes",
        url="https://dl.example/{version}/kubectl",
        digest="https://dl.example/{version}/kubectl.sha256",
    ),
    "etcd": Program(
        module="go.etcd.io/etcd/server/v3",
        url="https://etcd.example/{version}.tar.gz",
        member="etcd-{version}/etcd",
        digest="https://etcd.example/SHA256SUMS",
    ),
}


def known(folder: Path) -> Releases:
    urls = {
        f"https://{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return Releases(programs=PROGRAMS, digests=urls)


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "bin" / "abc"


@pytest.mark.usefixtures("mirror")
def test_programs_come_from_a_mirror_by_digest(folder: Path, target: Path) -> None:
    said = Said()
    assert take(target, GO_MOD, said, known(folder))
    assert sorted(path.name for path in target.iterdir()) == ["etcd", "kubectl"]
    assert ((target / "kubectl").read_bytes(), (target / "etcd").read_bytes()) == (PROGRAM, b"etcd")
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o755}
    assert "by digest" in said.lines[-1]


def nothing_left(target: Path) -> bool:
    return not target.parent.exists() or list(target.parent.iterdir()) == []


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("file", ["dl.example/v1.99.1/kubectl", "etcd.example/v3.99.0.tar.gz"])
def test_a_file_with_another_digest_is_never_used(folder: Path, target: Path, file: str) -> None:
    on_record, said = known(folder), Said()
    (folder / file).write_bytes(archive("etcd-v3.99.0/etcd", b"changed"))
    assert not take(target, GO_MOD, said, on_record)
    assert "and the release's is" in said.lines[-1]
    assert nothing_left(target)


@pytest.mark.usefixtures("mirror")
def test_a_file_that_the_server_lacks_or_an_archive_without_its_member_is_said(folder: Path, target: Path) -> None:
    said = Said()
    (folder / "etcd.example/v3.99.0.tar.gz").write_bytes(archive("elsewhere/etcd", b"etcd"))
    assert not take(target, GO_MOD, said, known(folder))
    assert "has no etcd-v3.99.0/etcd" in said.lines[-1]
    on_record = known(folder)
    (folder / "dl.example/v1.99.1/kubectl").unlink()
    assert not take(target, GO_MOD, said, on_record)
    assert "answers with 404" in said.lines[-1]
    assert nothing_left(target)


def test_a_server_that_is_not_there_is_said_at_once(
    folder: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv(releases.VARIABLE, f"http://127.0.0.1:{held.getsockname()[1]}")
        said = Said()
        assert not take(target, GO_MOD, said, known(folder))
    assert "building instead" in said.lines[-1]
    assert nothing_left(target)


def test_a_server_that_says_nothing_is_waited_for_a_few_seconds_at_most(
    folder: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert releases.REACH_SECONDS <= 5
    monkeypatch.setattr(releases, "REACH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(releases.VARIABLE, f"http://127.0.0.1:{silent.getsockname()[1]}")
        said, began = Said(), time.monotonic()
        assert not take(target, GO_MOD, said, known(folder))
        assert time.monotonic() - began < releases.STALL_SECONDS
    assert "no answer in" in said.lines[-1]


def test_without_digests_nothing_is_asked_and_a_mirror_that_was_named_is_answered(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, without = Said(), Releases(programs=PROGRAMS, digests={})
    monkeypatch.delenv(releases.VARIABLE, raising=False)
    assert not take(target, GO_MOD, said, without)
    assert said.lines == []
    monkeypatch.setenv(releases.VARIABLE, "http://mirror.example")
    assert not take(target, GO_MOD, said, without)
    assert said.lines == [
        "nothing is downloaded from DAULAT_RELEASES=http://mirror.example: releases.yaml has no digest of etcd, kubectl"
    ]


@pytest.mark.usefixtures("mirror")
def test_the_variable_says_no(folder: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(releases.VARIABLE, "no")
    assert not take(target, GO_MOD, Said(), known(folder))


@pytest.mark.usefixtures("mirror")
def test_a_version_that_go_mod_has_moved_on_from_is_not_downloaded(folder: Path, target: Path) -> None:
    said = Said()
    assert not take(target, GO_MOD.replace("1.99.1", "1.99.2"), said, known(folder))
    assert "no digest of kubectl" in said.lines[-1]


@pytest.mark.usefixtures("mirror")
def test_digests_are_read_from_the_releases(folder: Path, target: Path, tmp_path: Path) -> None:
    file = tmp_path / "releases.yaml"
    programs = {name: program.model_dump() for name, program in PROGRAMS.items()}
    file.write_text("# What it is.\n" + yaml.safe_dump({"programs": programs}) + "\ndigests: {}\n")
    refresh(GO_MOD, Said(), file)
    assert file.read_text().startswith("# What it is.\n")
    assert take(target, GO_MOD, Said(), load(file))


@pytest.mark.usefixtures("mirror")
def test_a_digest_that_cant_be_read_changes_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "etcd.example/SHA256SUMS").unlink()
    file = tmp_path / "releases.yaml"
    programs = {name: program.model_dump() for name, program in PROGRAMS.items()}
    text = yaml.safe_dump({"programs": programs}) + "\ndigests: {}\n"
    file.write_text(text)
    with pytest.raises(ClusterError, match="can't be read"):
        refresh(GO_MOD, Said(), file)
    assert file.read_text() == text


HEX = "ab" * 32


@pytest.mark.parametrize(
    "said",
    [
        HEX,
        f"{HEX}  kwok\n",
        f"{'0' * 64}  other\n{HEX} *kwok\n",
        '{"assets": [{"name": "kwok", "digest": "sha256:' + HEX + '"}]}',
    ],
)
def test_a_release_states_a_digest_in_one_of_three_ways(said: str) -> None:
    assert digest_in(said, "kwok") == HEX


@pytest.mark.parametrize("said", ["", "<html>", f"{HEX}  other\n", '{"assets": [{"name": "kwok"}]}', "abc  kwok"])
def test_anything_else_is_no_digest(said: str) -> None:
    with pytest.raises(ClusterError, match="no SHA-256 of kwok"):
        digest_in(said, "kwok")


def test_every_program_of_the_control_plane_has_a_release() -> None:
    assert set(load().programs) == set(build.NAMES)
    go_mod = (MODULE_DIR / "go.mod").read_text()
    filled = [releases._filled(p, go_mod, ARCH) for p in load().programs.values()]
    assert all("{" not in p.url + p.digest + p.member for p in filled)
