"""Real files of other projects: each object is judged or said not to be, and the verdicts are those that were read by hand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from .neighbours.record import REVIEWED, VERDICTS, Report, files, judged, projects, recorded, verdict

DIRECTORY = "DAULAT_MANIFESTS"
FOLDER = os.environ.get(DIRECTORY, "")
NEEDS_FILES = pytest.mark.skipif(
    not FOLDER, reason=f"${DIRECTORY} doesn't name a folder with manifests of other projects"
)
RECORD: dict[str, Any] = yaml.safe_load(VERDICTS.read_text())
REVIEWS: list[dict[str, Any]] = yaml.safe_load(REVIEWED.read_text())
NAMES = sorted(RECORD)


@cache
def report(project: str) -> Report:
    """Return what `daulat check` says about a project."""
    return judged(Path(FOLDER) / project)


def objects(document: Any) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the objects in a document, as another parser reads it."""
    if not isinstance(document, dict) or not document.get("apiVersion") or not document.get("kind"):
        return
    if str(document["kind"]).endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from objects(item)
        return
    metadata = document.get("metadata")
    if isinstance(metadata, dict):
        yield str(document["kind"]), str(metadata.get("name") or metadata.get("generateName") or "")


@NEEDS_FILES
def test_every_project_that_is_recorded_is_there() -> None:
    assert [p.name for p in projects(Path(FOLDER))] == NAMES


@NEEDS_FILES
@pytest.mark.parametrize("project", NAMES)
def test_the_verdicts_are_those_that_are_recorded(project: str) -> None:
    assert recorded(report(project)) == RECORD[project]


@NEEDS_FILES
@pytest.mark.parametrize("project", NAMES)
def test_each_object_is_judged_or_said_not_to_be(project: str) -> None:
    found = report(project)
    reached: dict[str, Counter[tuple[str, str]]] = {}
    for each in found["objects"]:
        reached.setdefault(each["file"], Counter())[each["kind"], each["name"]] += 1
    problems = {p["file"] for p in found["problems"]}
    # Of charts and kustomizations it is said by folder, of patches and single templates by file.
    unbuilt = "\n".join(found["unbuilt"])
    silent = []
    for path in files(Path(FOLDER) / project):
        name = str(path.relative_to(FOLDER))
        try:
            expected = Counter(o for document in yaml.safe_load_all(path.read_text()) for o in objects(document))
        except (yaml.YAMLError, UnicodeDecodeError):
            if name not in problems and not any(str(p) in unbuilt for p in (name, *Path(name).parents)):
                silent.append(name)
            continue
        missing = expected - reached.get(name, Counter())
        if missing and name not in problems and not any(str(p) in unbuilt for p in (name, *Path(name).parents)):
            silent.append(f"{name}: {dict(missing)}")
    assert silent == []


@NEEDS_FILES
@pytest.mark.parametrize("review", REVIEWS, ids=lambda r: f"{r['file']}:{r['line']}")
def test_what_was_read_by_hand_has_the_verdict_that_it_should_have(review: dict[str, Any]) -> None:
    project = str(review["file"]).partition("/")[0]
    (found,) = [
        o
        for o in report(project)["objects"]
        if (o["file"], o["line"], o["kind"]) == (review["file"], review["line"], review["kind"])
    ]
    assert " ".join([review["result"], *review["controls"]]) == verdict(found).removesuffix(" and not in full")


def test_a_hundred_objects_were_read_by_hand() -> None:
    assert len({(r["file"], r["line"]) for r in REVIEWS}) >= 100
    assert all(len(r["why"]) > 10 for r in REVIEWS)
    assert {r["result"] for r in REVIEWS} == {"allowed", "refused", "unjudged"}
