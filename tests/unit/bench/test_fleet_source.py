"""bench-fleet measures other checkouts too: those whose policies have no limit to evictions are measured without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.fleet.world import has_drift_limit
from dev.deployment import ROOT


def crd(*fields: str) -> dict[str, Any]:
    drift = {"properties": {field: {"type": "string"} for field in fields}}
    schema = {"properties": {"spec": {"properties": {"drift": drift}}}}
    return {"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}


@pytest.mark.parametrize(("fields", "has"), [(("action", "gracePeriod"), False), (("action", "limit"), True)])
def test_the_limit_is_looked_for_in_the_kinds_of_the_checkout(
    tmp_path: Path, fields: tuple[str, ...], has: bool
) -> None:
    folder = tmp_path / "charts" / "daulat" / "crds"
    folder.mkdir(parents=True)
    (folder / "sovereigntypolicies.daulat.dev.yaml").write_text(yaml.safe_dump(crd(*fields)))
    assert has_drift_limit(tmp_path) is has


def test_this_checkout_has_the_kind_where_the_bench_looks_for_it() -> None:
    assert isinstance(has_drift_limit(ROOT), bool)
