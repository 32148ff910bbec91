"""docs/how-to/backup.md: what Kubernetes' own backups bring back, and that enforcement comes back first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import state
from dev.cluster.components import APISERVER, ETCD
from dev.cluster.components import ORDER as COMPONENTS
from dev.deployment import kubectl, poll

from .release import HEAD
from .world import MODEL, NAMESPACE, POLICY, Site, installed

ORDER = (
    "acceleratorprofiles",
    "sovereignzones",
    "sovereigntypolicies",
    "nodeattestations",
    "sovereigntyexemptions",
    "namespaces",
    "sovereignmodels",
)
"""As docs/how-to/backup.md has it: what decides before what is decided upon."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation of this release with a model that serves."""
    with installed(HEAD, tmp_path) as found:
        yield found


def test_a_restored_etcd_enforces_before_anything_else_runs(site: Site) -> None:
    """A copy of etcd's data while nothing runs on it, as `etcdutl snapshot` restores one."""
    directory, cluster = state.directory(site.cluster.name), site.cluster
    site.world.operator.stop()
    pods = site.pods()
    for component in (APISERVER, ETCD):
        cluster.stop(component)
    shutil.copytree(directory / "etcd", directory / "backup")
    for component in (ETCD, APISERVER):
        cluster.start(component)
    # What is lost: the policy goes, and its model with it.
    site.world.admin.run("delete", "smodel", MODEL, "-n", NAMESPACE)
    site.world.admin.run("delete", "spolicy", POLICY)
    site.world.admin.run("delete", "validatingadmissionpolicybindings", "--all")
    with site.prober() as prober:
        poll("the pod to be let in", lambda: prober.answers["let in"] > 0)
        # Whatever has watched the cluster knows of times that come again.
        for component in reversed(COMPONENTS):
            cluster.stop(component)
        shutil.rmtree(directory / "etcd")
        (directory / "backup").rename(directory / "etcd")
        cluster.start(ETCD)
    with site.prober() as prober:
        cluster.start(APISERVER)
        poll("it to be refused", lambda: prober.answers["refused"] > 50)
        # No operator and no controller runs: the API server enforces what it stores, from its first answer on.
        assert not prober.answers["let in"], prober.answers
        for component in COMPONENTS[2:]:
            cluster.start(component)
        site.run(HEAD)
        site.serves()
        assert site.proved()
        assert site.pods() == pods
        assert not prober.answers["let in"], prober.answers


def test_exported_objects_are_applied_to_another_cluster_in_an_order_that_admits_nothing_unjudged(
    site: Site, tmp_path: Path
) -> None:
    exported = {plural: _exported(site, plural) for plural in ORDER}
    other = tmp_path / "other"
    other.mkdir()
    with installed(HEAD, other, empty=True) as fresh:
        for plural in ORDER:
            if exported[plural]:
                fresh.world.admin.apply(exported[plural], "--force-conflicts")
            if plural == "namespaces":
                # Before the policy is in force, the guard of governed namespaces refuses what isn't judged yet.
                with fresh.prober() as prober:
                    poll("the policy to be proved", fresh.proved)
                    poll("the policy to judge", lambda: prober.answers["refused"] > 5)
                assert not prober.answers["let in"], prober.answers
        fresh.serves()
        assert len(fresh.pods()) == 1


def _exported(site: Site, plural: str) -> list[dict[str, Any]]:
    """Return the objects of a kind without what a cluster adds to them; of namespaces those that are governed."""
    options = ("-l", "daulat.dev/data-class") if plural == "namespaces" else ("-A",)
    items = json.loads(kubectl(site.cluster).run("get", plural, *options, "-o", "json"))["items"]
    found = []
    for item in items:
        if item["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "Helm":
            continue  # The chart brings the shipped profiles.
        kept = {k: v for k, v in item["metadata"].items() if k in ("name", "namespace", "labels", "annotations")}
        spec = {"spec": item["spec"]} if plural != "namespaces" else {}
        found.append({"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": kept, **spec})
    return found
