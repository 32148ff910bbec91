"""Names the known setting of an engine that is most like one that isn't known: a slip of the pen is the commonest reason."""

from __future__ import annotations

import difflib
import re

from daulat.catalog import engine_settings

from .report import Finding

CONTROL = "USE-21"
_OPTION = re.compile(r"the option (\S+) was set; .* only options of (\S+) that")
_VARIABLE = re.compile(r'env\["([^"]+)"\]: .* only variables of (\S+) that')


def nearest(finding: Finding) -> str | None:
    """Return a note that names the nearest known setting, or None where the finding is another or nothing is near."""
    said = (
        (_OPTION.search(finding.message) or _VARIABLE.search(finding.message)) if finding.control == CONTROL else None
    )
    if said is None:
        return None
    name, engine = said.groups()
    asked = name.replace("_", "-") if name.startswith("--") else name
    safe = engine_settings.safe(engine)
    if asked in safe:
        return None
    near = difflib.get_close_matches(asked, sorted(safe), n=1, cutoff=0.75)
    return f"{finding.field}: {name}: the nearest that {engine} has is {near[0]}" if near else None
