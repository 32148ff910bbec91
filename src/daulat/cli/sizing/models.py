"""Which model ``daulat sizing`` is for: one of the catalogue, or one that a config.json or its fields describe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daulat.catalog.model_config import ConfigError, shape_of
from daulat.catalog.model_names import nearest
from daulat.catalog.models import ModelShape, models, named

from ..errors import fail

_FILE = "config.json"
_MAX_BYTES = 4 * 2**20


def model_of(asked: str, fields: Sequence[str], parameters: float | None) -> ModelShape:
    """Return the model of a name, a config.json, a directory that has one, or of a config.json's fields. Exits with 2 where there
    is none."""
    known, path = named(asked), Path(asked)
    found = path / _FILE if path.is_dir() else path
    # A folder that is called like a model, without more of a path, isn't taken for what was meant.
    if found.is_file() and (known is None or path.name != asked):
        name = found.resolve().parent.name if found.name == _FILE else found.stem
        return _described({**_read(found), **_given(fields)}, name, parameters, str(found))
    if path.is_dir() and known is None:
        fail(f"{path}: the directory has no {_FILE}")
    if fields:
        return _described(_given(fields), asked, parameters, "--set")
    if known is None:
        fail(_not_found(asked))
    return known if parameters is None else known.model_copy(update={"parameters": round(parameters)})


def _not_found(asked: str) -> str:
    near = nearest(asked, models())
    instead = f" (did you mean {near}?)" if near else ""
    return (
        f'model "{asked}" not found in the catalogue{instead}; daulat sizing --list shows its models, and the path of a '
        "config.json sizes another"
    )


def _described(config: Mapping[str, Any], name: str, parameters: float | None, where: str) -> ModelShape:
    try:
        return shape_of(config, name, round(parameters) if parameters is not None else None)
    except ConfigError as error:
        given = ": --parameters" if "has to be given" in str(error) else ""
        fail(f"{where}: {error}{given}")


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            fail(f"{path}: larger than {_MAX_BYTES} bytes, which no configuration of a model is")
        found = json.loads(path.read_bytes())
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    except ValueError as error:
        fail(f"{path}: not JSON: {error}")
    if not isinstance(found, dict):
        fail(f"{path}: not an object")
    return found


def _given(fields: Sequence[str]) -> dict[str, Any]:
    """Return fields as they would be in a config.json: values are JSON, or text where they are no JSON."""
    found: dict[str, Any] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not name or not equals:
            fail(f"--set {field}: expected FIELD=VALUE, such as num_hidden_layers=32")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
