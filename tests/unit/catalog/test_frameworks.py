"""The map from controls to public frameworks names what exists, and forgets no control."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daulat.catalog.frameworks import Frameworks, frameworks
from daulat.controls import library

DATA = frameworks().model_dump()


def test_every_control_is_mapped_or_listed_as_unmapped_and_no_other_is() -> None:
    told = {c for m in frameworks().mappings for c in m.controls} | {*frameworks().unmapped}
    assert told == {c.id for c in library.controls()}


def test_no_control_relates_to_a_requirement_twice() -> None:
    pairs = [
        (c, f, r) for m in frameworks().mappings for c in m.controls for f, rs in m.requirements.items() for r in rs
    ]
    assert [p for p in pairs if pairs.count(p) > 1] == []


def test_what_the_preset_only_chose_itself_is_no_requirement() -> None:
    malaysia = next(f for f in frameworks().frameworks if f.name == "my-nccp")
    assert "zones.countries" in malaysia.titles
    assert "storage.volumeTypes" not in malaysia.titles


def mapping(**changes: Any) -> dict[str, Any]:
    return DATA | {"mappings": [DATA["mappings"][0] | changes, *DATA["mappings"][1:]]}


def framework(**changes: Any) -> dict[str, Any]:
    return DATA | {"frameworks": [DATA["frameworks"][0] | changes, *DATA["frameworks"][1:]]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (mapping(requirements={"nist-800-53": ["SA-99"]}), "isn't in nist-800-53"),
        (mapping(requirements={"soc-2": ["CC6.1"]}), "isn't in soc-2"),
        (mapping(relation="certifies"), "'implements', 'supports' or 'evidence'"),
        (mapping(controls=["USE-1"]), "should match pattern"),
        (
            framework(requirements=DATA["frameworks"][0]["requirements"] | {"A.9.1": "Access"}),
            "no identifiers such as A.9.1",
        ),
        (framework(requirements=DATA["frameworks"][0]["requirements"] | {"A.8.1": "User"}), "nothing relates to A.8.1"),
        (framework(read=None), "needs either a preset, or source"),
        (DATA | {"unmapped": {"USE-01": "none"}}, "mapped and unmapped: USE-01"),
    ],
)
def test_data_that_contradicts_itself_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Frameworks.model_validate(data)
    assert message in str(refused.value)
