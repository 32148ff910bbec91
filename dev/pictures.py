"""Takes the pictures of the console that the documentation has: ``make pictures``.

The cluster is the one of the console's tests, with a log of where its models ran.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from daulat.cli.console.folder import write
from dev.chromium import browser
from dev.cluster.errors import ClusterError
from tests.unit.console.test_site import BUSY

FOLDER = Path("docs/pictures")
PICTURES = {
    "console-overview": "index.html",
    "console-zones": "zones.html",
    "console-chips": "inventory/delivered.html",
    "console-model": "model/treasury/llama.html",
    "console-weaknesses": "weaknesses.html",
    "console-log": "log.html",
}
"""Each picture by its name, with the page that it shows."""
WIDTH, HEIGHT = 1280, 500
"""Pixels of the window; a picture is as high as its page."""


def take(folder: Path, names: Sequence[str] = tuple(PICTURES), width: int = WIDTH, scheme: str = "light") -> None:
    """Write pictures to a folder. ``scheme`` is light or dark."""
    with tempfile.TemporaryDirectory(prefix="daulat-pictures-") as site, browser() as chromium:
        write(BUSY, Path(site))
        page = chromium.new_page(
            viewport={"width": width, "height": HEIGHT}, color_scheme="dark" if scheme == "dark" else "light"
        )
        for name in names:
            page.goto((Path(site) / PICTURES[name]).as_uri())
            page.screenshot(path=folder / f"{name}.png", full_page=True)


if __name__ == "__main__":
    try:
        take(FOLDER, sys.argv[1:] or tuple(PICTURES))
    except ClusterError as error:
        sys.exit(f"error: {error}")
