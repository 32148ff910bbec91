"""The Headlamp plugin: its kinds and columns are those of the CRDs, and it is tested with what the operator writes."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from dev import headlamp

ROOT = Path(__file__).resolve().parents[3]


def test_the_plugin_has_every_kind_with_every_column() -> None:
    shown = {k["kind"]: k for k in json.loads((ROOT / headlamp.KINDS).read_text("utf-8"))}
    specs = [yaml.safe_load(path.read_text("utf-8"))["spec"] for path in (ROOT / "crds").glob("*.yaml")]
    assert set(shown) == {spec["names"]["kind"] for spec in specs}
    for spec in specs:
        kind, version = shown[spec["names"]["kind"]], spec["versions"][0]
        assert (kind["plural"], kind["version"]) == (spec["names"]["plural"], version["name"])
        assert kind["namespaced"] == (spec["scope"] == "Namespaced")
        columns = [(c["name"], c["jsonPath"]) for c in version["additionalPrinterColumns"]]
        assert [(c["name"], c["path"]) for c in kind["columns"]] == columns, "run: python -m dev.headlamp"


def test_the_plugin_is_tested_with_what_the_reconcilers_write_today() -> None:
    assert (ROOT / headlamp.CLUSTER).read_text("utf-8") == headlamp.cluster(), "run: python -m dev.headlamp"


def test_the_plugin_is_tested_with_the_operators_verdicts_on_zones() -> None:
    found = headlamp.verdicts()
    assert (ROOT / headlamp.VERDICTS).read_text("utf-8") == found, "run: python -m dev.headlamp"
    fields = ("is none of", "is in", "is operated from", "whose parent is in", "data at most")
    assert [words for words in fields if not any(words in each["why"] for each in json.loads(found))] == []


def test_the_plugins_lock_names_no_registry() -> None:
    lock = json.loads((ROOT / "ui/headlamp/package-lock.json").read_text("utf-8"))
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    assert not [path for path, package in packages.items() if "resolved" in package]
    assert not [path for path, package in packages.items() if not package.get("link") and "integrity" not in package]
