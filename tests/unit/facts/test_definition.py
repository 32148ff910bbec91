"""A CustomResourceDefinition of another release is compared field by field, and a status is written without what it lacks."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from daulat.api import crd
from daulat.api.kinds import KINDS
from daulat.facts.definition import Definition, parse_definition

POLICY = "SovereigntyPolicy"


def served(kind: str = POLICY) -> dict[str, Any]:
    return deepcopy(next(m for m in crd.manifests() if m["spec"]["names"]["kind"] == kind))


def fields(raw: dict[str, Any], part: str) -> dict[str, Any]:
    found: dict[str, Any] = raw["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]["properties"]
    return found


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_the_definition_of_this_release_differs_in_nothing(kind: str) -> None:
    raw = served(kind)
    raw["metadata"]["uid"] = "u"
    assert parse_definition(kind, raw) == Definition("u")


def test_what_an_older_definition_lacks_is_named_as_high_up_as_it_is_missing() -> None:
    raw = served()
    fields(raw, "status").pop("drift")
    fields(raw, "spec")["egress"]["properties"].pop("scope")
    del fields(raw, "status")["undecided"]["items"]["properties"]["nodes"]
    found = parse_definition(POLICY, raw)
    assert found.missing == {"status.drift", "spec.egress.scope", "status.undecided[].nodes"}
    assert found.missing_of_spec == ["spec.egress.scope"]
    assert not found.unknown


def test_what_a_newer_definition_has_is_no_lack() -> None:
    raw = served()
    fields(raw, "spec")["later"] = {"type": "string"}
    found = parse_definition(POLICY, raw)
    assert (found.missing, found.unknown) == (frozenset(), frozenset({"spec.later"}))


@pytest.mark.parametrize("raw", [None, {}, {"metadata": {"uid": "u"}}, {"spec": {"versions": [{"name": "v1"}]}}])
def test_a_definition_that_says_nothing_differs_in_nothing(raw: dict[str, Any] | None) -> None:
    found = parse_definition(POLICY, raw)
    assert (found.missing, found.unknown) == (frozenset(), frozenset())


def test_a_schema_that_keeps_unknown_fields_lacks_none() -> None:
    raw = served()
    schema = raw["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert not parse_definition(POLICY, raw).missing


def test_a_status_is_written_without_what_the_definition_lacks() -> None:
    status = {
        "phase": "Ready",
        "drift": [{"node": "a"}],
        "rejected": [{"reason": "r", "sample": ["a"]}],
        "map": {"k": {"new": 1}},
    }
    lacks = Definition("u", frozenset({"status.drift", "status.rejected[].sample", "status.map.*.new", "spec.x"}))
    assert lacks.writable(status) == {"phase": "Ready", "rejected": [{"reason": "r"}], "map": {"k": {}}}
    assert Definition("u").writable(status) == status
