"""What the operator may do beyond RBAC, and who may reach into it."""

from __future__ import annotations

import json
from functools import partial

from dev.deployment import poll

from .world import (
    NAMESPACE,
    OPERATOR,
    TENANT,
    World,
    as_operator,
    operator_pods,
    pod,
    says,
)


def test_the_operator_tries_pods_out_and_cannot_keep_one(world: World) -> None:
    world.kubectl().run("create", "--dry-run=server", "-f", "-", f"--as={OPERATOR}", stdin=pod("canary"))
    said = world.refusal("admin", "create", "-f", "-", f"--as={OPERATOR}", stdin=pod("canary"))
    assert "it may only try pods out as a dry run" in said


def test_others_create_pods_as_before(world: World) -> None:
    world.kubectl().run("create", "-f", "-", stdin=pod("ordinary"))
    world.kubectl().run("delete", "pod", "-n", TENANT, "ordinary", "--now")


def test_the_operator_runs_and_runs_the_releases_image_alone(world: World) -> None:
    poll("the operator's pods come up", lambda: len(operator_pods(world)) == 2)
    image = operator_pods(world)[0]["spec"]["containers"][0]["image"]
    create = ["create", "--dry-run=server", "-f", "-"]
    assert "MGD-08 spec.containers" in world.refusal(
        "admin", *create, stdin=as_operator("x", "registry.example.my/x:1")
    )
    said = world.refusal("admin", *create, stdin=as_operator("x", image, command=["sh"]))
    assert 'MGD-08 spec.containers["operator"].command: "sh"' in said
    assert world.refusal("admin", *create, stdin=as_operator("x", image)) == ""
    assert world.refusal("admin", *create, stdin=as_operator("x", image + "@sha256:" + "1a" * 32)) == ""
    # Others in its namespace, and accounts of that name elsewhere, are nobody's business.
    world.kubectl().run("create", "serviceaccount", "other", "-n", NAMESPACE)
    assert world.refusal("admin", *create, stdin=as_operator("x", "registry.example.my/x:1", account="other")) == ""
    # A running pod's image can't be changed either.
    name = operator_pods(world)[0]["metadata"]["name"]
    said = world.refusal("admin", "set", "image", f"pod/{name}", "-n", NAMESPACE, "operator=registry.example.my/x:1")
    assert "MGD-08" in said


def test_nobody_without_govern_reaches_into_the_operator(world: World) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec", "pods/attach", "pods/portforward"], "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["get", "patch", "update"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token", "secrets"], "verbs": ["create"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": "test-support", "namespace": NAMESPACE}}
    subjects = [{"apiGroup": rbac, "kind": "User", "name": user} for user in ("sam", "pam")]
    ref = {"apiGroup": rbac, "kind": "Role", "name": "test-support"}
    binding = {**head, "kind": "RoleBinding", "roleRef": ref, "subjects": subjects}
    world.kubectl().apply([{**head, "kind": "Role", "rules": rules}, binding])
    poll("the operator's pods come up", lambda: len(operator_pods(world)) == 2)
    name = operator_pods(world)[0]["metadata"]["name"]
    pod = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "token",
            "namespace": NAMESPACE,
            "annotations": {"kubernetes.io/service-account.name": "daulat"},
        },
        "type": "kubernetes.io/service-account-token",
    }
    # Within the namespace's Pod Security, so that nothing else refuses it first.
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "debug", "image": "registry.example.my/x:1", "securityContext": context}
    ephemeral = json.dumps({"spec": {"ephemeralContainers": [container]}})
    on_pod = ["patch", "pod", name, "-n", NAMESPACE, "--dry-run=server"]
    attempts: list[tuple[list[str], str | None]] = [
        (["exec", "-n", NAMESPACE, name, "--", "sh"], None),
        (["create", "--raw", f"{pod}/attach", "-f", "-"], ""),
        (["create", "--raw", f"{pod}/portforward", "-f", "-"], ""),
        (["create", "token", "daulat", "-n", NAMESPACE], None),
        (["create", "--dry-run=server", "-f", "-"], json.dumps(secret)),
        ([*on_pod, "--subresource=ephemeralcontainers", "--type=strategic", f"--patch={ephemeral}"], None),
    ]
    for arguments, stdin in attempts:
        poll(
            f"{arguments} is refused by the guard",
            partial(says, world, "sam", arguments, stdin, "MGD-08 metadata.name"),
        )
        # RBAC and the guard let a policy admin; there is no container behind it, or Pod Security objects.
        assert "MGD-08" not in world.refusal("pam", *arguments, stdin=stdin)
    # Accounts of others are others' business.
    world.kubectl("sam").run("create", "token", "default", "-n", NAMESPACE)


def test_the_kinds_themselves_are_kept(world: World) -> None:
    rules = [{"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["*"]}]
    rules += [
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions/status"], "verbs": ["*"]}
    ]
    rbac = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": "test-crds"}}
    ref = {"apiGroup": rbac, "kind": "ClusterRole", "name": "test-crds"}
    subjects = [{"apiGroup": rbac, "kind": "User", "name": user} for user in ("mallory", "pam")]
    role = {**head, "kind": "ClusterRole", "rules": rules}
    world.kubectl().apply([role, {**head, "kind": "ClusterRoleBinding", "roleRef": ref, "subjects": subjects}])
    crd = "sovereigntypolicies.daulat.dev"
    delete = ["delete", "crd", crd, "--dry-run=server"]
    poll("mallory is refused by the guard", partial(says, world, "mallory", delete, None, "MGD-08 "))
    unserved = '--patch=[{"op": "replace", "path": "/spec/versions/0/served", "value": false}]'
    assert "MGD-08 " in world.refusal("mallory", "patch", "crd", crd, "--type=json", unserved)
    hidden = '--patch=[{"op": "replace", "path": "/status/conditions", "value": []}]'
    status = ["patch", "crd", crd, "--subresource=status", "--type=json", hidden, "--dry-run=server"]
    assert "MGD-08 " in world.refusal("mallory", *status)
    assert world.refusal("mallory", "annotate", "crd", crd, "example.my/x=y") == ""
    assert world.refusal("pam", *delete) == ""
