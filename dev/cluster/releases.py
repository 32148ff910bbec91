"""Downloads the control plane's programs from their projects' releases instead of building them, where their digests are on record.

What they are and their digests stand in releases.yaml; `python -m dev.cluster releases` writes the digests. A file whose digest is
another is never used. Where anything fails, nothing is left, and the caller builds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO
from urllib.parse import urlsplit

import requests
import yaml
from pydantic import BaseModel, ConfigDict

from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say
from dev.cluster.machine import ARCHITECTURES, architecture
from dev.cluster.paths import MODULE_DIR
from dev.cluster.progress import Meter, meter

FILE = MODULE_DIR / "releases.yaml"
VARIABLE = "DAULAT_RELEASES"
"""The environment variable with a mirror's URL, under which each file lies by its own host and path; or `no`, to build always."""
REACH_SECONDS = 5.0
"""For which a server may say nothing before the programs are built instead."""
STALL_SECONDS = 30.0
"""For which a download may stand still."""
CHUNK = 1 << 20


class Program(BaseModel):
    """Where a release has a program, and where it says that file's digest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str
    url: str
    digest: str
    member: str = ""


class Releases(BaseModel):
    """releases.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    programs: Mapping[str, Program]
    digests: Mapping[str, str]


class _Unreachable(Exception):
    """A server gave no answer, or an error."""


def load(file: Path = FILE) -> Releases:
    """Read releases.yaml."""
    return Releases.model_validate(yaml.safe_load(file.read_text()))


def take(target: Path, go_mod: str, say: Say, releases: Releases | None = None) -> bool:
    """Download every program into a new directory, and return whether it is there. Says why, where it isn't."""
    found = releases or load()
    arch = architecture()
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "no" or arch not in ARCHITECTURES or sys.platform != "linux":
        return False
    programs = {name: _filled(program, go_mod, arch) for name, program in found.programs.items()}
    if lacking := sorted(name for name, program in programs.items() if program.url not in found.digests):
        if wanted:
            say(f"nothing is downloaded from {VARIABLE}={wanted}: {FILE.name} has no digest of {', '.join(lacking)}")
        return False
    mirror = "" if not wanted else wanted.rstrip("/")
    temporary = target.with_name(f"{target.name}.{os.getpid()}.download")
    try:
        temporary.mkdir(parents=True)
        _reach([_at(mirror, program.url) for program in programs.values()])
        _all(temporary, programs, found.digests, mirror, say)
        temporary.rename(target)
    except _Unreachable as error:
        say(f"the releases can't be downloaded ({error}): building instead")
        return False
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    say(f"the programs are those of their releases, by digest: {target}")
    return True


def refresh(go_mod: str, say: Say, file: Path = FILE) -> None:
    """Write the digests that the releases state into releases.yaml. ClusterError, and no change, where one can't be read."""
    found = load(file)
    mirror = os.environ.get(VARIABLE, "").rstrip("/")
    digests = {}
    for arch in ARCHITECTURES:
        for program in (_filled(p, go_mod, arch) for p in found.programs.values()):
            try:
                said = _get(_at(mirror, program.digest)).text
            except _Unreachable as error:
                raise ClusterError(f"the digest of {program.url} can't be read ({error}).") from error
            digests[program.url] = digest_in(said, program.url.rpartition("/")[2])
    text = file.read_text()
    head = text[: text.index("\ndigests:") + 1]
    file.write_text(head + yaml.safe_dump({"digests": digests}, width=1000))
    say(f"{file} has the digests of {len(digests)} files")


def digest_in(said: str, name: str) -> str:
    """Return the SHA-256 that a checksum file or GitHub's description of a release states for a file. ClusterError for none."""
    if said.lstrip().startswith("{"):
        assets = {a["name"]: str(a.get("digest") or "") for a in yaml.safe_load(said).get("assets", ())}
        found = assets.get(name, "").removeprefix("sha256:")
    else:
        lines = [line.split() for line in said.splitlines() if line.strip()]
        named = [words[0] for words in lines if len(words) == 2 and words[1].lstrip("*").rpartition("/")[2] == name]
        found = named[0] if named else lines[0][0] if lines and len(lines[0]) == len(lines) == 1 else ""
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise ClusterError(f"the release states no SHA-256 of {name}.")
    return found


def _filled(program: Program, go_mod: str, arch: str) -> Program:
    found = re.search(rf"^\s*{re.escape(program.module)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ClusterError(f"go.mod requires no {program.module}: restore the file from git.")
    values = {"version": found[1], "arch": arch}
    return program.model_copy(update={f: getattr(program, f).format(**values) for f in ("url", "digest", "member")})


def _at(mirror: str, url: str) -> str:
    parts = urlsplit(url)
    return f"{mirror}/{parts.netloc}{parts.path}" if mirror else url


def _reach(urls: list[str]) -> None:
    """Raise `_Unreachable` unless the server of each file answers in time."""
    # requests' own time-out doesn't hold for the resolution of names.
    hosts = list({urlsplit(url).netloc: url for url in urls}.values())
    pool = ThreadPoolExecutor(len(hosts))
    try:
        for asked in [pool.submit(_get, url, head=True) for url in hosts]:
            asked.result(REACH_SECONDS)
    except TimeoutError as error:
        raise _Unreachable(f"no answer in {REACH_SECONDS:.0f} s") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _get(url: str, *, head: bool = False) -> requests.Response:
    try:
        answer = requests.request(
            "HEAD" if head else "GET", url, stream=True, timeout=(REACH_SECONDS, STALL_SECONDS), allow_redirects=True
        )
    except requests.RequestException as error:
        raise _Unreachable(f"{urlsplit(url).netloc}: {type(error).__name__}") from error
    if not answer.ok:
        raise _Unreachable(f"{url} answers with {answer.status_code}")
    return answer


def _all(directory: Path, programs: Mapping[str, Program], digests: Mapping[str, str], mirror: str, say: Say) -> None:
    with meter(say, "downloading", None, "MiB") as show, ThreadPoolExecutor(4) as pool:
        count = _counter(show)
        tasks = [
            pool.submit(_one, directory / name, _at(mirror, program.url), program.member, digests[program.url], count)
            for name, program in programs.items()
        ]
        for task in tasks:
            task.result()


def _counter(show: Meter) -> Callable[[int], None]:
    lock, done = Lock(), 0

    def count(size: int) -> None:
        nonlocal done
        with lock:
            done += size
            show(done >> 20)

    return count


def _one(path: Path, url: str, member: str, digest: str, count: Callable[[int], None]) -> None:
    whole, seen = path.with_name(f"{path.name}.part"), hashlib.sha256()
    with whole.open("wb") as file:
        for chunk in _chunks(url):
            file.write(chunk)
            seen.update(chunk)
            count(len(chunk))
    if seen.hexdigest() != digest:
        raise _Unreachable(f"{url} has the SHA-256 {seen.hexdigest()}, and the release's is {digest}")
    if member:
        with _member(whole, member, url) as source, path.open("wb") as file:
            shutil.copyfileobj(source, file)
        whole.unlink()
    else:
        whole.rename(path)
    path.chmod(0o755)


def _chunks(url: str) -> Iterator[bytes]:
    try:
        yield from _get(url).iter_content(CHUNK)
    except requests.RequestException as error:
        raise _Unreachable(f"{url} broke off: {type(error).__name__}") from error


@contextmanager
def _member(archive: Path, member: str, url: str) -> Iterator[IO[bytes]]:
    with tarfile.open(archive) as opened:
        try:
            source = opened.extractfile(member)
        except KeyError:
            source = None
        if source is None:
            raise _Unreachable(f"{url} has no {member}")
        yield source
