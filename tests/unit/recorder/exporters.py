"""Metrics as the exporters write them, with their own names, labels and order."""

from __future__ import annotations

from pathlib import Path

METRICS = Path(__file__).parent / "metrics"
DCGM, NPU, AMD = ((METRICS / f"{name}.txt").read_text() for name in ("dcgm", "npu", "amd"))
