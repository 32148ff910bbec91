"""Any pod that reaches a device, an unapproved image, an ineligible node or storage elsewhere is refused offline."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracle import DEVICE, reached
from .place import Place, a_pod
from .plants import IN_EPHEMERAL, IN_PODS, Plant
from .pods import containers, pods
from .rules import OPEN, STRICT, Manifest, Rules

BOTH = pytest.mark.parametrize("rules", [STRICT, OPEN], ids=lambda rules: rules.name)


def ways_round(rules: Rules) -> list[Plant]:
    """Return the ways that lead past these rules: where classes of devices are approved, a claim by name is none."""
    return [p for p in IN_PODS if not (rules.device_classes and p.name == "a resource claim")]


def mixture(data: st.DataObject, rules: Rules, most: int) -> Manifest:
    """Return a pod with so many ways round at most."""
    pod: Manifest = data.draw(pods(rules))
    for plant in data.draw(st.lists(st.sampled_from(ways_round(rules)), max_size=most)):
        plant.plant(data.draw, pod, rules)
    return pod


@BOTH
def test_a_pod_that_reaches_nothing_is_allowed(rules: Rules) -> None:
    place = Place(rules)

    @settings(max_examples=150)
    @given(pods(rules))
    def judge(pod: Manifest) -> None:
        pod = place.pinned(pod)
        assert reached(pod, rules) == frozenset()
        assert place.refusals(pod) == {}

    judge()


@pytest.mark.parametrize(
    ("rules", "plant"),
    [pytest.param(rules, p, id=f"{rules.name}: {p.name}") for rules in (STRICT, OPEN) for p in ways_round(rules)],
)
def test_a_pod_with_a_way_round_is_refused(rules: Rules, plant: Plant) -> None:
    place = Place(rules)

    @settings(max_examples=20)
    @given(st.data())
    def judge(data: st.DataObject) -> None:
        pod = data.draw(pods(rules))
        plant.plant(data.draw, pod, rules)
        pod = place.pinned(pod)
        assert plant.reaches in reached(pod, rules), "the oracle doesn't see it"
        refused = place.refusals(pod)
        assert refused
        assert not any(verdict.error for verdict in refused.values())

    judge()


@BOTH
def test_an_unpinned_pod_is_refused(rules: Rules) -> None:
    place = Place(rules)

    @settings(max_examples=40)
    @given(pods(rules))
    def judge(pod: Manifest) -> None:
        pod["spec"]["nodeSelector"] = {
            k: v for k, v in (pod["spec"].get("nodeSelector") or {}).items() if k != rules.pin
        }
        (verdict,) = place.refusals(pod).values()
        assert [v.partition(" ")[0] for v in verdict.violations] == ["USE-01"]

    judge()


@BOTH
def test_pods_of_any_mixture_are_refused_where_the_oracle_says_that_something_is_reached(rules: Rules) -> None:
    place, seen = Place(rules), Counter[str]()

    @settings(max_examples=200)
    @given(st.data())
    def judge(data: st.DataObject) -> None:
        pod = place.pinned(mixture(data, rules, 2))
        found, refused = reached(pod, rules), place.refusals(pod)
        seen["refused" if refused else "allowed"] += 1
        assert bool(refused) == bool(found)

    judge()
    assert min(seen["allowed"], seen["refused"]) > sum(seen.values()) / 5, seen


@BOTH
def test_a_pod_that_is_refused_is_never_left_out_by_the_screen(rules: Rules) -> None:
    """One way round at a time: what another control suspects hides nothing."""
    place, seen = Place(rules), Counter[str]()

    @settings(max_examples=300)
    @given(st.data())
    def judge(data: st.DataObject) -> None:
        pod = place.pinned(mixture(data, rules, 1))
        whole = place.refusals(pod)
        assert whole == Place(rules, screened=False).refusals(pod)
        seen["refused" if whole else "allowed"] += 1

    judge()
    assert min(seen["allowed"], seen["refused"]) > sum(seen.values()) / 5, seen


@BOTH
def test_an_ephemeral_container_with_a_way_round_is_refused(rules: Rules) -> None:
    place, seen = Place(rules), Counter[str]()
    old = place.pinned(a_pod())

    @settings(max_examples=100)
    @given(ephemeral_containers(rules))
    def judge(added: list[Manifest]) -> None:
        pod = {**old, "spec": {**old["spec"], "ephemeralContainers": added}}
        found, refused = reached(pod, rules), place.refusals(pod, old, "ephemeralcontainers")
        seen["refused" if refused else "allowed"] += 1
        assert bool(refused) == bool(found)

    judge()
    assert min(seen["allowed"], seen["refused"]) > sum(seen.values()) / 5, seen


@st.composite
def ephemeral_containers(draw: st.DrawFn, rules: Rules) -> list[Manifest]:
    """Return one or two, each with a way round or none."""
    found = []
    for i in range(draw(st.integers(1, 2))):
        container: dict[str, Any] = draw(containers(rules, f"e{i}", ephemeral=True))
        for plant in draw(st.lists(st.sampled_from(IN_EPHEMERAL), max_size=1)):
            plant.plant(draw, container, rules)
        found.append(container)
    return found


def test_the_oracle_knows_what_a_runtime_does_with_a_name() -> None:
    assert reached(Place(STRICT).pinned(a_pod(hostPID=True)), STRICT) == {DEVICE}
