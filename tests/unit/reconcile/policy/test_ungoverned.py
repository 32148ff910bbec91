"""Namespaces open when a policy's guard is there, and close before it goes."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission.ungoverned import UNGOVERNED, UNGOVERNED_MODELS
from daulat.api.frozen import FrozenDict
from daulat.api.meta import LabelSelector
from daulat.facts.snapshot import Canary, Proof
from daulat.kube.ref import Ref
from daulat.reconcile.policy.compiled import compiled
from daulat.reconcile.policy.ungoverned import KEY, selectors_in_force
from daulat.reconcile.registry import everything, reconcile
from daulat.reconcile.result import Apply
from tests.unit.world import World, child, policy, the_policy

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
    return [dict(s.match_labels or {}) for s in selectors_in_force(world.snapshot(), 0.0)]


def gitops(**status: Any) -> dict[str, Any]:
    return {**policy(enforcement={"source": "GitOps"}), **({"status": status} if status else {})}


def test_a_policy_that_is_only_written_down_governs_nothing_yet() -> None:
    assert governs(World(in_force=False)) == []


def test_a_policy_governs_once_its_guard_of_pods_is_bound() -> None:
    assert governs(World(in_force=False, children=guard())) == [SELECTOR["matchLabels"]]
    assert governs(World(in_force=False, children=guard()[:1])) == []
    assert governs(World(in_force=False, children=guard("confidential.models.daulat.dev"))) == []


def test_a_policy_on_trial_governs_too() -> None:
    assert governs(World(in_force=False, children=guard("confidential.pods.warn.daulat.dev"))) == [
        SELECTOR["matchLabels"]
    ]


def test_a_policy_that_cant_be_read_governs_by_what_it_was_compiled_to() -> None:
    broken = policy(zones="MY")
    assert governs(World(in_force=False, policies=[broken], children=guard())) == [SELECTOR["matchLabels"]]


def test_a_policy_that_is_gone_governs_nothing_even_before_it_is_swept() -> None:
    assert governs(World(in_force=False, policies=[], children=guard())) == []


def test_what_gitops_applied_governs_for_as_long_as_it_is_there() -> None:
    theirs = [{**c, "metadata": {**c["metadata"], "annotations": {"daulat.dev/source": "GitOps"}}} for c in guard()]
    assert governs(World(in_force=False, policies=[], children=theirs)) == [SELECTOR["matchLabels"]]


WIDER = LabelSelector(match_labels=FrozenDict({"daulat.dev/data-class": "restricted"}))
NARROW = LabelSelector(match_labels=FrozenDict({"daulat.dev/data-class": "confidential"}))


def proved(*answers: tuple[str, bool, bool]) -> World:
    """Return a world in which the canary had these answers: the message, whether it refused, and whether that is a proof."""
    world = World(in_force=False, policies=[gitops()])
    world.tries = [
        (
            "confidential",
            Canary("treasury", refused, message, 0.0),
            Proof("0123456789ab", 1, NARROW, 0.0) if proof else None,
        )
        for message, refused, proof in answers
    ]
    return world


def test_static_manifests_govern_once_a_canary_was_refused_by_them() -> None:
    assert governs(proved(("... revision 0123456789ab", True, True))) == [NARROW.match_labels]
    assert governs(proved(("... revision 0123456789ab", True, False))) == [], (
        "of another revision than the policy compiles to"
    )
    assert governs(proved(("the API server answered 201", False, False))) == []


def test_a_proof_ends_with_the_next_canary_that_another_revision_refuses_or_none() -> None:
    first = ("... revision 0123456789ab", True, True)
    assert governs(proved(first, ("... revision 0123456789ab", True, False))) == [NARROW.match_labels]
    assert governs(proved(first, ("... revision ba9876543210", True, False))) == []
    assert governs(proved(first, ("the API server answered 201", False, False))) == []


def test_a_policy_that_selects_more_opens_nothing_before_that_is_proved() -> None:
    """GOV-01 would open namespaces in which only the revision of before governs nothing."""
    world = proved(("... revision 0123456789ab", True, True))
    world.policies[0]["spec"]["namespaceSelector"] = WIDER.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert governs(world) == [NARROW.match_labels]


def test_static_manifests_go_on_governing_when_the_operator_starts_anew_if_the_policy_is_as_it_was_proved() -> None:
    raw = gitops()
    compiled_to = compiled(
        the_policy(World(in_force=False, policies=[raw]).snapshot()),
        World(in_force=False, policies=[raw]).snapshot(),
        0.0,
    ).revision
    enforced = {"type": "Enforced", "status": "True", "observedGeneration": 1}
    told = {"revision": compiled_to, "conditions": [enforced]}
    assert len(governs(World(in_force=False, policies=[gitops(**told)]))) == 1
    assert governs(World(in_force=False, policies=[gitops(**{**told, "revision": "0123456789ab"})])) == []
    assert (
        governs(
            World(in_force=False, policies=[gitops(**{**told, "conditions": [{**enforced, "observedGeneration": 0}]})])
        )
        == []
    )


def test_the_guard_is_there_without_any_policy() -> None:
    world = World(in_force=False, policies=[], namespaces=[], models=[])
    assert KEY in list(everything(world.snapshot()))
    applied = [e.manifest for e in reconcile(KEY, world.snapshot(), 0.0).effects if isinstance(e, Apply)]
    assert [m["metadata"]["name"] for m in applied] == [UNGOVERNED] * 2 + [UNGOVERNED_MODELS] * 2


def test_namespaces_are_closed_before_a_policy_is_swept() -> None:
    keys = World(in_force=False, policies=[], children=guard()).woken("SovereigntyPolicy", policy(), gone=True)
    assert keys.index(KEY) < keys.index(POLICY)


@pytest.mark.parametrize("name", [UNGOVERNED, UNGOVERNED_MODELS])
def test_a_guard_is_put_back_when_somebody_changes_it(name: str) -> None:
    mine = child(KIND, name)
    changed = {**mine, "metadata": {**mine["metadata"], "generation": 2}}
    assert World(in_force=False, children=[mine]).woken(KIND, changed) == [KEY]
    assert World(in_force=False).woken(KIND, mine, gone=True) == [KEY]
