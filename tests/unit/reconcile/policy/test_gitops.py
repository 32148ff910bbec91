"""With enforcement.source GitOps the operator applies and deletes nothing, and tells what differs."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.catalog.kubernetes import Pin, of_version
from daulat.facts.snapshot import Canary
from daulat.kube.ref import Ref
from daulat.reconcile.policy import gitops
from daulat.reconcile.policy.canary import PATIENCE
from daulat.reconcile.policy.compiled import compiled
from daulat.reconcile.policy.reconciler import RECHECK, reconcile_policy
from daulat.reconcile.result import Apply, ApplyStatus, Delete, DryRunPod, EmitEvent, Result
from tests.unit.world import World, child, policy, the_policy

REF = Ref("SovereigntyPolicy", "", "confidential")
NOW = 1_800_000_000.0
PODS = "confidential.pods.daulat.dev"


def world(**changes: Any) -> World:
    return World(in_force=False, policies=[policy(enforcement={"source": "GitOps"}, **changes)])


def run(found: World, now: float = NOW) -> Result:
    return reconcile_policy(REF, found.snapshot(), now)


def wanted(found: World) -> tuple[dict[str, Any], ...]:
    snapshot = found.snapshot()
    return gitops.manifests(the_policy(snapshot), compiled(the_policy(snapshot), snapshot, NOW))


def applied(found: World) -> World:
    """Put everything that the policy compiles to into the cluster, as the API server would send it."""
    for m in wanted(found):
        meta = {**m["metadata"], "uid": f"uid-{m['kind']}-{m['metadata']['name']}", "generation": 1}
        found.children.append({**m, "metadata": meta})
    return found


def proved(found: World) -> World:
    revision = wanted(found)[0]["metadata"]["annotations"]["daulat.dev/revision"]
    found.canaries = {
        "confidential": Canary("treasury", True, f"USE-04 ... revision {revision}", NOW),
        "confidential/ungoverned": Canary("treasury", False, "", NOW),
    }
    return found


def told(result: Result, type_: str = "Compiled") -> tuple[str, str, str]:
    (status,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    found = next(c for c in status["conditions"] if c["type"] == type_)
    return found["status"], found["reason"], found["message"]


def test_nothing_is_applied_and_nothing_is_deleted_whatever_is_in_the_cluster() -> None:
    left = [child("ValidatingAdmissionPolicy", "confidential.pods.warn.daulat.dev", policy="confidential")]
    states = [world(), applied(world()), world(action="Warn")]
    states += [World(in_force=False, policies=w.policies, children=[*w.children, *left]) for w in states]
    for state in states:
        assert not [e for e in run(state).effects if isinstance(e, Apply | Delete)]


def test_what_is_as_compiled_is_in_sync_and_proved_by_the_canary() -> None:
    result = run(proved(applied(world())))
    assert told(result)[:2] == ("True", "InSync")
    assert told(result, "Enforced")[:2] == ("True", "CanaryRefused")
    assert result.requeue_after == RECHECK


def test_the_canary_is_tried_for_what_gitops_applied() -> None:
    result = run(applied(world()))
    assert [e for e in result.effects if isinstance(e, DryRunPod)]
    assert result.requeue_after == PATIENCE


def test_what_is_missing_is_told_by_name_with_what_to_do_and_as_an_event() -> None:
    state = applied(world())
    gone = next(c for c in state.children if c["kind"].endswith("PolicyBinding") and c["metadata"]["name"] == PODS)
    state.children.remove(gone)
    result = run(state)
    status, reason, message = told(result)
    assert (status, reason) == ("False", "OutOfSync")
    assert message.startswith(
        f"ValidatingAdmissionPolicyBinding {PODS} is missing. Apply what daulat compile --kubernetes-version"
    )
    events = [e for e in result.effects if isinstance(e, EmitEvent) and e.reason == "OutOfSync"]
    assert [e.type for e in events] == ["Warning"]
    assert PODS in events[0].message


@pytest.mark.parametrize(
    ("version", "pin"), [("1.32", Pin.POD_NODE_SELECTOR), ("1.35", Pin.OPENSHIFT), ("1.36", Pin.MUTATING_POLICY)]
)
def test_the_command_is_for_the_version_and_the_pin_of_the_cluster(version: str, pin: Pin) -> None:
    state = world()
    state.capabilities = of_version(version, pin)
    command = f"daulat compile --kubernetes-version {version} --pin {pin} prints for revision"
    assert command in told(run(state))[2]


def test_a_loosened_spec_is_told() -> None:
    state = applied(world())
    for raw in state.children:
        if raw["kind"] == "ValidatingAdmissionPolicyBinding" and raw["metadata"]["name"] == PODS:
            raw["spec"] = {**raw["spec"], "validationActions": ["Audit"]}
    assert told(run(state))[2].startswith(f"ValidatingAdmissionPolicyBinding {PODS} has another spec")


def test_an_older_revision_is_told() -> None:
    old = applied(world())
    state = world(images={"registries": ["registry.example.my/"]})
    state.children = old.children
    assert "is of revision " in told(run(state))[2]


def test_what_is_not_part_of_it_any_more_is_told_and_left_alone() -> None:
    state = proved(applied(world()))
    state.children.append(
        child("ValidatingAdmissionPolicy", "confidential.pods.warn.daulat.dev", policy="confidential")
    )
    status, reason, message = told(run(state))
    assert (status, reason) == ("False", "OutOfSync")
    assert "confidential.pods.warn.daulat.dev isn't part of it any more" in message


def test_a_long_list_is_cut_with_how_many_more_there_are() -> None:
    total = len(wanted(world()))
    assert f"; and {total - gitops.SAMPLE} more. Apply" in told(run(world()))[2]


def test_static_manifests_are_known_by_the_canary_where_no_object_is_there() -> None:
    status, reason, message = told(run(proved(world())))
    assert (status, reason) == ("True", "StaticManifests")
    assert "static manifests" in message
    # One object too few isn't static manifests.
    some = proved(applied(world()))
    some.children.pop()
    assert told(run(some))[:2] == ("False", "OutOfSync")


def test_a_cluster_that_waits_for_a_pipeline_is_not_tried_every_second() -> None:
    assert run(world()).requeue_after == gitops.PATIENCE


def test_a_missing_profile_is_told_where_nothing_drifted() -> None:
    state = applied(world(accelerators={"profiles": ["acme"]}))
    assert told(run(state))[:2] == ("False", "ProfileNotFound")


def test_an_old_refusal_by_the_api_server_is_no_news_under_gitops() -> None:
    state = applied(world())
    state.obstacles = {REF: "no"}
    assert told(run(state))[:2] == ("True", "InSync")


def test_switching_to_gitops_releases_nothing_and_is_in_sync_at_once() -> None:
    by_operator = World(in_force=False)
    by_gitops = world()
    by_gitops.children = applied(by_operator).children
    result = run(by_gitops)
    assert told(result)[:2] == ("True", "InSync")
    assert not [e for e in result.effects if isinstance(e, Apply | Delete)]


def test_switching_back_takes_over_with_the_same_revision() -> None:
    state = World(in_force=False, children=applied(world()).children)
    manifests = [e.manifest for e in run(state).effects if isinstance(e, Apply)]
    assert {m["metadata"]["annotations"]["daulat.dev/source"] for m in manifests} == {"Operator"}
    assert [m["spec"] for m in manifests] == [m["spec"] for m in wanted(world())]


@pytest.mark.parametrize(("source", "deleted"), [("Operator", True), ("GitOps", False), ("", True)])
def test_what_gitops_applied_outlives_its_policy_and_what_the_operator_applied_does_not(
    source: str, deleted: bool
) -> None:
    metadata = {"annotations": {"daulat.dev/source": source}}
    made = child("ValidatingAdmissionPolicy", PODS, policy="confidential", metadata=metadata)
    effects = run(World(in_force=False, policies=[], children=[made])).effects
    assert [type(e) for e in effects] == ([Delete] if deleted else [])
