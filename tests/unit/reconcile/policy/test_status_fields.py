"""What a policy's status names, and how long that gets."""

from __future__ import annotations

from typing import Any

from daulat.api.policy import GOVERNED, SovereigntyPolicyStatus
from daulat.api.status import read_status
from daulat.kube.ref import Ref
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import ApplyStatus
from tests.unit.world import World, namespace, policy

REF = Ref("SovereigntyPolicy", "", "confidential")
ONE = {"id": "USE-04", "guard": "pods", "action": "Enforce"}


def status(world: World) -> dict[str, Any]:
    (found,) = [e.status for e in reconcile_policy(REF, world.snapshot(), 0).effects if isinstance(e, ApplyStatus)]
    return found


def test_the_governed_namespaces_are_named_up_to_a_limit_and_counted_beyond_it() -> None:
    names = [f"ns-{n:03}" for n in range(GOVERNED + 5)]
    found = status(World(namespaces=[namespace(n) for n in reversed(names)]))
    assert found["namespaces"] == GOVERNED + 5
    assert found["governedNamespaces"] == names[:GOVERNED]


def test_controls_are_one_line_for_each_action() -> None:
    found = status(World(policies=[policy(controls={"SUP-08": "Warn", "USE-03": "Audit"})]))
    assert "controls" not in found
    told = found["controlsByAction"]
    assert "USE-04 (pods)" in told["enforce"]
    assert "USE-20 (annotations, bindings, models, pods)" in told["enforce"]
    assert "SUP-08 (models, pods)" in told["warn"]
    assert told["audit"] == "USE-03 (pods)"


def test_a_status_that_an_earlier_release_wrote_is_read_and_written_anew() -> None:
    before = read_status(SovereigntyPolicyStatus, {"revision": "r", "controls": [ONE]})
    assert before.controls is not None
    assert before.revision == "r"
    old = policy()
    old["status"] = {"revision": "r", "controls": [ONE]}
    assert "controls" not in status(World(policies=[old]))
