"""Daulat leaves a cluster without ending what runs, whether its chart or its policies go first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daulat.cli.uninstall.command import uninstall
from dev.deployment import NAMESPACE, helm, install, poll

from .world import (
    World,
    admission,
    lower,
    model_manifest,
    namespace_manifest,
    pod_manifest,
    policy_manifest,
    raise_world,
    unique,
)

PREFIX = "daulat.node-restriction.kubernetes.io/"
EGRESS = {"scope": "Namespace", "allow": []}


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster of this test's own: nothing is left of Daulat there in the end."""
    raised = raise_world(unique("uninstall"), tmp_path_factory.mktemp("uninstall"), say=lambda line: None)
    yield raised
    lower(raised)


def run(world: World, *options: str) -> Result:
    return CliRunner().invoke(uninstall, list(options), env={"KUBECONFIG": str(world.cluster.kubeconfig())})


def governing(world: World) -> list[str]:
    """Return the admission policies of any kind that are Daulat's."""
    kinds = [f"{kind}admission{what}" for kind in admission() for what in ("policies", "policybindings")]
    found = world.get(",".join(kinds))["items"]
    return sorted(i["metadata"]["name"] for i in found if i["metadata"]["name"].endswith(".daulat.dev"))


def labels(world: World) -> set[str]:
    """Return the labels of record on nodes, but those of sites."""
    found = {label for node in world.get("nodes")["items"] for label in node["metadata"]["labels"]}
    return {label for label in found if label.startswith(PREFIX)} - {f"{PREFIX}site"}


def uids(world: World, namespace: str) -> list[str]:
    return sorted(p["metadata"]["uid"] for p in world.pods(namespace) if not p["metadata"].get("deletionTimestamp"))


def serve(world: World, policy: str, namespace: str) -> None:
    ready = ("sovereignmodel", "m", "Ready", "True", namespace)
    world.admin.apply([policy_manifest(policy, egress=EGRESS)])
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    world.admin.apply([model_manifest("m", namespace)])
    world.wait_condition(*ready)


def test_nothing_that_runs_ends_whichever_way_one_begins(own: World) -> None:
    policy, namespace = unique("pol"), unique("ns")
    own.admin.apply([namespace_manifest(namespace, policy, **{"daulat.dev/data-class": "confidential"})])
    poll("the default ServiceAccount", lambda: own.exists("serviceaccount", "default", namespace))
    serve(own, policy, namespace)
    before = uids(own, namespace)
    held = sorted(governing(own))

    # While the operator runs it would make everything anew, so it is only listed.
    refused = run(own, "--yes")
    assert refused.exit_code == 2
    assert "the operator runs" in refused.output
    listed = run(own, "--dry-run")
    assert listed.exit_code == 0
    for expected in (
        f"ValidatingAdmissionPolicyBinding {policy}.pods.daulat.dev",
        "ValidatingAdmissionPolicy ungoverned.cluster.daulat.dev",
        f"NetworkPolicy {namespace}/default-deny.daulat.dev",
        f"Lease {NAMESPACE}/daulat-operator",
    ):
        assert f"  {expected}\n" in listed.output
    assert f"label {PREFIX}{policy}" not in listed.output, "a pod is pinned to it"
    assert governing(own) == held

    # The chart goes first: what it enforced stays until the command removes it.
    own.operator.stop()
    helm(own.cluster.kubeconfig(), "uninstall", "daulat", "--namespace", NAMESPACE)
    assert "USE-04" in own.refusal(pod_manifest("p", namespace, nodeName="x"), "--dry-run=server")
    done = run(own, "--yes")
    assert done.exit_code == 0, done.output
    assert governing(own) == []
    # The API server takes that up within a second or two.
    poll("pods to be let in", lambda: not own.refusal(pod_manifest("p", namespace, nodeName="x"), "--dry-run=server"))
    assert uids(own, namespace) == before
    assert f"{PREFIX}{policy}" in labels(own)
    assert own.exists("sovereigntypolicy", policy)

    # It comes back, and takes over what it finds.
    install(own.cluster)
    own.operator.start()
    own.admin.apply([policy_manifest(policy, egress=EGRESS, drift={"limit": "30%"})])
    poll("the policy to be in force again", lambda: _enforced(own, policy).get("observedGeneration") == 2)
    own.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    assert uids(own, namespace) == before

    # The policies go first: the model says that nothing governs it, nothing new is let in, and nothing ends.
    own.admin.run("delete", "sovereigntypolicies", "--all")
    own.wait_reason("sovereignmodel", "m", "PolicyCompliant", "NotGoverned", namespace)
    poll("the policy's guards to go", lambda: not [n for n in governing(own) if n.startswith(f"{policy}.")])
    poll(
        "the namespace to be closed", lambda: "GOV-01" in own.refusal(pod_manifest("p", namespace), "--dry-run=server")
    )
    own.operator.stop()
    assert run(own, "--yes").exit_code == 0
    assert uids(own, namespace) == before

    helm(own.cluster.kubeconfig(), "uninstall", "daulat", "--namespace", NAMESPACE)
    everything = run(own, "--yes", "--models", "--weights", "--crds")
    assert everything.exit_code == 0, everything.output
    poll("the pods to go", lambda: not own.pods(namespace))
    poll("the kinds to go", lambda: not _kinds(own))
    assert run(own, "--yes").exit_code == 0
    assert labels(own) == set()
    assert "nothing to remove" in run(own, "--dry-run").output


def _enforced(world: World, policy: str) -> Mapping[str, Any]:
    found = world.condition("sovereigntypolicy", policy, "Enforced")
    return found if found.get("status") == "True" else {}


def _kinds(world: World) -> list[Any]:
    return [c for c in world.get("crd")["items"] if c["metadata"]["name"].endswith(".daulat.dev")]
