"""The API server says of generated pods what the offline evaluator says, word for word, and lets none by that reaches anything.

What it takes is judged as it stores it: pinned, with its defaults.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from daulat.cel.evaluator import Verdict
from tests.corpus.server import Answer
from tests.corpus.words import same_words

from .oracle import reached
from .place import GovernedPlace, a_pod
from .plants import Plant
from .pods import pods
from .rules import Manifest
from .test_evaluator import ephemeral_containers, ways_round

pytestmark = pytest.mark.e2e
# To make an example smaller takes minutes here, and CI has to come to an end.
FOUND_AS_IS = (Phase.explicit, Phase.generate)


def test_a_new_pod_gets_the_same_verdict_and_the_same_words(place: GovernedPlace) -> None:
    seen = Counter[str]()

    @settings(max_examples=250, phases=FOUND_AS_IS)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        pod = data.draw(pods(place.rules))
        for plant in data.draw(st.lists(st.sampled_from(ways_round(place.rules)), max_size=2)):
            plant.plant(data.draw, pod, place.rules)
        found, said = reached(place.pinned(pod), place.rules), place.refusals(place.pinned(pod))
        answer = place.create(pod)
        outcome = the_same(answer, said)
        seen[outcome] += 1
        if outcome == "allowed":
            assert not found, "it reaches something"
            assert reached(answer.body, place.rules) == frozenset(), "as stored it reaches something"
            assert place.refusals(answer.body) == {}, "the evaluator would refuse what is stored"

    ask()
    are_told_apart(seen)


def test_every_way_round_is_refused_by_a_policy(place: GovernedPlace) -> None:
    """The API server itself refuses some spellings first, but of each way it takes one for a pod, and a policy refuses it."""
    refused = Counter[str]()
    ways = ways_round(place.rules)

    @settings(max_examples=10, phases=FOUND_AS_IS)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        for plant in ways:
            pod = data.draw(pods(place.rules))
            plant.plant(data.draw, pod, place.rules)
            outcome = the_same(place.create(pod), place.refusals(place.pinned(pod)))
            assert outcome != "allowed", plant.name
            refused[plant.name] += outcome == "refused"

    ask()
    assert [p.name for p in ways if not refused[p.name]] == []


def test_an_ephemeral_container_gets_the_same_verdict_and_the_same_words(place: GovernedPlace) -> None:
    seen, live = Counter[str](), place.make(a_pod("debugged"))

    @settings(max_examples=100, phases=FOUND_AS_IS)
    @given(ephemeral_containers(place.rules))
    def ask(added: list[Manifest]) -> None:
        pod = {**live, "spec": {**live["spec"], "ephemeralContainers": added}}
        found, said = reached(pod, place.rules), place.refusals(pod, live, "ephemeralcontainers")
        outcome = the_same(place.change(pod, "ephemeralcontainers"), said)
        seen[outcome] += 1
        assert not (found and outcome == "allowed")

    ask()
    are_told_apart(seen)


def test_a_change_gets_the_same_verdict_and_the_same_words(place: GovernedPlace) -> None:
    seen = Counter[str]()
    live = place.make(a_pod("changed", schedulingGates=[{"name": "example.my/wait"}]))
    ways = [p for p in ways_round(place.rules) if p.name in _LATER]
    assert len(ways) == len(_LATER)

    @settings(max_examples=100, phases=FOUND_AS_IS)
    @given(changed(live, place, ways))
    def ask(pod: Manifest) -> None:
        found, said = reached(pod, place.rules), place.refusals(pod, live)
        outcome = the_same(place.change(pod), said)
        seen[outcome] += 1
        assert not (found and outcome == "allowed")

    ask()
    are_told_apart(seen)


_LATER = {
    "an unapproved image in a container",
    "a device annotation",
    "a toleration of everything, or of Daulat's taints",
    "a false pin",
}
"""Ways round for which a pod's own fields can change later, or look as if they could."""


@st.composite
def changed(draw: st.DrawFn, live: Manifest, place: GovernedPlace, ways: list[Plant]) -> Manifest:
    """Return the pod with something else in the fields that can change, and sometimes with a way round."""
    spec: dict[str, Any] = {**live["spec"], "containers": [dict(c) for c in live["spec"]["containers"]]}
    pod: dict[str, Any] = {**live, "metadata": dict(live["metadata"]), "spec": spec}
    other = draw(pods(place.rules))
    if draw(st.booleans()):
        spec["containers"][0]["image"] = other["spec"]["containers"][0]["image"]
    if draw(st.booleans()):
        spec["tolerations"] = [*(spec.get("tolerations") or []), *(other["spec"].get("tolerations") or [])]
    if draw(st.booleans()):
        pod["metadata"]["labels"] = other["metadata"].get("labels")
        spec["nodeSelector"] = {**(other["spec"].get("nodeSelector") or {}), **spec["nodeSelector"]}
    for plant in draw(st.lists(st.sampled_from(ways), max_size=2, unique_by=lambda p: p.name)):
        if plant.name == "an unapproved image in a container":
            spec["containers"][0]["image"] = "docker.io/library/nginx"
        else:
            plant.plant(draw, pod, place.rules)
    return pod


def the_same(answer: Answer, said: dict[str, Verdict]) -> str:
    """Return allowed, refused or invalid, once the API server's answer is held against what the evaluator said."""
    if answer.status < 300:
        assert said == {}, "only the evaluator refuses it"
        return "allowed"
    if answer.denied is None:
        assert answer.status in {400, 422} or "a mirror pod may not " in answer.text, answer.text
        return "invalid"
    policy, message = answer.denied
    assert policy in said, f"only the API server refuses it: {policy}: {message}"
    assert not said[policy].error
    assert same_words(message, said[policy]), (message, said[policy].message)
    return "refused"


def are_told_apart(seen: Counter[str]) -> None:
    """Fail where nearly all came to the same, or the API server itself refused most."""
    whole = sum(seen.values())
    assert min(seen["allowed"], seen["refused"]) > whole / 6, seen
    assert seen["invalid"] < whole / 3, seen
