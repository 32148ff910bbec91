"""``python -m dev.release``: exit 0 when the release is there, 2 with one sentence when not."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from dev.cluster.cluster import announce
from dev.cluster.errors import ClusterError
from dev.cluster.paths import ROOT

from .parts import PARTS, epoch_of_commit, version
from .signing import sign, verification, write_sums


def release(output: Path, parts: list[str], key: Path | None) -> Path:
    """Build the parts into a folder of their version below ``output``, in place of what is there. ClusterError where that fails."""
    name, epoch = f"daulat-{version()}", epoch_of_commit()
    output.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=output))
    try:
        for part in parts:
            PARTS[part](made, announce, epoch)
        shutil.copy(ROOT / "LICENSE", made)
        write_sums(made)
        if key is not None:
            sign(made, key)
        made.chmod(0o755)
        target = output / name
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.release", description="A release in one folder.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder above it (default: dist)")
    parser.add_argument("--only", action="append", choices=PARTS, help="leave out the other parts; repeatable")
    given = os.environ.get("RELEASE_KEY")
    parser.add_argument("--key", type=Path, default=given or None, help="a private SSH key (default: $RELEASE_KEY)")
    options = parser.parse_args(arguments)
    try:
        folder = release(options.output, options.only or list(PARTS), options.key)
    except ClusterError as error:
        announce(f"error: {error}")
        return 2
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        announce(f"{path.stat().st_size / 1e6:8.2f} MB  {path.relative_to(folder)}")
    if options.key is None:
        announce("unsigned: set RELEASE_KEY to a private SSH key")
    print(f"cd {folder} && {verification(signed=options.key is not None)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
