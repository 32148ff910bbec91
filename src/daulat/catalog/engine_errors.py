"""Says in our words what an engine failed of at its start. Of what it printed, only numbers and plain identifiers get through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from daulat.api.packaged import load

_KINDS = {
    "number": r"[0-9]{1,9}(?:\.[0-9]{1,4})?",
    "size": r"[0-9]{1,9}(?:\.[0-9]{1,4})? [KMGT]iB",
    "name": r"[A-Za-z][A-Za-z0-9_.+-]{0,63}",
    "library": r"lib[A-Za-z0-9_+-]{1,48}\.so(?:\.[0-9]{1,4}){0,3}",
    "weights": r"/models(?:/[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,63}){1,4}",
    "option": r"--[a-z][a-z0-9-]{0,48}",
}
"""What may be captured. All of it is short and without spaces, so that nobody's sentence fits in."""
_HOLE = re.compile(r"\{([a-z]+):([a-z]+)\}")
_EXCEPTION = re.compile(
    r"(?<![A-Za-z0-9_])([A-Z][A-Za-z0-9]{0,48}(?:Error|Exception))(?=: |$)", re.MULTILINE | re.ASCII
)
_READ = 4096
"""How much is looked at. Kubelets keep 2 KiB of a log, and 4 KiB of a termination message."""


@dataclass(frozen=True)
class _Known:
    pattern: re.Pattern[str]
    says: str


def explained(printed: str) -> str:
    """Return what an engine's last words before it served mean, at least its exception's class; empty where nobody can tell."""
    end = printed[-_READ:]
    for known in _known():
        found = known.pattern.search(end)
        if found is not None:
            return known.says.format_map(found.groupdict())
    exceptions = _EXCEPTION.findall(end)
    return f"of {_article(exceptions[-1])} {exceptions[-1]}" if exceptions else ""


@cache
def _known() -> tuple[_Known, ...]:
    raw = load((resources.files(__package__) / "engine_errors.yaml").read_text(encoding="utf-8"))
    return tuple(_Known(compiled(each["prints"]), each["says"]) for each in raw)


def compiled(prints: str) -> re.Pattern[str]:
    """Return the pattern of a text with holes. Raises ValueError where a hole is of no kind that may be captured."""
    parts, at = [], 0
    for hole in _HOLE.finditer(prints):
        if hole[2] not in _KINDS:
            raise ValueError(f"{prints}: {hole[2]} is none of {', '.join(_KINDS)}")
        # An identifier ends where it ends: half of a longer word isn't what was meant.
        parts += [re.escape(prints[at : hole.start()]), rf"(?P<{hole[1]}>{_KINDS[hole[2]]})(?![A-Za-z0-9_])"]
        at = hole.end()
    return re.compile("".join([*parts, re.escape(prints[at:])]), re.ASCII)


def _article(word: str) -> str:
    return "an" if word[0] in "AEIO" else "a"
