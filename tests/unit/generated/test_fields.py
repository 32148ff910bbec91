"""The reference of fields says of each field what its CRD and its model say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from daulat.api.crd import manifest
from daulat.api.kinds import KINDS, Kind
from dev import fieldtables
from tests.unit.test_docs import ROOT


def row(kind: str, field: str) -> list[str]:
    """Return the cells of a field's row in the reference."""
    page = fieldtables.written()[fieldtables.FOLDER / f"{kind.lower()}.md"]
    (found,) = [line for line in page.splitlines() if line.startswith(f"| `{field}` |")]
    return [cell.strip() for cell in found.strip("|").split(" | ")]


def paths(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}"
        if {"matchLabels", "matchExpressions"} != set(field.get("properties", ())):
            yield from paths(field, f"{path}{name}.")
            yield from paths(field.get("items", {}), f"{path}{name}[].")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_of_a_kind_has_a_row(kind: Kind) -> None:
    schema = manifest(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    page = (ROOT / fieldtables.FOLDER / f"{kind.kind.lower()}.md").read_text()
    wanted = {*paths(schema["spec"]), *paths(schema["status"])}
    assert len(wanted) > 5
    assert sorted(path for path in wanted if f"| `{path}` |" not in page) == []


def test_a_default_is_that_of_the_crd_or_of_the_model_which_reads_the_object() -> None:
    assert row("SovereigntyPolicy", "action")[1:3] == ["`Enforce` or `Warn` or `Audit`", "`Enforce`"]
    assert row("AcceleratorProfile", "devicesPerPackage")[1:3] == ["integer, 1 to 64", "`1`"]
    assert row("AcceleratorProfile", "namedUser")[2] == "`false`"


def test_a_required_field_says_so_and_a_list_has_its_bounds() -> None:
    assert row("SovereigntyExemption", "controls")[1:3] == ["list of string, 1 to 32 items", "required"]
    assert row("SovereigntyExemption", "reason")[1] == "string of 10 to 1024 characters"


def test_what_the_operator_writes_has_no_default() -> None:
    cells = row("SovereignZone", "observedGeneration")
    assert cells == ["`observedGeneration`", "integer", "The metadata.generation that this status was decided on."]
