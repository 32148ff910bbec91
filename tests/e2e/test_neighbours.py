"""Pods and objects of serving projects and schedulers in a governed namespace: the API server and `check` say the same.

The projects' controllers don't run here. Their definitions come from their own files where $DAULAT_MANIFESTS has them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from .neighbours import PROJECTS, definition
from .test_check import checked, reader
from .world import Manifest, World

DIRECTORY = "DAULAT_MANIFESTS"
SCHEDULERS = ["system:kube-scheduler", "system:serviceaccount:volcano-system:volcano-scheduler"]
PODS = [(n, i) for n, p in PROJECTS.items() for i in range(len(p.pods))]
REFUSED = [(n, i) for n, p in PROJECTS.items() for i in range(len(p.refused))]
OBJECTS = [(n, i) for n, p in PROJECTS.items() for i in range(len(p.objects))]


@cache
def own_definitions() -> dict[str, Manifest]:
    """Return the definitions that the projects' own files hold, by name."""
    found: dict[str, Manifest] = {}
    folder = os.environ.get(DIRECTORY, "")
    for path in sorted(Path(folder).glob("*/**/*.yaml")) if folder else ():
        text = path.read_text()
        if "kind: CustomResourceDefinition" not in text or "{{" in text:
            continue
        for each in yaml.safe_load_all(text):
            if (
                isinstance(each, dict)
                and each.get("apiVersion") == "apiextensions.k8s.io/v1"
                and each.get("spec", {}).get("names")
            ):
                found.setdefault(each["metadata"]["name"], each)
    return found


def place(kind: str, where: str) -> Manifest:
    """Return the definition of a kind: the project's where it serves the version without a webhook, else the test's own."""
    made = definition(kind, where)
    own = own_definitions().get(made["metadata"]["name"])
    version = made["spec"]["versions"][0]["name"]
    if not own or not any(v["name"] == version and v.get("schema") for v in own["spec"]["versions"]):
        return made
    return own if own["spec"].get("conversion", {}).get("strategy", "None") == "None" else made


@pytest.fixture(scope="module")
def governed(world: World) -> Iterator[tuple[str, str]]:
    """A namespace under the example policy, on a cluster that serves the projects' kinds."""
    definitions = [place(kind, where) for project in PROJECTS.values() for kind, where in project.kinds.items()]
    # A definition may be longer than the annotation that a client-side apply writes.
    world.admin.apply(definitions)
    names = [d["metadata"]["name"] for d in definitions]
    world.admin.run("wait", "--for=condition=Established", "crd", *names, "--timeout=30s")
    with world.governed(schedulers=SCHEDULERS) as both:
        yield both
    world.admin.run("delete", "crd", *names)


def located(manifest: Manifest, namespace: str) -> Manifest:
    """Return the object in a namespace."""
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


@pytest.mark.parametrize(("project", "n"), PODS)
def test_a_pod_that_complies_is_taken(world: World, governed: tuple[str, str], project: str, n: int) -> None:
    pod = located(PROJECTS[project].pods[n], governed[1])
    assert world.refusal(pod, "--dry-run=server") == ""
    (found,) = checked(reader(world)[0], pod, code=0)["objects"]
    assert found["result"] == "allowed"


@pytest.mark.parametrize(("project", "n"), REFUSED)
def test_a_pod_as_samples_have_it_is_refused_in_the_same_words(
    world: World, governed: tuple[str, str], project: str, n: int
) -> None:
    manifest, controls = PROJECTS[project].refused[n]
    pod = located(manifest, governed[1])
    answer = world.refusal(pod, "--dry-run=server")
    (found,) = checked(reader(world)[0], pod, code=1)["objects"]
    findings = [f for f in found["findings"] if f["policy"] == governed[0]]
    assert {f["control"] for f in findings} == set(controls), answer
    assert [f["message"] for f in findings if f["message"] not in answer] == []


@pytest.mark.parametrize(("project", "n"), OBJECTS)
def test_what_a_user_writes_is_taken_and_check_says_what_its_pods_would_meet(
    world: World, governed: tuple[str, str], project: str, n: int
) -> None:
    manifest, result = PROJECTS[project].objects[n]
    written = located(manifest, governed[1])
    # Policies judge pods. A controller's object is taken, and its pods are refused, which `check` says beforehand.
    assert world.refusal(written, "--dry-run=server") == ""
    (found,) = checked(reader(world)[0], written, code=1 if result == "refused" else 0)["objects"]
    assert found["result"] == result, found
