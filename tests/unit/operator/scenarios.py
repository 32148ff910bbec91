"""What happens in a cluster that makes a pass of each reconciler write something, and how it is undone, to happen again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daulat.admission.advice import advice_name
from daulat.admission.ungoverned import UNGOVERNED
from daulat.api.names import eligible_label
from daulat.kube.ref import Ref
from daulat.workload.network import DEFAULT_DENY
from tests.unit.world import (
    ASCEND,
    H20,
    IMAGE,
    SITE,
    URI,
    World,
    ascend,
    choice,
    exemption,
    h20,
    model,
    namespace,
    pod,
    policy,
    zone,
)

from .server import FakeServer

Raw = dict[str, Any]

POLICY = Ref("SovereigntyPolicy", "", "confidential")
MODEL = Ref("SovereignModel", "treasury", "deepseek")
OTHER = "registry.example.my/other@sha256:" + "4d" * 32
RESTS, FORGETS = 60.0, 700.0
"""Seconds after which everything is as it was, without charges of a brake and with them."""


def calm(**world: Any) -> World:
    """Return a world in which nothing is held by a brake."""
    return World(**{"policies": [policy(drift={"limit": "100%"})], **world})


@dataclass(frozen=True)
class Scenario:
    """One of them."""

    name: str
    happens: Callable[[FakeServer], object]
    undone: Callable[[FakeServer], object]
    key: Ref
    """The key whose pass it is about."""
    world: Callable[[], World] = field(default=calm)
    lasts: float = 100.0
    """Seconds until all is written, errors included."""
    rests: float = RESTS
    """Seconds until everything is as it was, once it is undone."""
    evicts: int = 0
    """How many objects are deleted by it that must not run."""

    def __str__(self) -> str:
        return self.name


def new_pods(server: FakeServer) -> None:
    """Let pods run on a node that is eligible, pinned as admission does it."""
    for number in range(3):
        raw = pod(f"report-{number}", on="a1", pins={eligible_label("confidential"): "eligible"})
        server.put("Pod", raw)


def _moves_away(server: FakeServer) -> None:
    server.edit(Ref("Node", "", "a1"), metadata={"labels": {SITE: None}})


def _comes_back(server: FakeServer) -> None:
    server.edit(Ref("Node", "", "a1"), metadata={"labels": {SITE: "cyberjaya-1"}})
    new_pods(server)


def _image(image: str) -> Callable[[FakeServer], object]:
    return _edited(MODEL, spec={"accelerators": [choice(ASCEND, 4, image=image), choice(H20, 2)]})


def _removed(*refs: Ref) -> Callable[[FakeServer], object]:
    def remove(server: FakeServer) -> None:
        for ref in refs:
            server.remove(ref)

    return remove


def _put(kind: str, make: Callable[[], Raw]) -> Callable[[FakeServer], object]:
    return lambda server: server.put(kind, make())


def _edited(ref: Ref, **changes: Any) -> Callable[[FakeServer], object]:
    return lambda server: server.edit(ref, **changes)


def _nothing(server: FakeServer) -> None:
    return None


def _profile() -> Raw:
    found = next(p for p in World().profiles if p["metadata"]["name"] == ASCEND)
    return {**found, "metadata": {"name": "another"}}


def _pods_on_a_node() -> World:
    pins = {eligible_label("confidential"): "eligible"}
    return calm(models=[], pods=[pod(f"report-{n}", on="a1", pins=pins) for n in range(3)])


def _second() -> Raw:
    return policy("second", namespaceSelector={"matchLabels": {"daulat.dev/data-class": "restricted"}})


def _lab() -> World:
    lab = namespace("lab")
    lab["metadata"]["labels"] = {"daulat.dev/data-class": "restricted"}
    return World(models=[], policies=[], namespaces=[lab], nodes=[ascend("a1")])


def _binding(name: str) -> Ref:
    return Ref("ValidatingAdmissionPolicyBinding", "", name)


_SECOND = Ref("SovereigntyPolicy", "", "second")
SCENARIOS = (
    Scenario("a new model", _put("SovereignModel", model), _removed(MODEL), MODEL, lambda: calm(models=[])),
    Scenario("a model that rolls", _image(OTHER), _image(IMAGE), MODEL),
    Scenario(
        "a model to be stopped",
        _edited(MODEL, spec={"model": {"uri": "oci://elsewhere.example/" + URI.rpartition("/")[2]}}),
        _edited(MODEL, spec={"model": {"uri": URI}}),
        MODEL,
        lambda: calm(policies=[policy(drift={"limit": "100%"}, models={"sources": ["oci://registry.example.my/"]})]),
        rests=FORGETS,
        evicts=1,
    ),
    Scenario("a policy coming into force", _put("SovereigntyPolicy", _second), _removed(_SECOND), _SECOND, _lab),
    Scenario(
        "a policy that drops a guard",
        _edited(POLICY, spec={"controls": {"STO-03": "Off"}}),
        _edited(POLICY, spec={"controls": None}),
        POLICY,
        lambda: calm(models=[]),
    ),
    Scenario("a policy with due evictions", _moves_away, _comes_back, POLICY, _pods_on_a_node, 200.0, FORGETS, 3),
    Scenario(
        "a policy that is gone",
        _removed(_SECOND),
        _put("SovereigntyPolicy", _second),
        _SECOND,
        lambda: World(**{**vars(_lab()), "policies": [_second()]}),
    ),
    Scenario(
        "a zone",
        _put("SovereignZone", lambda: zone("kulim-1")),
        _removed(Ref("SovereignZone", "", "kulim-1")),
        Ref("SovereignZone", "", "kulim-1"),
        lambda: calm(models=[]),
    ),
    Scenario(
        "a profile",
        _put("AcceleratorProfile", _profile),
        _removed(Ref("AcceleratorProfile", "", "another")),
        Ref("AcceleratorProfile", "", "another"),
        lambda: calm(models=[]),
    ),
    Scenario(
        "an exemption",
        _put("SovereigntyExemption", exemption),
        _removed(Ref("SovereigntyExemption", "", "e")),
        Ref("SovereigntyExemption", "", "e"),
        lambda: calm(models=[]),
    ),
    Scenario(
        "a node to be labelled",
        _put("Node", lambda: h20("h9")),
        _removed(Ref("Node", "", "h9")),
        Ref("Node", "", "h9"),
        lambda: calm(models=[]),
    ),
    Scenario(
        "the ungoverned guard",
        _removed(_binding(UNGOVERNED)),
        _nothing,
        Ref("Ungoverned", "", "cluster"),
        lambda: calm(models=[]),
    ),
    Scenario(
        "advice",
        _removed(_binding(advice_name("confidential"))),
        _nothing,
        Ref("Advice", "", "confidential"),
        lambda: calm(models=[]),
    ),
    Scenario(
        "default-deny",
        _removed(Ref("NetworkPolicy", "treasury", DEFAULT_DENY)),
        _nothing,
        Ref("DefaultDeny", "", "treasury"),
    ),
)


def state(server: FakeServer) -> dict[str, Raw]:
    """Return all objects without what differs between two runs that end the same: versions, uids and times."""
    return {path: _alike(one) for path, one in sorted(server.objects.items()) if one["kind"] != "Pod"}


_VARIES = ("resourceVersion", "uid", "generation", "observedGeneration", "managedFields", "history", "updatedReplicas")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_POD = re.compile(r"\b(deepseek)-\d+\b")


def _alike(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _alike(v) for k, v in value.items() if k not in _VARIES}
    if isinstance(value, list):
        return [_alike(one) for one in value]
    return _POD.sub(r"\1-N", _TIME.sub("T", value)) if isinstance(value, str) else value


def difference(one: dict[str, Raw], other: dict[str, Raw]) -> list[str]:
    """Return in what two states differ, a line for each object."""
    paths = sorted(p for p in {*one, *other} if one.get(p) != other.get(p))
    return [
        f"{p}\n  {json.dumps(one.get(p), sort_keys=True)}\n  {json.dumps(other.get(p), sort_keys=True)}" for p in paths
    ]
