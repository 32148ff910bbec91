"""Headless Chromium for tests and pictures of the console: the one of the PATH, or Debian's with its libraries and a font."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from dev.cluster.cluster import announce
from dev.cluster.errors import ClusterError
from dev.cluster.node.debian import libraries, unpacked

PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{root}/fontcache</cachedir></fontconfig>
"""


def program() -> tuple[Path, dict[str, str]]:
    """Return the program and the environment variables that it needs. ClusterError where it can't be had."""
    found = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    return (Path(found), {}) if found else unpacked_program()


def unpacked_program() -> tuple[Path, dict[str, str]]:
    """Return Debian's program, which needs nothing that is installed. ClusterError where it can't be had."""
    root = unpacked(PACKAGES, "tests and pictures of the console need Chromium", announce, dependencies=True)
    fonts = root / "fonts.conf"
    if not fonts.exists():
        # Written whole under another name first: other processes may start a browser at this moment.
        scratch = fonts.with_name(f"fonts.{os.getpid()}")
        scratch.write_text(_FONTS.format(root=root))
        scratch.rename(fonts)
    # The script in usr/bin starts the program by its installed path.
    chromium = root / "usr" / "lib" / "chromium" / "chromium-headless-shell"
    return chromium, {"LD_LIBRARY_PATH": libraries(root), "FONTCONFIG_FILE": str(fonts)}


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and end it afterwards. ClusterError where there is none."""
    path, variables = program()
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs namespaces that root in a container doesn't have. It opens only pages of this project.
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"], env={**os.environ, **variables}
        )
        try:
            yield started
        finally:
            started.close()


if __name__ == "__main__":
    try:
        print(program()[0])
    except ClusterError as error:
        sys.exit(f"error: {error}")
