"""Every status that these tests make a reconciler write is checked against the documentation of its reasons."""

from __future__ import annotations

import pytest
import yaml

from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.meta import ConditionedStatus
from daulat.api.status import read_status, write_status
from daulat.kube.ref import Ref
from daulat.reconcile.result import ApplyStatus


@pytest.fixture(autouse=True)
def every_reason_is_documented_for_its_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    write = ApplyStatus.__init__

    def checked(self: ApplyStatus, ref: Ref, uid: str, status: Manifest, decided: ConditionedStatus) -> None:
        for condition in status.get("conditions", ()):
            allowed = {str(r) for c in summarized(condition["type"], ref.kind) for r in reasons.reasons_of(c)}
            assert condition["reason"] in allowed, f"{ref.kind}: {condition['type']} has {condition['reason']}"
        # No value is a str of its own kind: PyYAML's safe dumper would refuse it.
        assert yaml.safe_load(yaml.safe_dump(status)) == status
        # What later decisions read is what is written.
        assert write_status(decided) == write_status(read_status(type(decided), status))
        write(self, ref, uid, status, decided)

    monkeypatch.setattr(ApplyStatus, "__init__", checked)


def summarized(condition: str, kind: str) -> tuple[reasons.ConditionType, ...]:
    """Return the conditions whose reasons this one may have: Ready has those of others."""
    found = reasons.CONDITIONS[condition]
    assert kind in found.kinds
    return reasons.conditions_of(kind) if found == reasons.READY else (found,)
