"""`python -m dev.evidence [--check]`: writes examples/evidence, or says what of it has drifted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.evidence.example import FOLDER, ROOT, drift, render


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the example, or with --check only compare it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.evidence", description="The example of a log and its report.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a file has drifted")
    options = parser.parse_args(arguments)
    files = render()
    findings = drift(root, files)
    if options.check:
        print("".join(f"{f}\n" for f in findings), file=sys.stderr, end="")
        return 1 if findings else 0
    for path in (root / FOLDER).rglob("*"):
        if path.is_file() and path.relative_to(root) not in files:
            path.unlink()
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    print(f"{len(files)} files, {len(findings)} of them changed or removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
