"""Finds the field that a refusal names, in the object as it is in the file."""

from __future__ import annotations

import re

from daulat.manifest.paths import Path, dotted

from .templates import Made

_MESSAGE = re.compile(
    r"^(?:[A-Z]{3}-[0-9]{2} )?(?P<field>[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+|\[\"[^\"]*\"\]|\[[0-9]+\])*): "
)


def field_of(message: str) -> str:
    """Return the field at the start of a refusal's sentence, or nothing where there is none."""
    found = _MESSAGE.match(message)
    return found["field"] if found else ""


def in_owner(made: Made, path: Path, field: str) -> tuple[Path, str]:
    """Return a made object's path and field as those of the object that it is made of."""
    if made.rendered:
        return made.path, dotted(made.path)
    if field == "spec" or field.startswith(("spec.", "spec[")):
        return (*made.spec_path, *path[1:]), dotted(made.spec_path) + field.removeprefix("spec")
    prefix = dotted(made.path)
    return (*made.path, *path), f"{prefix}.{field}" if prefix and field else field or prefix
