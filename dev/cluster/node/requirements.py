"""What a machine must have for real nodes and a real engine on them, as one sentence where it hasn't."""

from __future__ import annotations

from . import build, engine, sandbox


def missing() -> str:
    """Return why this machine can't have them; empty where it can."""
    if why := sandbox.unsupported():
        return why
    if lack := [*build.lacks(), *engine.lacks()]:
        return f"real nodes are built here, and need {', '.join(lack)}, which isn't installed"
    return ""
