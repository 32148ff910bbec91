"""Command lines of Daulat's own program for readers of the demo: they work in any shell and folder, with nothing installed."""

from __future__ import annotations

import shlex
import sys

from dev.deployment import PROGRAM, ROOT


def command_line(*words: str, **environment: str) -> str:
    """Return the command line that runs the program from this checkout with these words."""
    settings = {"PYTHONPATH": str(ROOT / "src"), **environment}
    set_ = (f"{name}={value}" for name, value in settings.items())
    return shlex.join(("env", *set_, sys.executable, "-m", PROGRAM, *words))
