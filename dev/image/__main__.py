"""``python -m dev.image build|refresh``: exit 0 when it is done, 2 with one sentence when not."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from dev.cluster.cluster import announce
from dev.cluster.errors import ClusterError
from dev.cluster.paths import ROOT

from . import facts
from .archive import Release
from .build import build, version
from .refresh import refresh


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.image", description="The operator's image, without Docker.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="write the image as an OCI archive, with bills of materials beside it")
    make.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder (default: dist)")
    make.add_argument("--repository", default=facts.REPOSITORY, help=f"its name (default: {facts.REPOSITORY})")
    make.add_argument("--version", default=version(), help="its tag (default: the version of pyproject.toml)")
    make.add_argument("--revision", default=None, help="the commit it is built from (default: as Git has it)")
    commands.add_parser("refresh", help="pin Debian's packages of today in requirements/debian.txt")
    options = parser.parse_args(arguments)
    try:
        if options.command == "refresh":
            refresh(announce)
            return 0
        revision = _revision() if options.revision is None else options.revision
        built = build(options.output, announce, Release(options.version, revision, options.repository))
    except ClusterError as error:
        announce(f"error: {error}")
        return 2
    for architecture, size in built.sizes.items():
        announce(f"{architecture}: {size / 1e6:.1f} MB compressed")
    announce(f"{built.path}: {built.path.stat().st_size / 1e6:.1f} MB")
    print(built.archive.reference)
    return 0


def _revision() -> str:
    """Return the commit of this checkout, marked where files differ from it; empty outside of Git."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    done = subprocess.run(git, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
