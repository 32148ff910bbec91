"""What a machine must have for real nodes and a real engine on them, as one sentence where it hasn't."""

from __future__ import annotations

import shutil

from . import build, engine, sandbox


def missing() -> str:
    """Return why this machine can't have them; empty where it can."""
    if why := sandbox.unsupported():
        return why
    tools = {**build.TOOLS, **engine.TOOLS}
    lacking = [what for what, names in tools.items() if not any(map(shutil.which, names))]
    if lacking:
        return f"real nodes are built here, and need {', '.join(lacking)}, which isn't installed"
    return ""
