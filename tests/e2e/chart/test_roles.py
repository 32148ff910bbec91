"""Whom the chart's roles let do what."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dev.deployment import poll
from tests.rights import OPERATOR_MAY, OWN, PLURALS, READ, flat

from .world import (
    ANNOTATES,
    NAMESPACE,
    OPERATOR,
    TENANT,
    World,
    answers,
)

OPERATOR_MAY_NOT: list[tuple[str, str, Sequence[str], str]] = [
    ("", "secrets", (*OWN, "update"), ""),
    ("", "secrets", READ, NAMESPACE),
    ("", "configmaps", OWN, ""),
    ("", "pods", ("patch", "update", "deletecollection"), ""),
    *[
        ("", f"pods/{s}", ("create", "get"), "")
        for s in ("exec", "attach", "portforward", "ephemeralcontainers", "binding")
    ],
    ("", "bindings", ("create",), ""),
    ("", "serviceaccounts/token", ("create",), ""),
    ("", "nodes", ("create", "update", "delete"), ""),
    ("", "nodes/status", ("patch",), ""),
    ("", "nodes/proxy", ("get",), ""),
    ("", "namespaces", ("create", "patch", "update", "delete"), ""),
    ("apps", "daemonsets", OWN, ""),
    ("gateway.networking.k8s.io", "gateways", ("create", "patch", "update", "delete"), ""),
    *[
        ("resource.k8s.io", r, ("create", "patch", "update", "delete"), "")
        for r in ("resourceslices", "resourceclaims", "resourceclaims/status", "deviceclasses")
    ],
    *[("daulat.dev", r, ("create", "update", "patch", "delete"), "") for r in PLURALS],
    ("apiextensions.k8s.io", "customresourcedefinitions", ("create", "patch", "delete"), ""),
    *[("rbac.authorization.k8s.io", r, OWN, "") for r in ("roles", "clusterroles", "clusterrolebindings")],
    ("authentication.k8s.io", "tokenreviews", ("create",), ""),
    ("coordination.k8s.io", "leases", ("get", "create", "patch"), "kube-system"),
    ("coordination.k8s.io", "leases", ("delete",), NAMESPACE),
    ("", "users", ("impersonate",), ""),
]


GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]


def test_the_operator_may_do_what_it_has_to(world: World) -> None:
    asked = flat(OPERATOR_MAY)
    assert [a for a, yes in zip(asked, answers(world, OPERATOR, GROUPS, asked), strict=True) if not yes] == []


def test_the_operator_may_do_nothing_else(world: World) -> None:
    asked = [a for a in flat(OPERATOR_MAY_NOT) if not (ANNOTATES and a[1:3] == ("namespaces", "patch"))]
    assert [a for a, yes in zip(asked, answers(world, OPERATOR, GROUPS, asked), strict=True) if yes] == []


def test_the_operators_role_grants_exactly_the_list(world: World) -> None:
    granted = set()
    for rule in world.get("clusterrole", "daulat-operator")["rules"]:
        assert "resourceNames" not in rule
        granted |= {(g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
    assert granted == {
        (group, resource, verb) for group, resource, verb, namespace in flat(OPERATOR_MAY) if not namespace
    }


def test_no_role_of_the_chart_has_a_wildcard(world: World) -> None:
    roles = world.get("clusterroles", "-l", "app.kubernetes.io/instance=daulat")["items"]
    assert len(roles) == 7 + ANNOTATES
    assert "*" not in json.dumps([rule for role in roles for rule in role["rules"]])


def test_the_builtin_roles_gain_the_kinds(world: World) -> None:
    everywhere = [("daulat.dev", r, "list", "") for r in PLURALS]
    poll("view reads every kind", lambda: all(answers(world, "vera", [], everywhere)))
    assert answers(world, "vera", [], [("daulat.dev", "sovereignmodels", "create", TENANT)]) == [False]


def test_only_the_policy_admin_governs_and_only_the_zone_admin_certifies(world: World) -> None:
    verbs = {"sovereigntypolicies": "govern", "sovereignzones": "certify", "acceleratorprofiles": "certify"}
    asked = [("daulat.dev", r, v, "") for r, v in [*verbs.items(), ("sovereigntyexemptions", "approve")]]
    assert answers(world, "pam", [], asked) == [True, False, False, False]
    assert answers(world, "zoe", [], asked) == [False, True, True, False]
    assert answers(world, "cyril", [], asked) == [False, False, False, True]
    assert answers(world, "mallory", [], asked) == [False, False, False, False]
