"""Takes the pictures of the console that the documentation has: ``make pictures``. Needs Debian's package chromium.

The cluster is the one of the console's tests, with a log of where its models ran.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from daulat.cli.console.folder import write
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
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("make pictures needs chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="daulat-pictures-") as site, sync_playwright() as playwright:
        write(BUSY, Path(site))
        # Chromium's own sandbox needs namespaces that root in a container doesn't have. It opens only pages of this site.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": width, "height": HEIGHT}, color_scheme="dark" if scheme == "dark" else "light"
        )
        for name in names:
            page.goto((Path(site) / PICTURES[name]).as_uri())
            page.screenshot(path=folder / f"{name}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    take(FOLDER, sys.argv[1:] or tuple(PICTURES))
