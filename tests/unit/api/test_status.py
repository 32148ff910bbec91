"""Statuses as other releases have written them: what can't be read is absent, and takes nothing else with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.api.kinds import KINDS, Kind
from daulat.api.meta import Observed
from daulat.api.model import SovereignModelStatus
from daulat.api.policy import SovereigntyPolicyStatus
from daulat.api.status import ZERO, read_status, write_status

AT = "2026-01-01T00:00:00Z"
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "ReplicasReady",
    "message": "1 of 1",
    "lastTransitionTime": AT,
    "observedGeneration": 3,
}
STATUS: dict[str, Any] = {
    "observedGeneration": 3,
    "conditions": [READY],
    "phase": "Ready",
    "readyReplicas": 1,
    "sizing": {"devices": 16, "nodes": 2, "tensorParallel": 8, "pipelineParallel": 2, "account": ["weights: 1 GiB"]},
    "weights": {"method": "Fetched", "image": "registry.example.my/daulat@sha256:aa"},
    "placement": {
        "zone": "cyberjaya-1",
        "accelerator": "nvidia-h20",
        "resource": "nvidia.com/gpu",
        "nodes": ["h1", "h2"],
        "policies": [{"name": "confidential", "generation": 2}],
        "rejected": [{"reason": "no room", "count": 2, "sample": ["h3"]}, {"reason": "not ready", "count": 1}],
    },
    "history": [{"revision": 1, "template": "t", "generation": 3, "startedAt": AT, "summary": "vllm"}],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def blocks(model: type[Observed]) -> Iterator[type[Observed]]:
    """Return a status and all blocks in it."""
    yield model
    for field in model.model_fields.values():
        parts = {field.annotation, *get_args(field.annotation)}
        for part in parts | {inner for outer in parts for inner in get_args(outer)}:
            if isinstance(part, type) and issubclass(part, Observed):
                yield from blocks(part)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return where each value stands in a document."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return the document with another value there."""
    head, *rest = path
    changed = put(value[head], tuple(rest), new) if rest else new
    if isinstance(value, dict):
        return {**value, head: changed}
    return [*value[:head], changed, *value[head + 1 :]]


def test_a_status_is_written_as_it_was_read() -> None:
    assert write_status(read_status(SovereignModelStatus, STATUS)) == STATUS


@pytest.mark.parametrize("stored", [None, {}, [], "Ready", 7, {"conditions": None, "placement": None}])
def test_a_status_that_holds_nothing_to_read_is_empty(stored: object) -> None:
    found = read_status(SovereignModelStatus, stored)
    assert (found.phase, found.placement, found.conditions) == (None, None, ())
    assert write_status(found) == {}


def test_a_field_of_a_later_release_is_left_out_and_takes_nothing_with_it() -> None:
    later = put(STATUS, ("placement", "rack"), "r1") | {"mood": "good"}
    assert read_status(SovereignModelStatus, later) == read_status(SovereignModelStatus, STATUS)


@pytest.mark.parametrize(
    ("path", "malformed"),
    [
        (("sizing", "tensorParallel"), "eight"),
        (("sizing", "account"), {"weights": 1}),
        (("placement", "nodes"), "h1"),
        (("placement", "rejected"), 3),
        (("readyReplicas",), [1]),
        (("history",), {"1": "t"}),
        (("conditions",), "Ready"),
    ],
)
def test_a_malformed_field_is_absent_and_takes_nothing_with_it(path: tuple[str, ...], malformed: object) -> None:
    *outer, last = path
    expected = dict(STATUS)
    if outer:
        expected[outer[0]] = {k: v for k, v in STATUS[outer[0]].items() if k != last}
    else:
        del expected[last]
    assert write_status(read_status(SovereignModelStatus, put(STATUS, path, malformed))) == expected


def test_a_block_without_a_field_that_a_later_release_requires_keeps_the_others() -> None:
    found = read_status(SovereignModelStatus, {"sizing": {"devices": 16, "nodes": 2}})
    assert found.sizing is not None
    assert (found.sizing.devices, found.sizing.nodes, found.sizing.tensor_parallel) == (16, 2, 0)
    assert write_status(found) == {"sizing": {"devices": 16, "nodes": 2}}


def test_an_entry_that_is_malformed_takes_no_other_with_it() -> None:
    drift = [{"node": "a1", "since": AT, "pods": 2}, "a2", {"node": "a3", "since": 7, "pods": "many"}]
    found = read_status(SovereigntyPolicyStatus, {"revision": "r", "drift": drift})
    assert found.revision == "r"
    assert [(d.node, d.since, d.pods) for d in found.drift or ()] == [("a1", AT, 2), ("a3", None, None)]


def test_a_condition_is_found_by_its_type() -> None:
    found = read_status(SovereignModelStatus, STATUS)
    ready = found.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.last_transition_time) == ("True", AT)
    assert found.condition("Placed") is None


def test_a_condition_with_an_unknown_status_is_unknown() -> None:
    found = read_status(SovereignModelStatus, put(STATUS, ("conditions", 0, "status"), "Perhaps")).condition("Ready")
    assert found is not None
    assert (found.status, found.reason) == ("Unknown", "ReplicasReady")


@given(path=st.sampled_from(sorted(places(STATUS), key=str)), value=JSON)
def test_whatever_one_field_holds_all_others_can_be_read(path: tuple[Any, ...], value: Any) -> None:
    found = write_status(read_status(SovereignModelStatus, put(STATUS, path, value)))
    assert {k: v for k, v in found.items() if k != path[0]} == {k: v for k, v in STATUS.items() if k != path[0]}


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: str(k.kind))
@given(stored=JSON)
def test_no_status_is_an_error(kind: Kind, stored: Any) -> None:
    assert isinstance(read_status(kind.status, stored), kind.status)
    for name, field in kind.status.model_fields.items():
        assert isinstance(read_status(kind.status, {field.alias or name: stored}), kind.status)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: str(k.kind))
def test_every_required_field_has_a_value_where_it_is_absent(kind: Kind) -> None:
    for block in blocks(kind.status):
        for name, field in block.model_fields.items():
            assert not field.is_required() or field.annotation in ZERO, f"{block.__name__}.{name}"
