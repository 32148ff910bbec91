"""`python -m dev.demo.picture RECORDING`: draws the first rows of the demo's table, as a terminal recorded them, for the README.

A recording is what `script -qec "make demo REAL_NODE=no" RECORDING` writes, in a terminal with 112 columns and FORCE_COLOR=1.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path("docs/pictures/demo.svg")
ROWS = 9
COLUMNS = 112
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich's pictures load a font from another site, which the documentation must not do. Without it the reader's own font is used."""


def drawn(recording: str) -> str:
    """Return the picture. ValueError where the recording has no such table."""
    lines = [Text.from_ansi(line) for line in recording.replace("\r", "").splitlines()]
    starts = [n for n, line in enumerate(lines) if line.plain.startswith("┏")]
    if not starts:
        raise ValueError("the recording has no table of the demo")
    ends = [n for n, line in enumerate(lines) if n > starts[0] and line.plain.startswith(("├", "└"))]
    if len(ends) < ROWS:
        raise ValueError(f"the table has {len(ends)} rows, fewer than {ROWS}")
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines[starts[0] : ends[ROWS - 1]]:
        console.print(line, no_wrap=True, crop=True, highlight=False)
    return _FONT.sub("", console.export_svg(title="make demo", unique_id="demo")) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the picture."""
    PICTURE.write_text(drawn(Path(arguments[0]).read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
