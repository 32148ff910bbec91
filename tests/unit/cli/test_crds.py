"""What becomes of a CustomResourceDefinition: an upgrade adds, and what a newer release has added stays."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from daulat.api import crd
from daulat.cli.crds.plan import Step, plan

Raw = dict[str, Any]
NAME = "sovereigntypolicies.daulat.dev"


def live() -> dict[str, Raw]:
    return {m["metadata"]["name"]: deepcopy(m) for m in crd.manifests()}


def schema(definition: Raw) -> Raw:
    found: Raw = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return found


def step(found: dict[str, Raw]) -> Step:
    return next(s for s in plan(found) if s.name == NAME)


def test_what_is_missing_is_created_and_what_is_there_is_applied() -> None:
    assert {s.deed for s in plan({})} == {"create"}
    assert {s.deed for s in plan(live())} == {"upgrade"}


def test_an_older_definition_gains_fields() -> None:
    found = live()
    del schema(found[NAME])["drift"]
    assert (step(found).deed, step(found).reason) == ("upgrade", "adds spec.drift")


def test_a_newer_definition_is_kept_whatever_makes_it_newer() -> None:
    field, value, version = live(), live(), live()
    schema(field[NAME])["later"] = {"type": "string"}
    schema(value[NAME])["action"]["enum"].append("Quarantine")
    version[NAME]["spec"]["versions"].append({"name": "v1beta1", "schema": {}})
    found = [step(each) for each in (field, value, version)]
    assert [s.deed for s in found] == ["keep"] * 3
    assert [s.reason.rpartition("with ")[2] for s in found] == [
        "spec.later",
        "spec.action=Quarantine",
        "version v1beta1",
    ]


def test_a_definition_that_is_neither_older_nor_newer_is_nobodys_to_replace_unasked() -> None:
    found = live()
    schema(found[NAME])["later"] = schema(found[NAME]).pop("drift")
    assert step(found).deed == "conflict"
    assert "it has spec.later, which this release hasn't, and lacks spec.drift" in step(found).reason
