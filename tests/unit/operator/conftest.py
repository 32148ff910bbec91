"""What tests of the operator share: a clock that jumps, and policies that are compiled once for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission import policy
from daulat.api.digest import digest

from .virtual import VirtualTime

_COMPILED: dict[str, Any] = {}


def _compile_once(
    name: str, spec: Any, profiles: Any, exemptions: Any, protected: Any, zones: Any, cluster: Any
) -> Any:
    parts = [
        name,
        spec.model_dump(mode="json"),
        {n: p.model_dump(mode="json") for n, p in profiles.items()},
        [e.model_dump(mode="json") for e in exemptions],
        list(protected),
        {n: z.model_dump(mode="json") for n, z in zones.items()},
        repr(cluster),
    ]
    key = digest(parts)
    if key not in _COMPILED:
        _COMPILED[key] = policy.compile_policy(name, spec, profiles, exemptions, protected, zones, cluster)
    return _COMPILED[key]


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the clock of the loop, and compile each policy once: that takes a tenth of a second, and hundreds of tests do it."""
    monkeypatch.setattr("daulat.operator.leader.time", VirtualTime)
    monkeypatch.setattr("daulat.reconcile.policy.compiled.compile_policy", _compile_once)
