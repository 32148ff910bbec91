"""The documentation as a site: `make docs`. The same Markdown files are read on GitHub."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/daulat/daulat/blob/main/"

project = "Daulat"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
html_title = f"Daulat {release}"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
extensions = ["myst_parser"]
# GitHub makes anchors of headings of every level.
myst_heading_anchors = 6
suppress_warnings = ["misc.highlighting_failure"]
pygments_style = "friendly"

_LOG = logging.getLogger(__name__)
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


def setup(app: object) -> None:
    """Connect what changes pages before they are read."""
    app.connect("source-read", _link_to_the_repository)  # type: ignore[attr-defined]
