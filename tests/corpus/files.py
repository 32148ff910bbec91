"""Reads the corpus: every control's own examples, and the cases of the YAML files beside this module.

A file holds one document a guard. In it, rows multiply a case (a row's ``since`` is its case's), ``{digest}`` stands for an image
digest and ``{released}`` for the operator's own image, ``{$times: 3, $of: ...}`` in a list for three items
(``{i}`` is the item's number), and ``{$text: x, $times: 3}`` for a text that repeats.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from daulat.admission.cluster import RELEASED
from daulat.controls import library
from tests.requests import base_object, merge

from .case import Case, Written, of_example, of_file

FOLDER = Path(__file__).parent
DIGEST = "@sha256:" + "0" * 64


@cache
def cases() -> tuple[Case, ...]:
    """Return every case. Raises ValueError with the file's name where one is malformed, or a name is there twice."""
    found = [of_example(c, e) for c in library.controls() for e in c.examples]
    for path in sorted(FOLDER.glob("*.yaml")):
        try:
            for content in yaml.load_all(path.read_text(), yaml.CSafeLoader):
                found += _read(content)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error
    names = [case.name for case in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"these names are there twice: {', '.join(sorted(twice))}")
    return tuple(found)


def filled(value: Any, row: dict[str, Any]) -> Any:
    """Return the value with a row's values in it, and with what repeats written out."""
    if isinstance(value, str):
        return _text(value, row)
    if isinstance(value, list):
        return [item for written in value for item in _items(written, row)]
    if isinstance(value, dict):
        if "$text" in value:
            return filled(value["$text"], row) * int(filled(value["$times"], row))
        return {filled(key, row): filled(item, row) for key, item in value.items()}
    return value


def _read(content: dict[str, Any]) -> list[Case]:
    found = []
    for raw in content["cases"]:
        for row in raw.get("rows", [{}]):
            own = {"since": row["since"]} if "since" in row else {}
            written = Written.model_validate(filled({k: v for k, v in raw.items() if k != "rows"} | own, _whole(row)))
            if written.container is not None:
                written = written.model_copy(update={"object": _with_container(content["guard"], written)})
            found.append(of_file(content["guard"], written))
    return found


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    known = {"digest": DIGEST, "released": RELEASED.image}
    return {**known, **filled(row, known)}


def _with_container(guard: str, written: Written) -> dict[str, Any]:
    (own,) = base_object(guard, written.resource)["spec"]["containers"]
    result: dict[str, Any] = merge(written.object, {"spec": {"containers": [merge(own, written.container)]}})
    return result


def _items(written: Any, row: dict[str, Any]) -> list[Any]:
    if isinstance(written, dict) and "$of" in written:
        return [filled(written["$of"], {**row, "i": i}) for i in range(int(filled(written["$times"], row)))]
    return [filled(written, row)]


def _text(value: str, row: dict[str, Any]) -> Any:
    for key, item in row.items():
        if value == f"{{{key}}}":
            return item
        if f"{{{key}}}" in value:
            value = value.replace(f"{{{key}}}", str(item))
    return value
