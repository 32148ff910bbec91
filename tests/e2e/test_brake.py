"""Much becomes ineligible at once, perhaps by mistake: a few pods are evicted and the rest is held, whoever leads and is killed."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dev.cluster import ClusterError
from dev.deployment import OperatorProcess, poll

from .between import Fault
from .faulty import Faulty
from .hall import Hall
from .world import Manifest, World, pod_manifest, policy_manifest, unique

AT_ONCE = {"gracePeriod": "1s", "limit": "100%"}


def _brake(own: Hall) -> Manifest:
    return dict(own.world.get("sovereigntypolicy", own.policy)["status"].get("brake") or {})


def _released(policy: str, batch: str) -> list[str]:
    patch = json.dumps({"spec": {"drift": {"release": batch}}})
    return ["patch", "sovereigntypolicy", policy, "--type=merge", f"--patch={patch}"]


def _seen(world: World, policy: str) -> Callable[[], bool]:
    """Return a question: whether the status is about the policy as it is now."""

    def seen() -> bool:
        found = world.get("sovereigntypolicy", policy)
        told = [c.get("observedGeneration") for c in found["status"]["conditions"]]
        return bool(told == [found["metadata"]["generation"]] * len(told))

    return seen


def test_at_most_a_share_is_evicted_and_the_rest_waits_for_somebody_who_governs(faulty: Faulty) -> None:
    world = faulty.world
    with faulty.hall(drift={"gracePeriod": "1s"}) as own:
        own.fill(10)
        own.close(*own.nodes)
        told = world.wait_reason("sovereigntypolicy", own.policy, "Upheld", "BrakeHeld")
        assert told["status"] == "False"
        poll("two pods to go", lambda: len(own.running()) == 8)
        found = _brake(own)
        assert {k: found[k] for k in ("limit", "evicted", "held")} == {"limit": 2, "evicted": 2, "held": 8}
        assert f'"release":"{found["batch"]}"' in told["message"]
        # Labels aren't held: they only keep new pods out.
        poll("the labels to be taken", lambda: own.eligible() == [])

        write = {"apiGroups": ["daulat.dev"], "resources": ["sovereigntypolicies"], "verbs": ["get", "patch"]}
        mallory = world.grant(unique("mallory"), write)
        with pytest.raises(ClusterError, match="MGD-07"):
            mallory.run(*_released(own.policy, found["batch"]))
        officer = world.grant(unique("officer"), {**write, "verbs": ["get", "patch", "govern"]})
        # Neither an older batch nor one that is still to come releases anything.
        for batch in ("2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"):
            officer.run(*_released(own.policy, batch))
            poll("the policy to be looked at", _seen(world, own.policy))
            assert (len(own.running()), _brake(own)["held"]) == (8, 8)
        officer.run(*_released(own.policy, found["batch"]))
        poll("the rest to go", lambda: not own.running())
        own.upheld("True")
        assert _brake(own)["evicted"] == 10


def _stages(own: Hall) -> list[dict[str, Any]]:
    """Return the requests at which the leader is killed, one for each node: before the API server has it, or after."""
    status = f"/sovereigntypolicies/{own.policy}/status$"
    pods = f"/namespaces/{own.namespace}/pods/"

    def charges(body: Manifest) -> bool:
        return bool((body["status"].get("brake") or {}).get("evicted"))

    return [
        {"method": "PATCH", "path": status, "body": charges},
        {"method": "PATCH", "path": status, "body": charges, "carried_out": True},
        {"method": "DELETE", "path": pods},
        {"method": "DELETE", "path": pods, "carried_out": True},
        {"method": "POST", "path": f"/namespaces/{own.namespace}/events"},
        {"method": "PATCH", "path": "/nodes/"},
        {"method": "PATCH", "path": "/nodes/", "carried_out": True},
    ]


def test_a_leader_that_is_killed_at_any_stage_evicts_nothing_twice_and_forgets_nothing(faulty: Faulty) -> None:
    operator = faulty.world.operator
    with faulty.hall(size=7, drift=AT_ONCE) as own:
        own.fill_each(2)
        stages = _stages(own)
        assert len(stages) == len(own.nodes)
        for node, stage in zip(own.nodes, stages, strict=True):
            carried_out = stage.pop("carried_out", False)
            what = {"after": operator.kill} if carried_out else {"before": operator.kill, "status": 503}
            with faulty.between.fault(**stage, **what, left=1) as fault:
                own.close(node)
                poll(f"the leader to be killed at {stage}", lambda f=fault: _killed(operator, f))  # type: ignore[misc]
            operator.start()
            poll("the pods to be evicted", lambda n=node: not own.running(n))  # type: ignore[misc]
        own.upheld("True")


def _killed(operator: OperatorProcess, fault: Fault) -> bool:
    return bool(fault.met) and not operator.pid


def test_a_leader_that_is_killed_while_it_puts_a_policy_in_force_leaves_no_gap(faulty: Faulty) -> None:
    world, operator = faulty.world, faulty.world.operator
    with world.governed() as (policy, namespace):
        kinds = r"/(validating|mutating)admissionpolic"
        for change in ({"SUP-01": "Warn"}, {"SUP-01": "Warn", "STO-07": "Audit"}):
            with faulty.between.fault("PATCH", rf"{kinds}.*/{policy}\.", after=operator.kill, left=1) as fault:
                world.admin.apply([policy_manifest(policy, controls=change)])
                poll("the leader to be killed", lambda f=fault: _killed(operator, f))  # type: ignore[misc]
            assert "USE-04 " in world.refusal(pod_manifest("p", namespace, nodeName="x"), "--dry-run=server")
            operator.start()
            poll("the policy to be looked at", _seen(world, policy))
            world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")


@pytest.fixture
def second(faulty: Faulty) -> Iterator[OperatorProcess]:
    """One more operator on the cluster; not started yet."""
    directory = faulty.world.operator.log.parent
    operator = OperatorProcess(faulty.world.cluster, directory, "operator-1", server=faulty.between.url)
    yield operator
    operator.stop(signal.SIGKILL)


def test_two_operators_have_one_brake_whichever_of_them_is_killed(faulty: Faulty, second: OperatorProcess) -> None:
    world, between, first = faulty.world, faulty.between, faulty.world.operator
    chance = random.Random(11)
    with faulty.hall(drift={"gracePeriod": "1s", "limit": "30%"}) as own:
        own.fill(20)
        second.start()
        start = len(between.asked)

        def evicted() -> int:
            return len({a.precondition for a in faulty.deletions(start, own.namespace)})

        def killed_during_evictions(leader: OperatorProcess, most: int) -> Callable[[], None]:
            at = evicted() + chance.randint(1, most)
            return lambda: leader.kill() if leader.pid and evicted() >= at else None

        deletions = f"/namespaces/{own.namespace}/pods/"
        with between.fault("DELETE", deletions, after=killed_during_evictions(first, 5)):
            own.close(*own.nodes)
            poll("the leader to be killed", lambda: not first.pid)
            poll("the other to lead", lambda: world.metric(second, "daulat_leader") == 1)
            passes = '"SovereigntyPolicy"'
            poll("its first pass", lambda: world.metric(second, "daulat_reconcile_total", passes) > 0)
            told = world.wait_reason("sovereigntypolicy", own.policy, "Upheld", "BrakeHeld")
            assert told["status"] == "False"
            found = _brake(own)
            assert (found["limit"], found["evicted"]) == (6, 6)
            assert 1 <= evicted() <= 6

        first.start()
        with between.fault("DELETE", deletions, after=killed_during_evictions(second, 8)):
            world.admin.run(*_released(own.policy, found["batch"]))
            poll("the other leader to be killed", lambda: not second.pid)
        poll("the first to lead again", lambda: world.metric(first, "daulat_leader") == 1)
        poll("the rest to go", lambda: not own.running())
        assert evicted() == 20
        own.upheld("True")
