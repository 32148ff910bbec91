"""Builds llama.cpp's server, a real engine that needs no accelerator: one static program, from its pinned source."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say, exclusive
from dev.cluster.paths import cache_dir

from .tools import lacking

REQUIREMENTS = Path(__file__).resolve().parent / "engine.txt"
PROGRAM = "llama-server"
# For processors of the last ten years, for images without libraries; no pages for browsers, and nothing that fetches.
OPTIONS = (
    "CMAKE_BUILD_TYPE=Release",
    "CMAKE_EXE_LINKER_FLAGS=-static -s",
    "BUILD_SHARED_LIBS=OFF",
    "GGML_NATIVE=OFF",
    "GGML_OPENMP=OFF",
    "GGML_LLAMAFILE=OFF",
    "GGML_CPU_REPACK=OFF",
    "LLAMA_OPENSSL=OFF",
    "LLAMA_BUILD_UI=OFF",
    "LLAMA_USE_PREBUILT_UI=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_APP=OFF",
)
TOOLS = {"cmake": ("cmake",), "a C++ compiler": ("c++", "g++"), "make or ninja": ("ninja", "make")}


def pinned() -> str:
    """Return the package whose source is built, with its version."""
    return next(line.split()[0] for line in REQUIREMENTS.read_text().splitlines() if "==" in line)


def path() -> Path:
    """Return where the program of this checkout lies once built."""
    text = "\0".join([REQUIREMENTS.read_text(), *OPTIONS, sys.platform, platform.machine()])
    return cache_dir() / "bin" / f"{PROGRAM}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def lacks() -> list[str]:
    """Return which programs are missing, with which it is built; none where it is there."""
    return [] if path().exists() else lacking(TOOLS)


def ensure(say: Say) -> Path:
    """Return the program, built first when it isn't there. ClusterError where this machine can't build it."""
    target = path()
    if not target.exists():
        with exclusive(target.with_suffix(".lock"), say, f"builds {PROGRAM}"):
            if not target.exists():
                _build(target, say)
    return target


def _build(target: Path, say: Say) -> None:
    if lack := lacking(TOOLS):
        raise ClusterError(f"a real engine needs {lack[0]}, with which llama.cpp is built: install it.")
    say(f"building {PROGRAM}: about 8 minutes on 2 cores")
    began, log = time.monotonic(), target.with_suffix(".log")
    with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as name, log.open("w") as output:
        scratch = Path(name)
        source = _source(scratch)
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        made = str(scratch / "build")
        configure = ["cmake", "-S", str(source), "-B", made, *generator, *(f"-D{option}" for option in OPTIONS)]
        compile_ = ["cmake", "--build", made, "--target", PROGRAM, "--parallel", str(os.cpu_count() or 1)]
        for command in (configure, compile_):
            done = subprocess.run(command, check=False, stdout=output, stderr=output, cwd=scratch)
            if done.returncode != 0:
                raise ClusterError(f"{PROGRAM} could not be built: the whole log is {log}.")
        shutil.copy(scratch / "build" / "bin" / PROGRAM, scratch / PROGRAM)
        (scratch / PROGRAM).rename(target)
    say(f"built in {time.monotonic() - began:.0f} s: {target}")


def _source(scratch: Path) -> Path:
    options = [
        "--no-deps",
        "--no-binary=:all:",
        "--require-hashes",
        f"--dest={scratch}",
        f"--requirement={REQUIREMENTS}",
    ]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *options], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise ClusterError(
            f"llama.cpp's source can't be fetched ({said[:300]}): connect to the package index, and try again."
        )
    (archive,) = scratch.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(scratch, filter="data")
    (found,) = scratch.glob("*/vendor/llama.cpp")
    return found
