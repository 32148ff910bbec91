"""Tells which programs of the machine are missing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping


def lacking(tools: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return what isn't there of these, each by its name in words; any of its programs will do."""
    return [what for what, programs in tools.items() if not any(map(shutil.which, programs))]
