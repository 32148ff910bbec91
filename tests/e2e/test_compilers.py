"""One text for every version: API servers of each minor version compile all that Daulat writes, and say what the evaluator says.

These are API servers' own libraries (``dev/expressions``), without the rest of a server.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest

from bench import apiserver, pods
from daulat.admission.boundvolumes import compile_bound_volumes
from daulat.api.policy import SovereigntyPolicySpec
from daulat.cel.evaluator import Request, evaluate, matches_resource
from daulat.controls import library
from dev.expressions.build import NEWEST, OLDEST, VERSIONS, release
from dev.expressions.server import Answer, ask
from tests.corpus.files import cases
from tests.corpus.scene import Scene, scenes
from tests.corpus.words import same_words

from .everything import definitions, name_of, policies

# The oldest and the newest are part of `make test`.
EVERY = pytest.mark.parametrize(
    "version",
    [v if v in {OLDEST, NEWEST} else pytest.param(v, marks=pytest.mark.versions) for v in VERSIONS],
)
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "treasury", "labels": {"daulat.dev/data-class": "confidential"}},
}


@cache
def judged() -> tuple[tuple[Scene, dict[str, Any], Request], ...]:
    """Every case of the corpus with every policy that is asked about it, but for what no policy is asked about."""
    return tuple(
        (scene, manifest, scene.request)
        for scene in scenes(cases())
        if not scene.case.invalid
        for manifest in scene.in_force
        if manifest["kind"] == "ValidatingAdmissionPolicy" and matches_resource(manifest, scene.request)
    )


@cache
def answer(version: str) -> Answer:
    every = policies([scene for scene, _, _ in judged()])
    return ask(version, every, requests=[(name_of(policy), request) for _, policy, request in judged()])


@EVERY
def test_the_api_server_compiles_everything_as_new(version: str) -> None:
    said = ask(version, policies(), list(definitions()))
    assert said.release == release(version)
    assert said.problems == ()


# The API servers of the oldest and the newest version are asked themselves in `make test` (test_parity.py).
@pytest.mark.versions
@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_policy_says_is_the_same_in_every_version(version: str) -> None:
    assert answer(version).problems == ()
    wrong = []
    for (scene, policy, request), verdict in zip(judged(), answer(version).verdicts, strict=True):
        expected = evaluate(policy, request)
        if scene.case.costly and verdict.failed:
            continue
        same = (verdict.allowed, verdict.failed) == (expected.allowed, expected.error)
        if not same or not (verdict.failed or same_words(verdict.message, expected)):
            wrong.append((scene.case.name, policy["metadata"]["name"], verdict, expected))
    assert wrong == []


@EVERY
def test_no_version_gives_up_on_what_the_newest_can_afford(version: str) -> None:
    """Pods of growing size until none can be judged: of each kind, every version gets at least as far."""
    ladder = [pod for kind in (environment, arguments, resources, volumes) for pod in map(kind, range(13))]
    (guard,) = (m for m in apiserver.policy("treasury").refusing if ".pods." in m["metadata"]["name"])
    requests = [(guard["metadata"]["name"], pod_request(pod)) for pod in ladder]
    newest, this = (ask(v, [guard], requests=requests).verdicts for v in (NEWEST, version))
    afforded = [verdict for verdict in newest if not verdict.failed]
    assert len(ladder) / 3 < len(afforded) < len(ladder), "the ladder is too short, or begins too high"
    assert [n for n, (new, own) in enumerate(zip(newest, this, strict=True)) if own.failed and not new.failed] == []


@EVERY
def test_the_names_of_twenty_thousand_namespaces_are_within_the_limits_of_every_version(version: str) -> None:
    """The guard of bound volumes holds the names of all governed namespaces, as text."""
    names = [f"{'n' * 50}-{i:05}" for i in range(20_000)]
    spec = SovereigntyPolicySpec.model_validate(library.base()["policy"])
    _, guard = compile_bound_volumes("confidential", spec, {}, names)
    assert len(json.dumps(guard)) < 1_500_000, "etcd takes no larger request"
    volume: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "v"},
        "spec": {"nfs": {}},
    }
    requests = []
    for namespace in (names[0], names[-1], "elsewhere"):
        given = {**volume["spec"], "claimRef": {"namespace": namespace, "name": "data"}}
        request = Request({**volume, "spec": given}, resource="persistentvolumes", name="v")
        requests.append((guard["metadata"]["name"], request))
    said = ask(version, [guard], requests=requests)
    assert said.problems == ()
    assert [(v.allowed, v.failed) for v in said.verdicts] == [(False, False), (False, False), (True, False)]


def test_an_api_server_before_1_35_refuses_what_only_later_ones_can_compile() -> None:
    policy = copy.deepcopy(apiserver.policy("whole").refusing[0])
    policy["spec"]["variables"].append({"name": "flat", "expression": "[[1], [2]].flatten()"})
    (refused,) = ask(OLDEST, [policy]).problems
    assert (refused.field, "undeclared reference to 'flatten'" in refused.error) == ("variables.flat", True)
    assert ask(NEWEST, [policy]).problems == ()


def test_an_api_server_refuses_a_rule_of_a_definition_that_it_cant_compile() -> None:
    definition = copy.deepcopy(next(iter(definitions())))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["x-kubernetes-validations"] = [{"rule": "[[1]].flatten().size() == 1"}]
    (refused,) = ask(OLDEST, definitions=[definition]).problems
    assert "flatten" in refused.error


def pod_request(pod: dict[str, Any]) -> Request:
    return Request(pod, namespace="treasury", name="big", user="tenant", namespace_object=NAMESPACE)


def environment(step: int) -> dict[str, Any]:
    return _pod(
        containers=[
            _container(n, env=[{"name": f"V{i}", "value": f"no {i}"} for i in range(2**step)]) for n in range(4)
        ]
    )


def arguments(step: int) -> dict[str, Any]:
    return _pod(containers=[_container(n, args=["--abc de " * 2**step]) for n in range(16)])


def resources(step: int) -> dict[str, Any]:
    """Containers that all ask for what isn't approved."""
    limits = {"amd.com/gpu": "1", "example.my/npu": "1"}
    return _pod(containers=[_container(n, resources={"limits": limits, "requests": limits}) for n in range(2**step)])


def volumes(step: int) -> dict[str, Any]:
    return _pod(volumes=[{"name": f"v{n}", "hostPath": {"path": "/dev/davinci0"}} for n in range(2**step)])


def _pod(**spec: Any) -> dict[str, Any]:
    pod = pods.large("treasury")
    return {**pod, "spec": {**pod["spec"], **spec}}


def _container(number: int, **fields: Any) -> dict[str, Any]:
    return {"name": f"c{number}", "image": pods.IMAGE, **fields}
