"""Namespaces open when a policy's guard is there, and close before it goes."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission.ungoverned import UNGOVERNED
from daulat.facts.snapshot import Canary
from daulat.kube.ref import Ref
from daulat.reconcile.policy.ungoverned import KEY, selectors_in_force
from daulat.reconcile.registry import concerned, everything, reconcile
from daulat.reconcile.result import Apply
from tests.unit.world import World, child, policy

POLICY = Ref("SovereigntyPolicy", "", "confidential")
SELECTOR = {"matchLabels": {"daulat.dev/data-class": "confidential"}}
BINDING = {"spec": {"matchResources": {"namespaceSelector": SELECTOR}}}
KIND = "ValidatingAdmissionPolicy"


def guard(name: str = "confidential.pods.daulat.dev", **more: Any) -> list[dict[str, Any]]:
    """Return the guard of pods that the policy was compiled to, with its binding."""
    return [
        child(KIND, name, policy="confidential"),
        child(f"{KIND}Binding", name, policy="confidential", **{**BINDING, **more}),
    ]


def governs(world: World) -> list[dict[str, str]]:
    return [dict(s.match_labels or {}) for s in selectors_in_force(world.snapshot())]


def gitops(**status: Any) -> dict[str, Any]:
    return {**policy(enforcement={"source": "GitOps"}), **({"status": status} if status else {})}


def test_a_policy_that_is_only_written_down_governs_nothing_yet() -> None:
    assert governs(World()) == []


def test_a_policy_governs_once_its_guard_of_pods_is_bound() -> None:
    assert governs(World(children=guard())) == [SELECTOR["matchLabels"]]
    assert governs(World(children=guard()[:1])) == []
    assert governs(World(children=guard("confidential.models.daulat.dev"))) == []


def test_a_policy_on_trial_governs_too() -> None:
    assert governs(World(children=guard("confidential.pods.warn.daulat.dev"))) == [SELECTOR["matchLabels"]]


def test_a_policy_that_cant_be_read_governs_by_what_it_was_compiled_to() -> None:
    broken = policy(zones="MY")
    assert governs(World(policies=[broken], children=guard())) == [SELECTOR["matchLabels"]]


def test_a_policy_that_is_gone_governs_nothing_even_before_it_is_swept() -> None:
    assert governs(World(policies=[], children=guard())) == []


def test_what_gitops_applied_governs_for_as_long_as_it_is_there() -> None:
    theirs = [{**c, "metadata": {**c["metadata"], "annotations": {"daulat.dev/source": "GitOps"}}} for c in guard()]
    assert governs(World(policies=[], children=theirs)) == [SELECTOR["matchLabels"]]


@pytest.mark.parametrize(
    ("message", "refused", "found"),
    [("USE-04 ... revision 0123", True, 1), ("USE-04", True, 0), ("the API server answered 201", False, 0)],
)
def test_static_manifests_govern_once_a_canary_was_refused_by_them(message: str, refused: bool, found: int) -> None:
    canaries = {"confidential": Canary("treasury", refused, message, 0.0)}
    assert len(governs(World(policies=[gitops()], canaries=canaries))) == found


def test_static_manifests_go_on_governing_when_the_operator_starts_anew() -> None:
    told = {"conditions": [{"type": "Enforced", "status": "True"}]}
    assert len(governs(World(policies=[gitops(**told)]))) == 1


def test_the_guard_is_there_without_any_policy() -> None:
    world = World(policies=[], namespaces=[], models=[])
    assert KEY in list(everything(world.snapshot()))
    applied = [e.manifest for e in reconcile(KEY, world.snapshot(), 0.0).effects if isinstance(e, Apply)]
    assert [m["metadata"]["name"] for m in applied] == [UNGOVERNED, UNGOVERNED]


def test_namespaces_are_closed_before_a_policy_is_swept() -> None:
    keys = list(concerned(POLICY, World(policies=[], children=guard()).snapshot()))
    assert keys.index(KEY) < keys.index(POLICY)


def test_the_guard_is_put_back_when_somebody_changes_it() -> None:
    mine = child(KIND, UNGOVERNED)
    assert list(concerned(Ref(KIND, "", UNGOVERNED), World(children=[mine]).snapshot())) == [KEY]
    assert list(concerned(Ref(KIND, "", UNGOVERNED), World().snapshot())) == [KEY]
