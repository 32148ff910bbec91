"""The audit policy: which requests the API server is told to log."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.controls.library import guards
from daulat.evidence.audit.policy import audit_policy

_OPERATIONS = {"CREATE": "create", "UPDATE": "patch", "DELETE": "delete", "CONNECT": "get"}


def level(verb: str, group: str, resource: str, user: str = "alice", groups: tuple[str, ...] = ()) -> str:
    """Return the level of a request, by the first rule that matches it as the API server's checker does."""
    for rule in audit_policy()["rules"]:
        if verb not in rule.get("verbs", [verb]):
            continue
        if "users" in rule and user not in rule["users"]:
            continue
        if "userGroups" in rule and not set(groups) & set(rule["userGroups"]):
            continue
        if "resources" in rule and not any(_matches(r, group, resource) for r in rule["resources"]):
            continue
        return str(rule["level"])
    return "None"


def _matches(rule: dict[str, Any], group: str, resource: str) -> bool:
    main, _, sub = resource.partition("/")
    names = {resource, "*", *([f"*/{sub}", f"{main}/*"] if sub else [])}
    return rule["group"] == group and bool(names & set(rule["resources"]))


@pytest.mark.parametrize(
    ("operation", "group", "resource"),
    sorted(
        {(o, r.group, n) for g in guards().values() for r in g.resources for n in r.resources for o in r.operations}
    ),
)
def test_whatever_a_control_may_refuse_a_person_is_logged(operation: str, group: str, resource: str) -> None:
    assert level(_OPERATIONS[operation], group, resource) == "Metadata"


@pytest.mark.parametrize("resource", ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "nodes/proxy"])
@pytest.mark.parametrize("verb", ["get", "create", "delete"])
def test_a_session_is_logged_by_whatever_verb_and_user(verb: str, resource: str) -> None:
    for groups in ((), ("system:nodes",), ("system:serviceaccounts:kube-system",), ("system:masters",)):
        assert level(verb, "", resource, groups=groups) == "Metadata"


@pytest.mark.parametrize(
    ("verb", "group", "resource"),
    [
        ("patch", "daulat.dev", "sovereigntypolicies"),
        ("patch", "daulat.dev", "sovereigntypolicies/status"),
        ("deletecollection", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("delete", "apiextensions.k8s.io", "customresourcedefinitions"),
        ("patch", "", "nodes"),
        ("update", "", "namespaces"),
    ],
)
def test_a_change_of_what_daulat_decides_by_is_logged(verb: str, group: str, resource: str) -> None:
    assert level(verb, group, resource) == "Metadata"


@pytest.mark.parametrize(
    ("verb", "group", "resource", "groups"),
    [
        ("list", "", "pods", ()),
        ("watch", "daulat.dev", "sovereignmodels", ()),
        ("create", "", "events", ()),
        ("update", "coordination.k8s.io", "leases", ()),
        ("patch", "", "nodes/status", ("system:nodes",)),
        ("patch", "", "pods/status", ("system:nodes",)),
        ("create", "", "serviceaccounts/token", ("system:nodes",)),
        ("patch", "daulat.dev", "sovereignmodels/status", ("system:serviceaccounts:daulat-system",)),
        ("update", "discovery.k8s.io", "endpointslices", ("system:serviceaccounts:kube-system",)),
    ],
)
def test_what_components_do_all_the_time_is_not(verb: str, group: str, resource: str, groups: tuple[str, ...]) -> None:
    assert level(verb, group, resource, groups=groups) == "None"


@pytest.mark.parametrize("groups", [("system:nodes",), ("system:serviceaccounts:kube-system",)])
def test_a_component_that_is_refused_a_pod_or_a_label_is_logged(groups: tuple[str, ...]) -> None:
    for verb, resource in (("create", "pods"), ("patch", "nodes"), ("patch", "pods/ephemeralcontainers")):
        assert level(verb, "", resource, groups=groups) == "Metadata"


def test_no_body_is_ever_logged() -> None:
    assert {rule["level"] for rule in audit_policy()["rules"]} == {"Metadata", "None"}


def test_the_namespace_of_the_installation_is_the_one_whose_states_are_left_out() -> None:
    assert "system:serviceaccounts:elsewhere" in audit_policy("elsewhere")["rules"][2]["userGroups"]
