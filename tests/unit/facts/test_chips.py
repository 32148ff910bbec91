"""Which texts are ids of chips, and which chip a driver's device is."""

from __future__ import annotations

import pytest

from daulat.facts.chips import canonical, device_ids, ids_of, usable
from daulat.facts.devices import parse_slice
from tests.unit.world import device, offered

GPU = "GPU-5c89852c-d268-7cf4-cb0e-4a5ef5a1b1f4"
PARENT = "GPU-0d8f4c6e-19e6-2c55-8c5b-93ae3ac7a0f1"


@pytest.mark.parametrize("text", [GPU, "1654324035001", "185011D4-21104518-A0C4ED94-14CC040A-56102003", "692409005408"])
def test_serial_numbers_and_uuids_are_ids(text: str) -> None:
    assert usable(text)


@pytest.mark.parametrize(
    "text", ["", " ", "0", "N/A", "[N/A]", "unknown", "Not Supported", "0000-0000", "ab", "a b c", "abc,abd", "x" * 80]
)
def test_what_exporters_write_for_no_id_is_none(text: str) -> None:
    assert not usable(text)


def test_ids_are_compared_without_case() -> None:
    assert canonical(" gpu-5C89 ") == "GPU-5C89"
    assert ids_of("16543,gpu-a1") == ("16543", "GPU-A1")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"type": "gpu", "uuid": GPU}, GPU),
        ({"gpu.nvidia.com/uuid": GPU}, GPU),
        ({"type": "mig", "uuid": "MIG-1234", "parentUUID": PARENT}, PARENT),
        ({"type": "mig", "uuid": "MIG-1234"}, ""),
        ({"type": "vfio", "uuid": "made-up-by-the-driver"}, ""),
        ({"uuid": "abc-1", "sid": "RBLN-77"}, "abc-1,RBLN-77"),
        ({"serial": "AM1234", "uuid": "N/A"}, "AM1234"),
        ({"type": "gpu", "productName": "AMD Instinct MI300X"}, ""),
        ({"type": "mig", "parentUUID": "N/A"}, ""),
    ],
)
def test_a_device_is_a_chip_or_a_part_of_one(attributes: dict[str, str], expected: str) -> None:
    assert device_ids("gpu.nvidia.com", {k: {"string": v} for k, v in attributes.items()}) == expected


def test_an_id_that_is_no_text_is_none() -> None:
    assert device_ids("gpu.nvidia.com", {"uuid": {"int": 7}}) == ""


def test_a_slice_keeps_the_ids_in_one_text() -> None:
    found = parse_slice(offered("n", device("1"), {"name": "network"}, device("2")))
    assert found.chips == "GPU-1\n\nGPU-2"
    assert list(found.sightings()) == [("GPU-1", "n"), ("GPU-2", "n")]
    assert parse_slice(offered("n", {"name": "network"}, {"name": "other"})).chips == ""
