"""What a node, its chips, its zone and other statements show against a statement."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.zone import SovereignZoneSpec
from daulat.attestation.matching import chip_mismatch, contradiction, node_mismatch, zone_contradiction
from tests.unit.attestation.statements import OTHER_UUID, UUID, chip, statement
from tests.unit.world import zone

ZONE = SovereignZoneSpec.model_validate(zone()["spec"])
CHIPS = statement(chips=[chip("GPU-1"), chip("GPU-2")]).predicate.chips


def test_a_node_is_told_by_its_system_uuid_and_its_name() -> None:
    assert node_mismatch(statement(), "h1", UUID) == ""
    assert "reports no system UUID" in node_mismatch(statement(), "h1", "")
    assert OTHER_UUID in node_mismatch(statement(), "h1", OTHER_UUID)
    assert "attested of node h1" in node_mismatch(statement(), "h2", UUID)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ([], ""),
        ([("GPU-1",), ("GPU-2",)], ""),
        ([("GPU-1", "serial-1"), ("GPU-2", "serial-2")], ""),
        ([("gpu-1",), ("gpu-2",), ("gpu-2",)], ""),
        ([("GPU-1",), ("GPU-2",), ("GPU-3",)], "shows the chip GPU-3, which its attestation doesn't name"),
        ([("GPU-1",)], "doesn't show the chip GPU-2 (NVIDIA H20), which its attestation names"),
        ([("GPU-1",), ("GPU-3",)], "shows the chip GPU-3, which its attestation doesn't name"),
    ],
)
def test_chips_are_those_that_are_attested(seen: list[tuple[str, ...]], found: str) -> None:
    assert chip_mismatch(CHIPS, seen) == found
    assert chip_mismatch((), seen) == "", "nothing is stated of them"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"facility": {"country": "SG"}}, "SG"),
        ({"facility": {"name": "DC 2"}}, "DC 2"),
        ({"facility": {"zone": "elsewhere"}}, "elsewhere"),
        ({"operator": "Another Ltd"}, "Another Ltd"),
        ({"operator": "Example Sdn Bhd", "facility": {"zone": "cyberjaya-1"}}, ""),
    ],
)
def test_a_zones_record_is_contradicted_by_name(changes: dict[str, Any], found: str) -> None:
    why = zone_contradiction(statement(**changes), "cyberjaya-1", ZONE)
    assert (found in why) if found else why == ""


def test_two_statements_contradict_each_other_in_what_both_say() -> None:
    assert contradiction(statement(), statement(serialNumber="2")) == ""
    assert contradiction(statement(), statement(facility={"zone": "cyberjaya-1"})) == "", "one says nothing of it"
    assert "country MY and the other SG" in contradiction(statement(), statement(facility={"country": "SG"}))
    one, other = (statement(tpm={"ekDigest": f"sha256:{digit * 64}"}) for digit in "01")
    assert "TPM" in contradiction(one, other)
