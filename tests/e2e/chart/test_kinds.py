"""What the kinds that the chart installs say of themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.api.kinds import KINDS

from .world import (
    SITE,
    TENANT,
    World,
    model,
    zone,
)


def test_the_kinds_explain_themselves(world: World) -> None:
    explained = world.kubectl().run("explain", "sovereignmodel.spec.model.uri")
    assert "FIELD: uri <string>" in explained
    assert "oci://REGISTRY/REPOSITORY" in explained


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.short)
def test_short_names_and_printer_columns(world: World, kind: Any) -> None:
    objects = {"SovereignZone": zone("columns", {"matchLabels": {SITE: "x"}}), "SovereignModel": model("columns")}
    if kind.kind in objects:
        world.kubectl().apply([objects[kind.kind]])
        headings = world.kubectl().run("get", kind.short, "-A").splitlines()[0].split()
        namespaced = ["NAMESPACE"] if kind.scope == "Namespaced" else []
        assert headings == [*namespaced, "NAME", *[c.name.upper() for c in kind.columns if not c.priority]]
        world.kubectl().run("delete", kind.short, "columns", *(["-n", TENANT] if namespaced else []))
    names = world.get("crd", f"{kind.plural}.daulat.dev")["status"]["acceptedNames"]
    categories = ["daulat"] if kind.listed else []
    assert (names["shortNames"], names.get("categories", [])) == ([kind.short], categories)


def test_the_category_shows_what_users_declare_and_no_profiles(world: World) -> None:
    world.kubectl().apply([zone("category", {"matchLabels": {SITE: "x"}}), model("category")])
    shown = world.kubectl().run("get", "daulat", "-A", "-o", "name")
    world.kubectl().run("delete", "szone/category")
    world.kubectl().run("delete", "-n", TENANT, "smodel/category")
    assert "sovereignzone.daulat.dev/category" in shown
    assert "sovereignmodel.daulat.dev/category" in shown
    assert "acceleratorprofile" not in shown


def test_an_invalid_object_is_told_by_the_rule_that_it_breaks(world: World) -> None:
    manifest = json.dumps(zone("everywhere", {}))
    said = world.refusal("admin", "create", "--dry-run=server", "-f", "-", stdin=manifest)
    assert "the selector must name at least one label: an empty selector would select everything" in said


def test_a_models_scale_can_be_set(world: World) -> None:
    world.kubectl().apply([model("scaled")])
    world.kubectl().run("scale", "-n", TENANT, "smodel/scaled", "--replicas=3")
    assert world.get("-n", TENANT, "smodel", "scaled")["spec"]["replicas"] == 3
    world.kubectl().run("delete", "-n", TENANT, "smodel/scaled")
