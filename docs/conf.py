"""The documentation as a site: `make docs`. The same Markdown files are read on GitHub."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/daulat/daulat/blob/main/"

project = "Daulat"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
html_title = f"Daulat {release}"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
extensions = ["myst_parser"]
# GitHub makes anchors of headings of every level.
myst_heading_anchors = 6
suppress_warnings = ["misc.highlighting_failure"]
pygments_style = "friendly"

_LOG = logging.getLogger(__name__)
_CHANGES = "<!-- changes -->"
_OUTSIDE = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)(#[^)]*)?\)")


def _link_to_the_repository(app: object, name: str, source: list[str]) -> None:
    """Files outside docs/, which the site doesn't have, are linked where the repository has them."""
    folder = (ROOT / "docs" / name).parent

    def to(match: re.Match[str]) -> str:
        there = (folder / match[1]).resolve()
        if there.is_relative_to(ROOT / "docs"):
            return match[0]
        if not there.exists():
            _LOG.warning("%s leads nowhere", match[1], location=name)
        return f"]({REPOSITORY}{there.relative_to(ROOT)}{match[2] or ''})"

    source[0] = _OUTSIDE.sub(to, source[0])


def _changes() -> str:
    """Return the changes since the last release, and those of earlier ones, as sections of a page in docs/."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", release]
    drafted = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    written = ROOT / "CHANGELOG.md"
    text = drafted + (written.read_text() if written.exists() else "")
    return re.sub(r"^#", "##", text, flags=re.MULTILINE).replace("](docs/", "](")


def _add_changes(app: object, name: str, source: list[str]) -> None:
    """Put the changes where a page has the mark of them."""
    if _CHANGES in source[0]:
        source[0] = source[0].replace(_CHANGES, _changes())


def setup(app: object) -> None:
    """Connect what changes pages before they are read."""
    app.connect("source-read", _add_changes)  # type: ignore[attr-defined]
    app.connect("source-read", _link_to_the_repository)  # type: ignore[attr-defined]
