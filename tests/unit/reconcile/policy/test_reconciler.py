"""A policy is put in force, proved, and cleaned up after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daulat.api.meta import LabelSelector
from daulat.facts.snapshot import Canary, Proof
from daulat.kube.ref import Ref
from daulat.reconcile.policy.canary import PATIENCE, canary_pod
from daulat.reconcile.policy.reconciler import RECHECK, RETRY, TAKEN_UP, reconcile_policy
from daulat.reconcile.policy.ungoverned import KEY
from daulat.reconcile.result import Apply, ApplyStatus, Delete, DryRunPod, EmitEvent, Result
from tests.unit.world import OPERATOR_NAMESPACE, World, child, exemption, namespace, policy

REF = Ref("SovereigntyPolicy", "", "confidential")
NOW = 1_800_000_000.0

# In the order of their names; they are removed in the opposite one.
PAIRS = [
    "MutatingAdmissionPolicy",
    "ValidatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicyBinding",
]


def run(world: World, now: float = NOW) -> Result:
    return reconcile_policy(REF, world.snapshot(), now)


def of(result: Result, kind: type) -> list[Any]:
    return [e for e in result.effects if isinstance(e, kind)]


def status(result: Result) -> dict[str, Any]:
    (found,) = of(result, ApplyStatus)
    written: dict[str, Any] = found.status
    return written


def condition(result: Result, type_: str = "Enforced") -> tuple[str, str]:
    found = next(c for c in status(result)["conditions"] if c["type"] == type_)
    return found["status"], found["reason"]


def revision(world: World) -> str:
    return str(status(run(world))["revision"])


def canary(message: str, refused: bool = True, at: float = NOW, where: str = "treasury") -> dict[str, Canary]:
    opened = Canary(where, False, "the API server answered 201", at)
    return {"confidential": Canary(where, refused, message, at), "confidential/ungoverned": opened}


def proved(world: World, at: float = NOW) -> World:
    world.canaries = canary(f"USE-04 ... revision {revision(world)}", at=at)
    return world


def test_a_policy_is_applied_and_counted() -> None:
    result = run(World())
    assert of(result, Apply)
    assert (status(result)["namespaces"], status(result)["eligibleNodes"]) == (1, 3)
    assert condition(result, "Compiled") == ("True", "Applied")
    assert condition(result, "ScopeTamperable") == ("False", "SelectsProtectedLabels")


def test_nothing_is_written_where_nothing_changed() -> None:
    world = proved(World())
    world.with_status_of(run(world).effects)
    again = run(world, NOW + 10)
    assert {type(e) for e in again.effects} == {Apply}
    assert again.requeue_after == RECHECK


def test_a_policy_that_wasnt_tried_yet_is_tried_and_not_called_enforced() -> None:
    result = run(World())
    asked = [(p.policy, p.pod["metadata"]["namespace"]) for p in of(result, DryRunPod)]
    assert asked == [("confidential", "treasury"), ("confidential/ungoverned", "treasury")]
    assert condition(result) == ("Unknown", "CanaryPending")


def test_a_refusal_by_the_current_revision_is_the_proof() -> None:
    result = run(proved(World()))
    assert condition(result) == ("True", "CanaryRefused")
    assert of(result, DryRunPod) == []


def test_a_policy_is_not_called_enforced_while_its_namespaces_are_closed() -> None:
    world = proved(World())
    message = "ValidatingAdmissionPolicy 'ungoverned.cluster.daulat.dev' denied request: GOV-01 metadata.namespace"
    world.canaries["confidential/ungoverned"] = Canary("treasury", True, message, NOW)
    result = run(world)
    assert condition(result) == ("Unknown", "CanaryPending")
    assert len(of(result, DryRunPod)) == 2
    assert result.requeue_after == PATIENCE


def test_what_all_policies_share_is_looked_at_after_each() -> None:
    assert KEY in run(World()).enqueue


def test_a_refusal_by_an_older_revision_proves_nothing() -> None:
    result = run(World(canaries=canary("USE-04 ... revision 000000000000")))
    assert condition(result) == ("Unknown", "CanaryPending")
    assert of(result, DryRunPod)


def test_a_refusal_by_somebody_else_proves_nothing() -> None:
    assert condition(run(World(canaries=canary("exceeded quota")))) == ("Unknown", "CanaryPending")


def test_a_canary_without_a_verdict_is_tried_again_within_seconds() -> None:
    failed = Canary("treasury", False, "", NOW, error="failed calling webhook")
    world = World(canaries={**canary(""), "confidential": failed})
    result = run(world, NOW + 5)
    assert condition(result) == ("Unknown", "CanaryFailed")
    assert of(result, DryRunPod) == []
    assert result.requeue_after == pytest.approx(RETRY - 5, abs=0.5)
    assert of(run(world, NOW + 5 + (result.requeue_after or 0)), DryRunPod)


def test_a_canary_that_was_let_in_is_told_once_a_new_policy_had_time_to_come_into_force() -> None:
    """For a second or two the API server admits it: that is no Warning with every new policy."""
    world = World(canaries=canary("created", refused=False))
    first = run(world)
    assert condition(first) == ("Unknown", "CanaryPending")
    assert of(first, DryRunPod)
    assert [e for e in of(first, EmitEvent) if e.reason.startswith("Canary")] == []
    world.with_status_of(first.effects)
    world.canaries = canary("created", refused=False, at=NOW + 1)
    assert of(run(world, NOW + TAKEN_UP - 1), ApplyStatus) == [], "it is still so"
    late = run(world, NOW + TAKEN_UP)
    assert condition(late) == ("False", "CanaryAdmitted")
    assert "Warning" in {e.type for e in of(late, EmitEvent) if e.reason == "CanaryAdmitted"}
    assert of(late, DryRunPod)


def test_a_canary_that_is_let_in_by_a_policy_in_force_is_told_at_once() -> None:
    world = proved(World(), at=NOW)
    world.with_status_of(run(world).effects)
    world.canaries = canary("created", refused=False)
    assert condition(run(world, NOW + 1)) == ("False", "CanaryAdmitted")


def test_a_policy_whose_pin_isnt_live_isnt_called_enforced() -> None:
    world = World()
    world.canaries = canary(f"USE-01 spec.nodeSelector: ... revision {revision(world)}")
    assert condition(run(world)) == ("Unknown", "CanaryPending")


def test_a_proof_is_asked_for_again_after_a_while_and_stands_until_then() -> None:
    result = run(proved(World(), at=NOW - RECHECK))
    assert condition(result) == ("True", "CanaryRefused")
    assert of(result, DryRunPod)


def test_a_proof_from_a_namespace_that_isnt_governed_any_more_is_asked_for_again() -> None:
    world = World()
    world.canaries = canary(f"revision {revision(world)}", where="elsewhere")
    assert of(run(world), DryRunPod)


@pytest.mark.parametrize("namespaces", [[], [namespace(other="1")], [namespace(terminating=True)]])
def test_a_policy_that_governs_nothing_has_nowhere_to_try(namespaces: list[dict[str, Any]]) -> None:
    result = run(World(namespaces=namespaces))
    assert condition(result) == ("Unknown", "NoGovernedNamespace")
    assert of(result, DryRunPod) == []


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_a_policy_that_only_warns_is_never_called_enforced(action: str) -> None:
    world = World(policies=[policy(action=action)])
    result = run(proved(world))
    assert condition(result) == ("False", "NotEnforcing")
    assert of(result, DryRunPod) == []


def test_a_policy_that_is_gone_is_cleaned_up_bindings_first() -> None:
    made = [child(kind, "confidential.pods.daulat.dev", policy="confidential") for kind in PAIRS]
    made += [child("ValidatingAdmissionPolicy", "other", policy="other")]
    kinds = [e.ref.kind for e in of(run(World(policies=[], children=made)), Delete)]
    assert kinds == PAIRS[::-1]


def test_a_policy_that_only_warns_from_now_on_refuses_no_pod_that_is_not_pinned_any_more() -> None:
    made = [child(kind, f"confidential.{kind[0]}.daulat.dev", policy="confidential") for kind in PAIRS]
    result = run(World(in_force=False, policies=[policy(action="Audit")], children=made))
    assert [e.ref.kind for e in of(result, Delete)] == PAIRS[::-1]


def test_what_the_policy_does_not_call_for_any_more_is_deleted_and_the_rest_kept() -> None:
    made = [
        child("ValidatingAdmissionPolicy", name, policy="confidential")
        for name in ("confidential.pods.daulat.dev", "confidential.pods.warn.daulat.dev")
    ]
    assert [e.ref.name for e in of(run(World(children=made)), Delete)] == ["confidential.pods.warn.daulat.dev"]


def test_the_new_policy_is_applied_before_the_old_one_is_deleted() -> None:
    made = [child("ValidatingAdmissionPolicy", "confidential.pods.warn.daulat.dev", policy="confidential")]
    kinds = [type(e) for e in run(World(children=made)).effects]
    assert kinds.index(Delete) > max(i for i, k in enumerate(kinds) if k is Apply)


def keeps_what_is_in_force(world: World, reason: str) -> dict[str, Any]:
    world.children = [child("ValidatingAdmissionPolicy", "confidential.pods.warn.daulat.dev", policy="confidential")]
    world.policies[0]["status"] = {"revision": "abc", "namespaces": 7}
    result = run(world)
    assert {type(e).__name__ for e in result.effects} == {"ApplyStatus", "EmitEvent"}
    assert condition(result) == ("False", reason)
    assert status(result)["revision"] == "abc"
    world.with_status_of(result.effects)
    assert run(world, NOW + 60).effects == ()
    return status(result)


@pytest.mark.parametrize("name", ["kube-system", OPERATOR_NAMESPACE])
def test_a_policy_that_selects_a_protected_namespace_keeps_what_was_in_force(name: str) -> None:
    told = keeps_what_is_in_force(World(namespaces=[namespace(), namespace(name)]), "ProtectedNamespace")
    assert f"selects {name}" in told["conditions"][0]["message"]


def test_a_policy_that_cant_be_read_keeps_what_was_in_force() -> None:
    told = keeps_what_is_in_force(World(policies=[policy(zones={"countries": ["x"]})]), "Invalid")
    assert "spec.zones.countries.0" in told["conditions"][0]["message"]


def test_a_policy_that_is_refused_keeps_its_status_byte_for_byte() -> None:
    stood = {"revision": "0123", "drift": [{"node": "a1", "rack": "r1"}], "brake": "a later form", "mood": "good"}
    for refused in (policy(zones={"countries": ["x"]}), policy(controls={"XXX-99": "Off"})):
        told = status(run(World(policies=[refused | {"status": stood}])))
        assert {k: v for k, v in told.items() if k not in ("conditions", "observedGeneration")} == stood


def test_a_policy_that_names_an_unknown_control_keeps_what_was_in_force() -> None:
    told = keeps_what_is_in_force(World(policies=[policy(controls={"XXX-99": "Off"})]), "Invalid")
    assert "XXX-99 is not a control" in told["conditions"][0]["message"]


def test_an_expired_exemption_leaves_no_trace() -> None:
    plain = revision(World())
    soon = World(exemptions=[exemption(controls=["USE-04"], expiresAt="2027-01-15T08:00:01Z")])
    assert revision(soon) != plain
    assert str(status(run(soon, NOW + 1))["revision"]) == plain


def test_an_exemption_that_cant_be_read_exempts_nobody() -> None:
    assert revision(World(exemptions=[exemption(expiresAt="soon")])) == revision(World())


def test_a_missing_profile_is_told() -> None:
    result = run(World(policies=[policy(accelerators={"profiles": ["acme"]})]))
    assert condition(result, "Compiled") == ("False", "ProfileNotFound")


def test_a_selector_over_labels_that_anybody_may_write_is_told() -> None:
    loose = policy(namespaceSelector={"matchLabels": {"team": "a"}})
    assert condition(run(World(policies=[loose])), "ScopeTamperable") == ("True", "SelectsUnprotectedLabels")


@pytest.mark.parametrize("expression", [{"operator": "NotIn", "values": ["public"]}, {"operator": "DoesNotExist"}])
def test_a_scope_that_is_left_only_by_a_guarded_label_is_nobodys_to_change(expression: dict[str, object]) -> None:
    """Other than with nodes, what has no labels is governed: a namespace has to be given a label to get out."""
    wide = policy(namespaceSelector={"matchExpressions": [{"key": "daulat.dev/data-class", **expression}]})
    assert condition(run(World(policies=[wide])), "ScopeTamperable") == ("False", "SelectsProtectedLabels")


def test_a_refused_manifest_is_told() -> None:
    assert condition(run(World(obstacles={REF: "no"})), "Compiled") == ("False", "ApplyFailed")


def test_a_policy_is_compiled_again_as_soon_as_its_exemption_ends() -> None:
    soon = World(exemptions=[exemption(controls=["USE-04"], expiresAt="2027-01-15T08:00:05Z")])
    after = run(soon, NOW).requeue_after
    assert after is not None
    assert after < 6


def test_a_proof_from_before_a_policy_only_warned_proves_nothing_after_it() -> None:
    """The revision is the same again, and the API server takes a second or two to refuse again."""
    world = proved(World())
    world.with_status_of(run(world).effects)
    (before,) = world.policies
    world.policies = [policy(action="Warn")]
    world.policies[0]["status"] = before["status"]
    world.with_status_of(run(world, NOW + 2).effects)
    world.policies[0]["spec"]["action"] = "Enforce"
    back = run(world, NOW + 5)
    assert condition(back) == ("Unknown", "CanaryPending")
    assert of(back, DryRunPod), "it is tried again"
    world.with_status_of(back.effects)
    # A try without a verdict doesn't bring the old proof back.
    found = world.canaries["confidential"]
    number = found.message.rpartition(" ")[2]
    old = Proof(number, 1, LabelSelector(), NOW)
    world.tries = [("confidential", found, old), ("confidential", replace(found, at=NOW + 6, error="webhook"), None)]
    assert condition(run(world, NOW + 6)) == ("Unknown", "CanaryFailed")
    world.tries.append(("confidential", replace(found, at=NOW + 7), None))
    assert condition(run(world, NOW + 7)) == ("True", "CanaryRefused")


def test_the_canary_is_refused_by_nothing_but_the_policy() -> None:
    """OpenShift refuses users that aren't the namespace's, and names of nodes that don't exist, before policies are evaluated."""
    pod = canary_pod("confidential", "treasury")["spec"]
    assert "nodeName" not in pod
    assert "runAsUser" not in pod["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
