"""A plan is carried out step by step, and ends where a step fails, before anything that enforces policies is removed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from daulat.api.names import NODE_PREFIX, UNDECIDED_TAINT
from daulat.cli.uninstall.command import uninstall
from daulat.cli.uninstall.plan import Choice, Inventory, plan
from daulat.cli.uninstall.removal import Outcome, remove
from daulat.kube.client import Client
from daulat.kube.errors import api_error
from tests.unit.cli.test_cluster import run
from tests.unit.kube.api_server import FakeApiServer, serving

from .test_plan import NAMESPACE, PIN, Raw, everything, item


@dataclass
class FakeClient:
    """Takes requests, and refuses those whose path has a text."""

    live: dict[str, Raw] = field(default_factory=dict)
    refused: str = ""
    status: int = 403
    deleted: list[str] = field(default_factory=list)
    bodies: list[Raw] = field(default_factory=list)
    patched: dict[str, Raw] = field(default_factory=dict)

    async def request(self, method: str, path: str, body: Raw) -> Raw:
        assert method == "DELETE"
        if self.refused and self.refused in path:
            raise api_error(self.status, "Forbidden", "the anchor refuses it")
        self.deleted.append(path)
        self.bodies.append(body)
        return {}

    async def get(self, path: str) -> Raw | None:
        return self.live.get(path)

    async def merge(self, path: str, patch: Raw) -> Raw:
        self.patched[path] = patch
        return {}


def carried_out(client: FakeClient, lists: dict[str, list[Raw]], **choice: bool) -> Outcome:
    removals = plan(Inventory(lists), Choice(**choice), NAMESPACE).removals
    return asyncio.run(remove(cast("Client", client), removals))


def test_an_object_is_deleted_by_its_uid() -> None:
    client = FakeClient()
    outcome = carried_out(client, {"Lease": [item("daulat-operator", NAMESPACE)]})
    assert outcome == Outcome(1)
    assert client.deleted == ["/apis/coordination.k8s.io/v1/namespaces/daulat-system/leases/daulat-operator"]
    assert client.bodies[0]["preconditions"] == {"uid": "uid-daulat-operator"}


def test_where_the_pin_cant_be_removed_nothing_that_enforces_policies_is() -> None:
    client = FakeClient(refused="mutatingadmissionpolicybindings")
    outcome = carried_out(client, everything())
    assert outcome.stopped
    assert "the anchor refuses it" in outcome.errors[0]
    assert not [path for path in client.deleted if "validating" in path or "networkpolicies" in path]


def test_a_guard_that_cant_be_removed_keeps_those_after_it() -> None:
    client = FakeClient(refused="confidential.pods")
    outcome = carried_out(client, everything())
    assert (outcome.stopped, len(outcome.errors)) == (False, 1)
    assert not [path for path in client.deleted if "ungoverned" in path or "networkpolicies" in path]


def test_what_is_gone_meanwhile_is_removed() -> None:
    client = FakeClient(refused="leases", status=404)
    assert carried_out(client, {"Lease": [item("daulat-operator", NAMESPACE)]}) == Outcome(1)


def test_of_nodes_and_namespaces_only_what_is_daulats_is_taken() -> None:
    lists: dict[str, list[Raw]] = {
        "Node": [item("a1", labels={PIN: "eligible"}, spec={"taints": [{"key": UNDECIDED_TAINT}]})],
        "Namespace": [
            item("t", metadata={"annotations": {"openshift.io/node-selector": f"region=east,{PIN}=eligible"}})
        ],
    }
    node, namespace = "/api/v1/nodes/a1", "/api/v1/namespaces/t"
    other = {"key": "gpu", "effect": "NoSchedule"}
    live = {**lists["Node"][0], "spec": {"taints": [other, {"key": UNDECIDED_TAINT}]}}
    live["metadata"]["resourceVersion"] = lists["Namespace"][0]["metadata"]["resourceVersion"] = "7"
    client = FakeClient(live={node: live, namespace: lists["Namespace"][0]})
    seen: list[Any] = []
    merge = client.merge

    async def kept(path: str, patch: Raw) -> Raw:
        seen.append((path, patch))
        return await merge(path, patch)

    client.merge = kept  # type: ignore[method-assign]
    assert carried_out(client, lists) == Outcome(3)
    head = {"uid": "uid-a1", "resourceVersion": "7"}
    assert seen[0] == (node, {"metadata": {**head, "labels": {PIN: None}}})
    notes = {"openshift.io/node-selector": "region=east"}
    assert seen[1] == (namespace, {"metadata": {"uid": "uid-t", "resourceVersion": "7", "annotations": notes}})
    assert seen[2] == (node, {"metadata": head, "spec": {"taints": [other]}})


def test_a_node_that_was_made_anew_is_left_alone() -> None:
    listed = item("a1", labels={PIN: "eligible"})
    client = FakeClient(live={"/api/v1/nodes/a1": {"metadata": {"name": "a1", "uid": "another"}}})
    assert carried_out(client, {"Node": [listed]}) == Outcome(1)
    assert client.patched == {}


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--dry-run"], 0, f"Node a1: label {PIN}"),
        ([], 2, "--yes is required"),
        (["--crds", "--yes"], 2, "--models and --weights are required as well"),
    ],
)
def test_nothing_is_removed_without_a_confirmation(tmp_path: Path, options: list[str], code: int, told: str) -> None:
    api = FakeApiServer()
    api.serve_watched()
    api.add({"apiVersion": "v1", "kind": "Node", **item("a1", labels={PIN: "eligible", f"{NODE_PREFIX}site": "s"})})
    with serving(api):
        done = run(api, tmp_path, uninstall, *options)
    assert (done.exit_code, told in done.output) == (code, True), done.output


def test_a_cluster_without_daulat_has_nothing_to_remove(tmp_path: Path) -> None:
    with serving(FakeApiServer()) as api:
        done = run(api, tmp_path, uninstall, "--yes")
    assert (done.exit_code, done.output) == (0, "Daulat has left nothing to remove.\n")


@pytest.fixture
def pinned() -> Iterator[FakeApiServer]:
    """A cluster with a label on a node, which the server lets nobody change."""
    api = FakeApiServer()
    api.serve_watched()
    node = {"apiVersion": "v1", "kind": "Node", **item("a1", labels={PIN: "eligible"})}
    node["metadata"]["resourceVersion"] = "7"
    api.add(node)
    with serving(api):
        yield api


def test_a_program_reads_the_plan(tmp_path: Path, pinned: FakeApiServer) -> None:
    done = run(pinned, tmp_path, uninstall, "--dry-run", "-o", "json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["dryRun"], told["removed"], told["errors"]) == (0, True, 0, [])
    (only,) = told["removals"]
    where = (only["step"], only["action"], only["kind"], only["name"], only["labels"])
    assert where == ("labels", "edit", "Node", "a1", [PIN])


def test_a_program_reads_what_couldnt_be_removed(tmp_path: Path, pinned: FakeApiServer) -> None:
    done = run(pinned, tmp_path, uninstall, "--yes", "-o", "json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["dryRun"], told["removed"], told["stopped"]) == (1, False, 0, True)
    assert told["errors"][0].startswith("Node a1: ")


def test_a_program_isnt_asked_for_a_confirmation(tmp_path: Path, pinned: FakeApiServer) -> None:
    done = run(pinned, tmp_path, uninstall, "-o", "json")
    assert (done.exit_code, done.stdout, "say --yes" in done.stderr) == (2, "", True)


def test_a_program_is_told_that_there_is_nothing_to_remove(tmp_path: Path) -> None:
    with serving(FakeApiServer()) as api:
        done = run(api, tmp_path, uninstall, "--yes", "-o", "json")
    assert json.loads(done.stdout)["removals"] == []
