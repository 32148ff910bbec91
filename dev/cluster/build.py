"""Builds the control plane's binaries from the pinned modules, once for each content of go.mod and go.sum.

What they are built from is decided by go.mod; where they lie, by a key over all that changes them.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.cluster import releases, toolchain
from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say, exclusive
from dev.cluster.paths import MODULE_DIR, cache_dir
from dev.cluster.progress import meter

PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
NAMES = tuple(PACKAGES)
LWS_MANAGER = "lws-manager"

GIB = 1 << 30
# Measured: 4.1 GiB of build cache, 1.3 GiB of modules, 0.5 GiB of binaries; the rest is the compiler's scratch
# space and a margin. Where the modules' sources lie already, most of it has been spent by an earlier build.
COLD_BYTES = 8 * GIB
WARM_BYTES = 2 * GIB


@dataclass(frozen=True)
class Binaries:
    """The directory with all the binaries of one build."""

    directory: Path
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    """The directories of those that another build made, by name."""

    def __getitem__(self, name: str) -> str:
        return str(self.elsewhere.get(name, self.directory) / name)


@dataclass(frozen=True)
class Step:
    """One `go build`: the packages, and what it needs beside the flags and the environment of all."""

    packages: tuple[str, ...]
    flags: tuple[str, ...] = ()
    environment: Callable[[Say], Mapping[str, str]] = lambda _say: {}
    """What the environment has in addition; it may fetch what the compiler needs."""


@dataclass(frozen=True)
class Suite:
    """Programs that are built together from one module's go.mod."""

    title: str
    module: Path
    names: tuple[str, ...]
    """What must be there in the end."""
    steps: tuple[Step, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    lasts: str = ""
    """How long it takes from nothing, in words."""
    add: Callable[[Path, Say], None] = lambda _directory, _say: None
    """Put into the directory what isn't built by Go."""
    label: str = ""
    """What the directory's name begins with."""
    cold_bytes: int = COLD_BYTES
    """Disk space that it takes from nothing."""
    released: bool = False
    """Whether releases.yaml says where its programs can be had built."""

    @property
    def own(self) -> list[str]:
        """What the result depends on beside go.mod and go.sum."""
        words = [word for step in self.steps for word in (*step.packages, *step.flags)]
        folders = [self.module / word for word in words if word.startswith(".")]
        return [*(path.read_text() for folder in folders for path in sorted(folder.rglob("*.go"))), *words]


# Go names a binary after the last element of its import path, which is "server" for etcd, and "cmd" for LeaderWorkerSet's.
CONTROL_PLANE = Suite(
    "the control plane",
    MODULE_DIR,
    NAMES,
    (Step(tuple(PACKAGES.values())),),
    {"server": "etcd"},
    lasts="about 9 minutes on 2 cores",
    released=True,
)
LWS = Suite(
    "LeaderWorkerSet's controller",
    MODULE_DIR,
    (LWS_MANAGER,),
    (Step(("sigs.k8s.io/lws/cmd",)),),
    {"cmd": LWS_MANAGER},
    lasts="about a minute after the control plane",
    label="lws-",
)


def kubernetes_version(go_mod: str) -> str:
    """The Kubernetes that go.mod pins, as `v1.37.2`."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+\S*)", go_mod, re.MULTILINE)
    if not found:
        raise ClusterError("go.mod requires no k8s.io/kubernetes: restore the file from git.")
    return found[1]


def flags(go_mod: str) -> list[str]:
    """The flags of `go build`. Without the version numbers clients can't parse the API server's version."""
    version = kubernetes_version(go_mod)
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    stamps = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items()]
    return ["-trimpath", "-ldflags", " ".join(["-s", "-w", *stamps])]


def key(go_mod: str, go_sum: str, system: str, machine: str, *more: str) -> str:
    """What tells one set of binaries from another."""
    text = "\0".join([go_mod, go_sum, *flags(go_mod), system, machine, *more])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def directory(suite: Suite = CONTROL_PLANE) -> Path:
    """Where the binaries of this checkout lie once built."""
    mod, lock = ((suite.module / name).read_text() for name in ("go.mod", "go.sum"))
    named = key(mod, lock, sys.platform, platform.machine(), *suite.own)
    return cache_dir() / "bin" / f"{suite.label}{named}"


def is_built(suite: Suite = CONTROL_PLANE) -> bool:
    """Whether the binaries are there."""
    return directory(suite).is_dir()


def ensure(say: Say, suite: Suite = CONTROL_PLANE) -> Binaries:
    """The binaries, built first when they aren't there."""
    target = directory(suite)
    if target.is_dir():
        return Binaries(target)
    with exclusive(beside(target, ".lock"), say, f"builds {suite.title}"):
        if not target.is_dir() and not (suite.released and releases.take(target, _go_mod(suite), say)):
            _build(target, say, suite)
    return Binaries(target)


def program(name: str, say: Say) -> str:
    """The path of a program of the control plane, or of LeaderWorkerSet's, built first when it isn't there."""
    return ensure(say, LWS if name == LWS_MANAGER else CONTROL_PLANE)[name]


def _go_mod(suite: Suite) -> str:
    return (suite.module / "go.mod").read_text()


def beside(target: Path, suffix: str) -> Path:
    """Return where the lock, the log or the scratch space of a directory lies."""
    # Not with_suffix, for which all after the dot of a version is a suffix.
    return target.with_name(target.name + suffix)


def _build(target: Path, say: Say, suite: Suite) -> None:
    go = toolchain.find(say, toolchain.required_version(_go_mod(suite)))
    environment = go.environment()
    _check_disk(go, environment, target.parent, suite)
    version = ".".join(map(str, go.version))
    say(f"building {suite.title} with Go {version} (from {go.origin}): {suite.lasts} from nothing")
    temporary = beside(target, f".{os.getpid()}.tmp")
    scratch = temporary / "scratch"
    scratch.mkdir(parents=True)
    # Everything compiled passes through here; a small /tmp in memory would not hold it.
    environment["GOTMPDIR"] = str(scratch)
    log = beside(target, ".log")
    log.unlink(missing_ok=True)
    began = time.monotonic()
    try:
        for step in suite.steps:
            _take(step, go, environment, temporary, log, say, suite)
        suite.add(temporary, say)
        _finish(temporary, scratch, log, suite)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    say(f"built in {time.monotonic() - began:.0f} s: {target}")


def _take(
    step: Step, go: toolchain.Go, environment: dict[str, str], temporary: Path, log: Path, say: Say, suite: Suite
) -> None:
    environment = {**environment, **step.environment(say)}
    shared = flags(_go_mod(suite))
    listed = ["list", "-deps", *(f for f in step.flags if f.startswith("-tags")), *step.packages]
    packages = _go(go, environment, suite.module, listed, log, say, "reading modules", None)
    command = ["build", "-v", *shared, *step.flags, "-o", f"{temporary}/", *step.packages]
    _go(go, environment, suite.module, command, log, say, "compiling", len(packages.splitlines()))


def _finish(temporary: Path, scratch: Path, log: Path, suite: Suite) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    for built, wanted in suite.renamed.items():
        if (temporary / built).exists():
            (temporary / built).rename(temporary / wanted)
    missing = [name for name in suite.names if not (temporary / name).exists()]
    if missing:
        raise ClusterError(f"the build made no {', '.join(missing)}: see {suite.module / 'go.mod'}, and {log}.")


def _go(
    go: toolchain.Go,
    environment: dict[str, str],
    module: Path,
    arguments: list[str],
    log: Path,
    say: Say,
    title: str,
    total: int | None,
) -> str:
    """Run one go command, its stderr counted and kept in the log; returns its stdout."""
    done = 0
    # stdout goes to a file: two pipes can't be read one after the other without one of them filling up.
    with log.open("a") as kept, tempfile.TemporaryFile("w+") as output, meter(say, title, total, "packages") as show:
        process = subprocess.Popen(
            [go.path, *arguments], cwd=module, env=environment, text=True, stdout=output, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            for line in process.stderr:
                kept.write(line)
                done += not line.startswith("#")
                show(done)
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            process.stderr.close()
        if status == 0:
            output.seek(0)
            return output.read()
    if status < 0:
        # As when memory runs out. Its log says nothing then.
        raise ClusterError(
            f"Go was killed by signal {-status} while {title}: build again; what is compiled already is kept."
        )
    raise ClusterError(_explain(log, title))


NETWORK = re.compile(r"dial tcp|no such host|i/o timeout|TLS handshake|connection refused|proxyconnect|unreachable")


def explain_download(what: str, said: str) -> str:
    """Why a module is not there, and what to do."""
    if NETWORK.search(said):
        return f"Go could not download {what} ({said[:300]}): connect to the network, or set GOPROXY, and try again."
    return f"Go could not download {what}: {said[:300]}"


def _explain(log: Path, title: str) -> str:
    text = log.read_text(errors="replace")
    errors = [line.strip() for line in text.splitlines() if ":" in line and not line.startswith("go: downloading")]
    said = errors[-1][:300] if errors else "it said nothing"
    if NETWORK.search(text):
        return explain_download("its modules", said)
    if "no space left on device" in text:
        return "the disk is full: free some space and build again; what is compiled already is kept."
    return f"Go failed while {title} ({said}): the whole log is {log}."


def _check_disk(go: toolchain.Go, environment: dict[str, str], binaries: Path, suite: Suite) -> None:
    names = ["GOCACHE", "GOMODCACHE"]
    answer = subprocess.run(
        [go.path, "env", *names], check=False, env=environment, cwd=MODULE_DIR, capture_output=True, text=True
    )
    places = [Path(line) for line in answer.stdout.splitlines() if line.startswith("/")]
    if len(places) != len(names):
        return  # Go will say itself what is wrong with its settings.
    sources = places[1] / "k8s.io" / f"kubernetes@{kubernetes_version((suite.module / 'go.mod').read_text())}"
    needed = WARM_BYTES if sources.is_dir() else suite.cold_bytes
    for place in (binaries, *places):
        existing = next(p for p in (place, *place.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        if free < needed:
            raise ClusterError(
                f"building needs about {needed / GIB:.0f} GiB and {existing} has {free / GIB:.1f} GiB free: "
                "free some space, or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to a larger disk."
            )
