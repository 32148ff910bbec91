"""The report of `daulat doctor` says the same to people and to programs."""

from __future__ import annotations

import json

import pytest
import yaml

from daulat.cli.doctor.output import as_table, structured
from daulat.cli.structured import WRITERS
from daulat.cli.text import Page
from daulat.doctor.examine import examine
from daulat.doctor.finding import Finding, Report, Severity
from tests.unit.doctor.clusters import cluster, pod, strong


def test_the_table_tells_findings_remedies_and_what_was_not_checked() -> None:
    lists = strong()
    lists["pods"].append(pod("old", hostNetwork=True))
    text = as_table(examine(cluster(lists, {"secrets": "forbidden"})), Page())
    assert "DOC-35" in text
    assert "pod treasury/old: USE-18" in text
    assert "do:  Correct the controller or manifest of the pod, and delete the pod." in text
    assert "DOC-38 Device variables in ConfigMaps and Secrets: needs list secrets (forbidden)" in text
    assert text.splitlines()[-1] == "1 high; 44 checks made, 3 not or not in full (v1.37.2)"


def test_text_of_the_cluster_cant_control_the_terminal() -> None:
    finding = Finding("DOC-35", "title", Severity.HIGH, "pod p: image evil\x1b[2J was set", (), "why", "remedy")
    text = as_table(Report("v1.37.2", (finding,), (), ()), Page(colour=False))
    assert "evil\\x1b[2J" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["json", "yaml"])
def test_programs_read_the_same(name: str) -> None:
    lists = strong()
    lists["pods"].append(pod("old", hostNetwork=True))
    text = WRITERS[name](structured(examine(cluster(lists))))
    read = json.loads(text) if name == "json" else yaml.safe_load(text)
    assert [(f["check"], f["severity"], f["objects"]) for f in read["findings"]] == [
        ("DOC-35", "high", ["Pod treasury/old"])
    ]
    assert read["notChecked"][0]["check"] == "DOC-32"
    assert read["server"] == "v1.37.2"
