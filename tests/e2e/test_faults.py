"""Other people's webhooks fail, and so does the way to the API server: what is decided is done all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dev.deployment import poll

from .faulty import Faulty
from .stranger import FAILS, HANGS, rule, webhook
from .world import pod_manifest

AT_ONCE = {"gracePeriod": "1s", "limit": "100%"}
OPERATOR = "request.userInfo.username.startsWith('system:serviceaccount:daulat-system:')"
BY_NAME = "kubernetes.io/metadata.name"


def _in(*namespaces: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchExpressions": [{"key": BY_NAME, "operator": "In", "values": [*namespaces]}]}}


def _of(name: str, *conditions: str) -> dict[str, Any]:
    expression = " && ".join((f"request.name == '{name}'", *conditions))
    return {"matchConditions": [{"name": "one-object", "expression": expression}]}


def _refused(faulty: Faulty, namespace: str) -> bool:
    said = faulty.world.refusal(pod_manifest("probe", namespace), "--dry-run=server")
    return "failed calling webhook" in said


@pytest.mark.parametrize("behaves", [HANGS, FAILS])
def test_a_strangers_webhook_on_pods_stops_only_what_it_is_asked_about(faulty: Faulty, behaves: str) -> None:
    world = faulty.world
    with faulty.hall(drift=AT_ONCE) as hit, faulty.hall(drift=AT_ONCE) as free:
        hit.fill(2)
        free.fill(2)
        pods = [rule("", ["pods"], "CREATE", "DELETE")]
        with webhook(world, behaves, pods, **_in(hit.namespace)) as stranger:
            poll("the webhook to be asked", lambda: _refused(faulty, hit.namespace))
            hit.close(hit.nodes[0])
            free.close(*free.nodes)
            poll("the pods of others to be evicted", lambda: not free.running())
            poll("the labels to be taken", lambda: hit.eligible() == [hit.nodes[1]] and free.eligible() == [])
            world.wait_reason("sovereigntypolicy", hit.policy, "Upheld", "EvictionFailed")
            told = world.condition("sovereigntypolicy", hit.policy, "Upheld")["message"]
            assert "failed calling webhook" in told
            # The canary is refused by the policy before a webhook is asked.
            assert world.condition("sovereigntypolicy", hit.policy, "Enforced")["status"] == "True"
            assert stranger.asked
        poll("the pods to be evicted once the webhook is gone", lambda: not hit.running(hit.nodes[0]))
        hit.upheld("True")
        free.upheld("True")


@pytest.mark.parametrize("behaves", [HANGS, FAILS])
def test_while_a_mutating_webhook_fails_a_new_revision_has_no_proof_and_an_old_one_keeps_it(
    faulty: Faulty, behaves: str
) -> None:
    world = faulty.world
    pods = [rule("", ["pods"], "CREATE")]
    with faulty.hall(drift=AT_ONCE) as own, faulty.hall(drift=AT_ONCE) as other:
        own.fill(2)
        with webhook(
            world, behaves, pods, "MutatingWebhookConfiguration", **_in(own.namespace, other.namespace)
        ) as stranger:
            poll("the webhook to be asked", lambda: _refused(faulty, own.namespace))
            patch = json.dumps({"spec": {"controls": {"SUP-01": "Warn"}}})
            world.admin.run("patch", "sovereigntypolicy", own.policy, "--type=merge", f"--patch={patch}")
            told = world.wait_reason("sovereigntypolicy", own.policy, "Enforced", "CanaryFailed")
            assert told["status"] == "Unknown"
            assert "failed calling webhook" in told["message"]
            own.close(own.nodes[0])
            poll("the pods to be evicted all the same", lambda: not own.running(own.nodes[0]))
            own.upheld("True")
            assert world.condition("sovereigntypolicy", other.policy, "Enforced")["status"] == "True"
            assert stranger.asked
        world.wait_condition("sovereigntypolicy", own.policy, "Enforced", "True")


@pytest.mark.parametrize("behaves", [HANGS, FAILS])
def test_a_strangers_webhook_on_nodes_stops_no_policy(faulty: Faulty, behaves: str) -> None:
    world = faulty.world
    with faulty.hall(size=3, drift=AT_ONCE) as own:
        own.fill(3)
        first, second, third = own.nodes
        with webhook(world, behaves, [rule("", ["nodes"], "UPDATE")], **_of(first, OPERATOR)) as stranger:
            own.close(first, second)
            poll("the webhook to be asked", lambda: bool(stranger.asked))
            poll("the pods to be evicted all the same", lambda: not own.running(first, second))
            poll("the label of the other node to be taken", lambda: own.eligible() in ([first, third], [third]))
            own.upheld("True")
            with world.governed() as (policy, _):
                assert world.condition("sovereigntypolicy", policy, "Enforced")["status"] == "True"
            assert own.eligible() == [first, third]
        poll("the label to be taken once the webhook is gone", lambda: own.eligible() == [third])


@pytest.mark.parametrize("behaves", [HANGS, FAILS])
def test_where_a_strangers_webhook_lets_no_status_through_pods_are_evicted_all_the_same(
    faulty: Faulty, behaves: str
) -> None:
    world = faulty.world
    own_kinds = [rule("daulat.dev", ["*/*"], "CREATE", "UPDATE")]
    with faulty.hall(drift=AT_ONCE) as own:
        own.fill(2)
        policy = world.get("sovereigntypolicy", own.policy)
        with webhook(world, behaves, own_kinds, **_of(own.policy)) as stranger:
            own.close(own.nodes[0])
            poll("the pods to be evicted", lambda: not own.running(own.nodes[0]))
            poll("the label to be taken", lambda: own.eligible() == [own.nodes[1]])
            poll("the webhook to be asked", lambda: bool(stranger.asked))
            assert world.get("sovereigntypolicy", own.policy)["status"] == policy["status"]
        poll(
            "the status once the webhook is gone",
            lambda: world.get("sovereigntypolicy", own.policy)["status"].get("eligibleNodes") == 1,
        )
        own.upheld("True")
        told = world.get("sovereigntypolicy", own.policy)["status"]
        assert told["brake"]["evicted"] >= 1
