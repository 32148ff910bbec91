"""An exemption takes two people, whatever their rights and whichever tool they use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from dev.cluster import ClusterError
from dev.cluster.kubectl import Kubectl
from dev.deployment import ROOT, poll

from .world import World, pod_manifest, unique

ELSEWHERE = {"name": "main", "image": "registry.elsewhere.example/tool@sha256:" + "4d" * 32}
GITOPS = "system:serviceaccount:argocd:argocd-application-controller"
WRITE = {
    "apiGroups": ["daulat.dev"],
    "resources": ["sovereigntyexemptions"],
    "verbs": ["get", "list", "create", "update", "delete", "patch"],
}
APPROVE = {**WRITE, "verbs": ["get", "update", "patch", "approve"]}


def exemption(name: str, who: str, **changes: Any) -> dict[str, Any]:
    """Return what somebody asks for."""
    spec = {
        "policy": "nothing",
        "controls": ["STO-07"],
        "namespaces": ["treasury"],
        "reason": "the mirror moves this week",
        "requestedBy": who,
        "expiresAt": (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **changes,
    }
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereigntyExemption"}
    return {**head, "metadata": {"name": name}, "spec": spec}


def approval(name: str, who: str, reference: str = "DPO-1") -> dict[str, Any]:
    """Return what an approver applies on the server's side: the one item that is theirs."""
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereigntyExemption"}
    return {**head, "metadata": {"name": name}, "spec": {"approvals": [{"user": who, "reference": reference}]}}


def answer(who: Kubectl, *arguments: str, manifest: dict[str, Any] | None = None) -> str:
    """Return why the API server refuses; empty where it doesn't."""
    try:
        who.run(*arguments, stdin=json.dumps(manifest) if manifest else None)
    except ClusterError as error:
        return str(error)
    return ""


def server_side(who: Kubectl, manager: str, manifest: dict[str, Any], *options: str) -> str:
    """Apply on the server's side, as this field manager."""
    return answer(who, "apply", "--server-side", f"--field-manager={manager}", *options, "-f", "-", manifest=manifest)


@pytest.fixture
def name(world: World) -> Iterator[str]:
    """A name for an exemption, which is removed afterwards."""
    found = unique("exempt")
    yield found
    world.admin.run("delete", "sexempt", found, "--ignore-not-found")


@pytest.fixture(scope="module")
def asker(world: World) -> Kubectl:
    """Somebody who may write exemptions."""
    return world.grant("alice", WRITE)


@pytest.fixture(scope="module")
def approver(world: World) -> Kubectl:
    """Somebody who may approve them."""
    return world.grant("ciso", APPROVE)


def approvals(world: World, name: str) -> list[dict[str, str]]:
    return list(world.get("sexempt", name)["spec"].get("approvals", []))


def reason(world: World, name: str) -> str:
    return str(world.condition("sexempt", name, "Active").get("reason", ""))


def test_an_exemption_holds_once_somebody_else_has_approved_it(world: World, asker: Kubectl, approver: Kubectl) -> None:
    with world.governed() as (policy, namespace):
        name = f"for-{namespace}"
        pod = pod_manifest("p", namespace, containers=[ELSEWHERE])
        assert (
            answer(asker, "create", "-f", "-", manifest=exemption(name, "alice", policy=policy, namespaces=[namespace]))
            == ""
        )
        poll("the exemption to wait", lambda: reason(world, name) == "NotApproved")
        assert "STO-07 " in world.refusal(pod, "--dry-run=server")
        assert server_side(approver, "ciso", approval(name, "ciso")) == ""
        poll("the exemption to be in force", lambda: reason(world, name) == "InForce")
        poll("the exemption to be live", lambda: world.refusal(pod, "--dry-run=server") == "")
        row = world.admin.run("get", "sexempt", name, "-o", "wide", "--no-headers").split()
        assert row[3:5] == ["True", "InForce"]
        assert row[6:8] == ["alice", "ciso"]
        # Whoever approved takes it back.
        assert answer(approver, "patch", "sexempt", name, "--type=merge", '--patch={"spec": {"approvals": null}}') == ""
        poll("the exemption to wait again", lambda: reason(world, name) == "NotApproved")
        poll("the exemption to be over", lambda: "STO-07 " in world.refusal(pod, "--dry-run=server"))
        asker.run("delete", "sexempt", name)


def test_not_even_a_cluster_admin_approves_their_own(world: World, name: str) -> None:
    admin = world.admin
    assert answer(admin, "create", "-f", "-", manifest=exemption(name, "kubernetes-admin")) == ""
    said = server_side(admin, "admin", approval(name, "kubernetes-admin"))
    assert 'GOV-02 spec.approvals["kubernetes-admin"]: user "kubernetes-admin" approved their own request' in said
    assert 'user "kubernetes-admin" approved in the name of "ciso"' in server_side(
        admin, "admin", approval(name, "ciso")
    )
    brought = exemption(unique("brought"), "kubernetes-admin", approvals=[{"user": "ciso", "reference": "x"}])
    assert "GOV-02 spec.approvals" in answer(admin, "create", "-f", "-", manifest=brought)
    asked = exemption(unique("asked"), "alice")
    assert "GOV-02 spec.requestedBy" in answer(admin, "create", "-f", "-", manifest=asked)
    # The status is the operator's, and gives nobody an approval.
    patch = '--patch={"spec": {"approvals": [{"user": "ciso", "reference": "x"}]}}'
    answer(admin, "patch", "sexempt", name, "--subresource=status", "--type=merge", patch)
    assert approvals(world, name) == []


def test_approving_has_a_verb_of_its_own(world: World, asker: Kubectl, name: str) -> None:
    other = world.grant(unique("bob"), WRITE)
    user = other.run("auth", "whoami", "-o=jsonpath={.status.userInfo.username}")
    assert answer(asker, "create", "-f", "-", manifest=exemption(name, "alice")) == ""
    assert "GOV-02 spec.approvals" in server_side(other, "bob", approval(name, user))
    assert "only principals with the verb approve" in server_side(other, "bob", approval(name, user))
    world.grant(user, WRITE, APPROVE)
    poll("the right to approve to count", lambda: server_side(other, "bob", approval(name, user)) == "")


def test_what_was_approved_does_not_change_afterwards(
    world: World, asker: Kubectl, approver: Kubectl, name: str
) -> None:
    manifest = exemption(name, "alice")
    assert answer(asker, "create", "-f", "-", manifest=manifest) == ""
    one_line = '--patch={"spec": {"approvals": [{"user": "ciso", "reference": "DPO-1"}]}}'
    assert answer(approver, "patch", "sexempt", name, "--type=merge", one_line) == ""
    for field, value in {"controls": ["STO-07", "SUP-01"], "namespaces": ["a", "b"], "policy": "other"}.items():
        patch = json.dumps({"spec": {field: value}})
        said = answer(asker, "patch", "sexempt", name, "--type=merge", f"--patch={patch}")
        assert "GOV-02 spec.approvals: what was approved was changed" in said
    # Nor does the approver write their own.
    grown = json.dumps({"spec": {"controls": ["STO-07", "SUP-01"]}})
    assert "GOV-02 spec.requestedBy" in answer(approver, "patch", "sexempt", name, "--type=merge", f"--patch={grown}")
    again = json.dumps({"spec": {"controls": ["STO-07", "SUP-01"], "approvals": None}})
    assert answer(asker, "patch", "sexempt", name, "--type=merge", f"--patch={again}") == ""
    assert approvals(world, name) == []


@pytest.mark.parametrize("side", ["client", "server"])
def test_gitops_applies_over_and_over_and_leaves_approvals_alone(
    world: World, approver: Kubectl, name: str, side: str
) -> None:
    gitops = world.grant(GITOPS, WRITE)
    manifest = exemption(name, GITOPS)
    how = ["--server-side", "--field-manager=argocd"] if side == "server" else []
    apply = ["apply", *how, "-f", "-"]
    assert answer(gitops, *apply, manifest=manifest) == ""
    assert server_side(approver, "ciso", approval(name, "ciso")) == ""
    assert answer(gitops, *apply, manifest=manifest) == ""
    manifest["metadata"]["labels"] = {"team": "treasury"}
    assert answer(gitops, *apply, manifest=manifest) == ""
    assert approvals(world, name) == [{"user": "ciso", "reference": "DPO-1"}]
    # A second approver adds an item of their own, and changes nobody else's.
    assert server_side(world.grant("dpo", APPROVE), "dpo", approval(name, "dpo", "DPO-2")) == ""
    assert [a["user"] for a in approvals(world, name)] == ["ciso", "dpo"]
    manifest["spec"]["reason"] = "the mirror moves next week"
    assert "GOV-02 spec.approvals: what was approved was changed" in answer(gitops, *apply, manifest=manifest)
    gitops.run("patch", "sexempt", name, "--type=merge", '--patch={"spec": {"approvals": null}}')
    assert answer(gitops, *apply, manifest=manifest) == ""


def test_an_exemption_says_when_its_time_is_over(world: World, name: str) -> None:
    ended = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert answer(world.admin, "create", "-f", "-", manifest=exemption(name, "kubernetes-admin", expiresAt=ended)) == ""
    poll("the exemption to be over", lambda: reason(world, name) == "Expired")
    row = world.admin.run("get", "sexempt", name, "--no-headers").split()
    assert row[3:5] == ["False", "Expired"]


def test_a_namespace_that_doesnt_exist_is_reported_before_the_approval(world: World, asker: Kubectl, name: str) -> None:
    """Admission can't read namespaces, so the operator reports it, by a condition and an Event."""
    with world.governed() as (policy, namespace):
        wrong = exemption(name, "alice", policy=policy, namespaces=[f"{namespace}-x"])
        assert answer(asker, "create", "-f", "-", manifest=wrong) == ""
        poll("the mistake to be reported", lambda: reason(world, name) == "WithoutEffect")
        said = f"namespace {namespace}-x doesn't exist"
        assert world.condition("sexempt", name, "Active")["message"] == said
        poll("the Event", lambda: said in world.admin.run("describe", "sexempt", name).partition("Events:")[2])


def test_the_example_is_asked_for_and_approved_as_it_says(world: World) -> None:
    manifest = yaml.safe_load((ROOT / "examples" / "exemption.yaml").read_text())
    name, asker = manifest["metadata"]["name"], world.grant(manifest["spec"]["requestedBy"], WRITE)
    assert answer(asker, "apply", "-f", "-", manifest=manifest) == ""
    world.approve(name, "farid@example.my", "RISK-118")
    assert approvals(world, name) == [{"user": "farid@example.my", "reference": "RISK-118"}]
    asker.run("delete", "sexempt", name)
