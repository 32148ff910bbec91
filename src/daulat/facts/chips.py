"""The ids of chips: which texts are one, when two are the same, and those of a device that a driver publishes.

NVIDIA's driver publishes a GPU's UUID (dra-driver-nvidia-gpu 0545e9e, 2026), Rebellions' a UUID and a serial number, Intel's for
Gaudi a serial number. AMD's (k8s-gpu-dra-driver 08bc729, 2026) and Huawei's (mind-cluster 776a2db, 2026-08-21) publish none: their
chips are seen by exporters alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from daulat.api.inventory import CHIP

_CHIP = re.compile(CHIP)
_IDS = ("uuid", "serial", "sid", "uniqueID")
_PARENT = "parentUUID"
_VIRTUAL = frozenset({"mig", "vfio", "amdgpu-partition"})
"""Types of devices whose own ids are no chip's. A UUID of a device that is passed through by VFIO is made up by the driver."""
_PLACEHOLDERS = frozenset(
    {
        "",
        "0",
        "NA",
        "N/A",
        "[N/A]",
        "NONE",
        "NULL",
        "UNKNOWN",
        "UNSPECIFIED",
        "NOT SUPPORTED",
        "[NOT SUPPORTED]",
        "ERROR",
    }
)
"""What drivers and exporters write where a chip has no such id."""


def canonical(chip: str) -> str:
    """Return the id as it is compared: some tools write the same UUID in upper case, and others in lower case."""
    return chip.strip().upper()


def usable(chip: str) -> bool:
    """Say whether the text tells one chip from others: no placeholder, not only zeros, and of a form that a list takes."""
    text = canonical(chip)
    return text not in _PLACEHOLDERS and bool(text.strip("0-:.")) and "," not in text and bool(_CHIP.match(text))


def ids_of(entry: str) -> tuple[str, ...]:
    """Return the ids of a chip as a list has them, as they are compared."""
    return tuple(canonical(chip) for chip in entry.split(","))


def device_ids(domain: str, attributes: Mapping[str, Mapping[str, object]]) -> str:
    """Return the ids of the chip that a device of a driver is, or is a part of, with commas between; empty where there is none."""
    text: dict[str, str] = {}
    for name in (*_IDS, _PARENT, "type"):
        value = attributes.get(name) or attributes.get(f"{domain}/{name}") or {}
        if isinstance(found := value.get("string"), str):
            text[name] = found
    if _PARENT in text:
        return text[_PARENT] if usable(text[_PARENT]) else ""
    if text.get("type") in _VIRTUAL:
        return ""
    return ",".join(dict.fromkeys(text[name] for name in _IDS if name in text and usable(text[name])))
