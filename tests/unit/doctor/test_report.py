"""What couldn't be looked at is named with what it needs, and RBAC is resolved as the API server does."""

from __future__ import annotations

from itertools import chain

import pytest

from daulat.doctor.catalog import advisories, checks
from daulat.doctor.cluster import Probe
from daulat.doctor.examine import examine
from daulat.doctor.finding import Severity
from daulat.doctor.rbac import Grant, Rbac, Subject, allows
from daulat.doctor.sources import SOURCES
from daulat.doctor.versions import version_of

from .clusters import binding, cluster, role, rule, strong


@pytest.mark.parametrize("key", sorted(SOURCES))
def test_a_list_that_cant_be_read_leaves_no_check_fine_that_needs_it(key: str) -> None:
    lists = {**strong(), "nodefeatures": []}
    report = examine(cluster(lists, {key: "forbidden"}))
    needing = {check.id for check in checks().values() if key in check.needs}
    missing = {u.check: u for u in report.unchecked if u.rights}
    assert set(missing) == needing
    assert all(f"{SOURCES[key].right} (forbidden)" in u.needs for u in missing.values())
    assert not needing & set(report.checked)


def test_a_check_names_every_list_that_it_reads() -> None:
    # With nothing readable, a check that doesn't say what it needs would pass.
    report = examine(cluster({}, dict.fromkeys(SOURCES, "forbidden")))
    assert {u.check for u in report.unchecked} == {c.id for c in checks().values() if c.needs} | {"DOC-32"}
    assert report.findings == ()


def test_what_was_found_before_a_list_is_missing_stays() -> None:
    lists = strong()
    lists["configmaps"].append(
        {"metadata": {"name": "c", "namespace": "treasury"}, "data": {"ASCEND_VISIBLE_DEVICES": ""}}
    )
    report = examine(cluster(lists, {"secrets": "forbidden"}))
    assert [f.check for f in report.findings] == ["DOC-38"]
    assert "DOC-38" in {u.check for u in report.unchecked}


def test_missing_rights_count_as_a_finding_and_what_nobody_can_see_does_not() -> None:
    assert examine(cluster(strong())).worst() is None
    assert examine(cluster(strong(), {"secrets": "forbidden"})).worst() is Severity.MEDIUM
    assert examine(cluster(strong(), {"pods": "forbidden"})).worst() is Severity.HIGH
    assert examine(cluster(strong(), probes={})).worst() is None


@pytest.mark.parametrize(
    ("check", "name", "probe", "told", "unchecked"),
    [
        ("DOC-31", "node-restriction", Probe(False, ""), "NodeRestriction is off", False),
        ("DOC-31", "node-restriction", Probe(True, 'cannot impersonate resource "users"'), "", True),
        ("DOC-31", "node-restriction", Probe(True, "x is not allowed to modify labels: y"), "", False),
        ("DOC-33", "anchor", Probe(False, ""), "no static policy prevents it", False),
        ("DOC-33", "anchor", Probe(True, 'User "eve" cannot delete resource'), "", True),
        ("DOC-33", "anchor", Probe(True, "ValidatingAdmissionPolicy 'a.static.k8s.io' denied request"), "", False),
    ],
)
def test_a_probe_tells_what_the_api_server_answered(
    check: str, name: str, probe: Probe, told: str, unchecked: bool
) -> None:
    report = examine(cluster(strong(), probes={name: probe}))
    found = [f.what for f in report.findings if f.check == check]
    assert [told in what for what in found] == ([True] if told else [])
    assert (check in {u.check for u in report.unchecked}) == unchecked


def test_aggregated_roles_grant_what_their_parts_do() -> None:
    selector = {"clusterRoleSelectors": [{"matchLabels": {"to-ops": "true"}}]}
    roles = [
        role("ops", aggregationRule=selector),
        role("part", rule("nodes", "patch"), metadata={"labels": {"to-ops": "true"}}),
        role("other", rule("secrets", "get")),
    ]
    rbac = Rbac([], roles, [], [binding("b", "User:ann", "ops")])
    ((grant, rules),) = rbac.grants
    assert grant == Grant(Subject("User", "ann"), "ClusterRole ops", "ClusterRoleBinding b", "")
    assert [r["resources"] for r in rules] == [["nodes"]]


def test_a_binding_in_a_namespace_grants_nothing_elsewhere() -> None:
    lists = strong()
    lists["roles"].append(role("shell", rule("pods/binding", "create"), namespace="other"))
    lists["rolebindings"].append(binding("shell", "User:ann", "shell", "other", kind="Role"))
    assert examine(cluster(lists)).findings == ()
    lists["roles"].append(role("shell", rule("pods/binding", "create"), namespace="treasury"))
    lists["rolebindings"].append(binding("shell", "User:ann", "shell", "treasury", kind="Role"))
    (finding,) = examine(cluster(lists)).findings
    assert finding.what == "User ann may create pods/binding, by RoleBinding treasury/shell"


def test_a_binding_to_a_role_that_is_not_there_grants_nothing() -> None:
    lists = strong()
    lists["clusterrolebindings"].append(binding("ghost", "User:ann", "ghost"))
    assert examine(cluster(lists)).findings == ()


def test_a_foreign_account_in_kube_system_is_not_taken_for_kubernetes_own() -> None:
    lists = strong()
    lists["clusterroles"].append(role("vendor", rule("nodes", "patch")))
    lists["clusterrolebindings"].append(binding("vendor", "ServiceAccount:kube-system/vendor", "vendor"))
    (finding,) = examine(cluster(lists)).findings
    assert finding.check == "DOC-02"


@pytest.mark.parametrize(
    ("granted", "verb", "resource", "names", "expected"),
    [
        (rule("nodes", "patch"), "patch", "nodes", (), True),
        (rule("*", "patch"), "patch", "nodes/status", (), True),
        (rule("nodes", "patch"), "patch", "nodes/status", (), False),
        (rule("*/status", "patch"), "patch", "nodes/status", (), True),
        (rule("*/status", "patch"), "patch", "nodes", (), False),
        (rule("nodes/*", "patch"), "patch", "nodes/status", (), False),
        (rule("nodes", "*"), "patch", "nodes", (), True),
        (rule("nodes", "patch", "*"), "patch", "nodes", (), True),
        (rule("pods", "create", "", "x"), "create", "pods", (), False),
        (rule("pods/exec", "create", "", "x"), "create", "pods/exec", (), True),
        (rule("nodes", "deletecollection", "", "x"), "deletecollection", "nodes", (), False),
        (rule("nodes", "patch", "", "x"), "patch", "nodes", ("y",), False),
        (rule("nodes", "patch", "", "x"), "patch", "nodes", ("x", "y"), True),
    ],
)
def test_rules_grant_what_the_api_servers_do(
    granted: dict[str, object], verb: str, resource: str, names: tuple[str, ...], expected: bool
) -> None:
    assert allows(granted, verb, "", resource, names) is expected


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.37.2", (1, 37, 2)),
        ("v1.36.0-eks-abc", (1, 36, 0)),
        ("1.17.8-ubuntu20.04", (1, 17, 8)),
        ("v25.3", (25, 3, 0)),
        ("kwok-v0.8.0", None),
        ("latest", None),
        ("", None),
    ],
)
def test_versions_are_read_as_releases_write_them(text: str, version: tuple[int, int, int] | None) -> None:
    assert version_of(text) == version


def test_advisories_name_releases() -> None:
    assert all(version_of(fixed) for fixed in chain.from_iterable(a.fixed for a in advisories()))
