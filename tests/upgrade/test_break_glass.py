"""docs/how-to/break-glass.md: who opens a policy when it keeps a cluster from being mended, what records it, and what ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import ClusterError, audit
from dev.cluster.kubectl import Kubectl
from dev.deployment import poll
from tests.e2e.world import World, lower, pod_manifest, raise_world, unique

OPEN = '--patch={"spec": {"validationActions": ["Warn", "Audit"]}}'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster of its own, which records what the people of these tests ask for."""
    directory = tmp_path_factory.mktemp("glass")
    raised = raise_world(
        unique("glass"), directory, say=lambda line: None, audit_policy=audit.requests_of(["ops", "pam", "tenant"])
    )
    yield raised
    lower(raised)


def refused(who: Kubectl, *arguments: str, manifest: dict[str, Any] | None = None) -> str:
    """Return why the API server refuses; empty where it doesn't."""
    try:
        who.run(*arguments, stdin=json.dumps(manifest) if manifest else None)
    except ClusterError as error:
        return str(error)
    return ""


def everything(world: World, user: str) -> Kubectl:
    """Return kubectl as a cluster administrator."""
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return world.grant(user, rule, {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]})


def recorded(world: World, user: str) -> list[dict[str, Any]]:
    """Return what the audit log has of a user."""
    lines = map(json.loads, Path(world.cluster.audit_log).read_text().splitlines())
    return [line for line in lines if line["user"]["username"] == user]


def test_a_policy_admin_lets_a_policy_warn_and_back_and_a_tenant_cannot(world: World) -> None:
    with world.governed() as (policy, namespace):
        forbidden = pod_manifest("mend", namespace, nodeName="sg-gpu-1")
        warn, enforce = (f'--patch={{"spec": {{"action": "{action}"}}}}' for action in ("Warn", "Enforce"))
        tenant = world.make_admin("tenant", namespace)
        assert "forbidden" in refused(tenant, "patch", "spolicy", policy, "--type=merge", warn)
        binding = f"{policy}.pods.daulat.dev"
        assert "forbidden" in refused(
            tenant, "patch", "validatingadmissionpolicybinding", binding, "--type=merge", OPEN
        )
        # The right to write policies isn't enough: the guards ask for the verb govern as well.
        rule = {"apiGroups": ["daulat.dev"], "resources": ["sovereigntypolicies"], "verbs": ["get", "patch"]}
        tenant = world.grant("tenant", rule)
        assert "MGD-07" in refused(tenant, "patch", "spolicy", policy, "--type=merge", warn)

        pam = world.grant("pam", {**rule, "verbs": ["get", "patch", "govern"]})
        pam.run("patch", "spolicy", policy, "--type=merge", warn)
        pam.run("annotate", "spolicy", policy, "example.my/break-glass=INC-7 until 18:00")
        world.wait_condition("spolicy", policy, "Enforced", "False")
        poll("the pod to be let in", lambda: world.refusal(forbidden, "--dry-run=server") == "")
        poll("an Event that says so", lambda: ("NotEnforcing", policy) in _events(world))
        pam.run("patch", "spolicy", policy, "--type=merge", enforce)
        world.wait_condition("spolicy", policy, "Enforced", "True")
        # Enforced was proved anew, so it is so.
        assert "USE-04" in world.refusal(forbidden, "--dry-run=server")
        assert [e["verb"] for e in recorded(world, "pam") if e["verb"] == "patch"] == ["patch"] * 3


def test_while_the_operator_runs_what_is_opened_at_the_bindings_is_closed_at_once(world: World) -> None:
    with world.governed() as (policy, namespace):
        ops = everything(world, "ops")
        binding = f"{policy}.pods.daulat.dev"
        ops.run("patch", "validatingadmissionpolicybinding", binding, "--type=merge", OPEN)
        poll("the binding to be as compiled", lambda: _actions(world, binding) == ["Deny"])
        assert namespace


def test_without_the_operator_an_administrator_opens_one_policy_and_its_return_ends_that(world: World) -> None:
    with world.governed() as (policy, namespace):
        ops = everything(world, "ops")
        mend = pod_manifest("mend", namespace, nodeName="sg-gpu-1")
        world.operator.stop()
        try:
            assert "USE-04" in refused(ops, "create", "--dry-run=server", "-f", "-", manifest=mend)
            binding = f"{policy}.pods.daulat.dev"
            ops.run("patch", "validatingadmissionpolicybinding", binding, "--type=merge", OPEN)
            poll("the pod to be let in", lambda: not refused(ops, "create", "-f", "-", manifest=mend))
            # Other policies aren't opened, and what was let in is recorded with its violation.
            trace = [
                e for e in recorded(world, "ops") if e["verb"] == "create" and e["objectRef"]["resource"] == "pods"
            ]
            assert "USE-04" in json.dumps(trace[-1]["annotations"])
        finally:
            world.operator.start()
        poll("the binding to be as compiled", lambda: _actions(world, binding) == ["Deny"])
        poll("the pod to be refused", lambda: "USE-04" in world.refusal(mend, "--dry-run=server"))
        # The pod that was let in doesn't stay unseen.
        world.wait_condition("spolicy", policy, "Upheld", "False")


def _actions(world: World, binding: str) -> list[str]:
    return list(world.get("validatingadmissionpolicybinding", binding)["spec"]["validationActions"])


def _events(world: World) -> set[tuple[str, str]]:
    return {(e["reason"], e["involvedObject"]["name"]) for e in world.get("events", "-A")["items"]}
