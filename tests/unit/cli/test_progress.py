"""Progress shows on a terminal, late, and nowhere else; it leaves neither a trace there nor a byte in a file."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from daulat.api.weights import Environment

WORK = """
import time
from daulat.cli import progress as shown
shown.QUIET_FOR = {quiet}
with shown.progress("judging", 40) as say:
    for done in range(40):
        say(done, "step")
        time.sleep({pause})
print("the result")
"""


WEIGHTS = """
import logging, time
from pathlib import Path
from daulat.cli import progress as shown
shown.QUIET_FOR = 0.2
from daulat.cli.weights import carry_out
def slow(order):
    logging.getLogger("daulat.weights").warning("at once: %s", order.source.uri)
    time.sleep(1)
    logging.getLogger("daulat.weights").warning("the copy [bold] differs")
    time.sleep(1)
carry_out.load_order, carry_out.TERMINATION_LOG = slow, Path("{report}")
carry_out.load()
"""
DEFINITIONS = """
import time
from daulat.cli import cluster, progress as shown
shown.QUIET_FOR = 0.2
from daulat.cli.crds import command
class Client:
    async def get(self, path):
        return {{"status": {{"conditions": [{{"type": "Established", "status": "True"}}]}}}} if path in made else None
    async def request(self, method, path, body, *, query, content_type):
        time.sleep(0.05)
        if "dryRun" not in query:
            made.add(path)
made = set()
def read(context, what):
    import asyncio
    return asyncio.run(what(cluster.Reader(Client())))
command.cluster.read = read
command.apply([], standalone_mode=False)
"""


def run(quiet: float, pause: float, **env: str) -> tuple[str, str]:
    """Return what work with progress writes to standard output, and to a terminal as standard error."""
    return on_terminal(WORK.format(quiet=quiet, pause=pause), **env)


def on_terminal(code: str, **env: str) -> tuple[str, str]:
    """Return what code writes to standard output, and to a terminal as standard error."""
    main, sub = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80", **env}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=sub, env=environment)
    os.close(sub)
    seen, until = b"", time.monotonic() + 60
    while time.monotonic() < until:
        if select.select([main], [], [], 0.1)[0]:
            try:
                found = os.read(main, 65536)
            except OSError:  # The other end is closed, on Linux.
                break
            if not found:
                break
            seen += found
    out, _ = process.communicate(timeout=60)
    os.close(main)
    assert process.returncode == 0, seen.decode()
    return out.decode(), seen.decode()


def test_work_that_takes_long_shows_how_far_it_is_and_the_line_goes_away() -> None:
    out, seen = run(0.2, 0.05)
    assert out == "the result\n"
    assert "judging: step" in seen
    assert "/40" in seen
    # The cursor that was hidden is shown again, and the line is erased last.
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")
    assert "judging" not in seen[seen.rindex("\x1b[2K") :]


def test_work_that_is_soon_done_shows_nothing() -> None:
    assert run(30, 0.001) == ("the result\n", "")


def test_without_colours_progress_has_none() -> None:
    _, seen = run(0.2, 0.05, NO_COLOR="1")
    assert "judging: step" in seen
    assert "\x1b[3" not in seen
    assert "\x1b[38;" not in seen


def test_a_terminal_that_cant_move_its_cursor_shows_nothing() -> None:
    assert run(0.1, 0.02, TERM="dumb") == ("the result\n", "")


def test_what_isnt_a_terminal_gets_nothing() -> None:
    code = WORK.format(quiet=0.1, pause=0.02)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("the result\n", "")


def test_weights_that_are_fetched_show_progress_on_a_terminal_and_warnings_above_it(tmp_path: Path) -> None:
    asked = {Environment.URI: "s3://models/llama", Environment.TARGET: str(tmp_path)}
    out, seen = on_terminal(WEIGHTS.format(report=tmp_path / "report"), **asked)
    assert out == ""
    assert seen.startswith("at once: s3://models/llama\r\n")
    assert "fetching the weights" in seen
    assert "the copy [bold] differs\r\n" in seen
    assert "fetching" not in seen[seen.rindex("\x1b[2K") :]


def test_definitions_that_are_applied_show_which_one_is_next_on_a_terminal() -> None:
    out, seen = on_terminal(DEFINITIONS.format())
    assert "sovereignmodels.daulat.dev" in out
    for text in ("as a dry run", "applying the definitions: sovereign"):
        assert text in seen
