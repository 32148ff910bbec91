"""Sizing is compared with what others report of the same models on the same accelerators."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from daulat.api.accelerator import Precision
from daulat.catalog import accelerators
from daulat.catalog.models import models
from daulat.placement.sizing import Ask, size


class Reported(BaseModel):
    """One report, and how ours compares."""

    model_config = ConfigDict(extra="forbid")

    model: str
    accelerator: str
    precision: Precision | None = None
    context: int = 32768
    asked: int | None = None
    """The devices that are requested, where the report isn't of the fewest."""
    devices: int
    nodes: int
    tensor: int | None = None
    ours: str
    source: str = Field(alias="from")


REPORTED = [
    Reported.model_validate(row)
    for row in yaml.safe_load(Path(__file__).with_name("published.yaml").read_text(encoding="utf-8"))
]


def compared(ours: int, reported: int) -> str:
    return "same" if ours == reported else ("more" if ours > reported else "fewer")


@pytest.mark.parametrize("row", REPORTED, ids=lambda r: f"{r.model} {r.precision} {r.accelerator}")
def test_sizing_compares_with_what_others_report_as_the_table_says(row: Reported) -> None:
    profile = accelerators.shipped()[row.accelerator]
    ask = Ask(models()[row.model], row.accelerator, profile, row.precision, row.context, devices=row.asked)
    ours = size(ask)
    if row.ours == "unclear":
        assert ours.devices > row.devices
        return
    assert compared(ours.devices, row.devices) == row.ours, ours
    if row.ours == "same":
        assert ours.nodes == row.nodes
    if row.tensor is not None:
        assert ours.tensor_parallel == row.tensor
