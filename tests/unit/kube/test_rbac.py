"""The operator's roles in the chart grant what the table of kinds says, which is what is written by hand in tests/rights.py."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from daulat.api.kinds import KINDS
from daulat.kube.rbac import (
    cluster_rules,
    console_rules,
    namespace_rules,
    queue_rules,
    reporter_rules,
    simulation_rules,
)
from tests.rights import CONSOLE_MAY, OPERATOR_MAY, QUEUES_MAY, REPORTER_MAY, SIMULATION_MAY, flat, granted

CHART = Path(__file__).resolve().parents[3] / "charts/daulat"
CLUSTER = {(group, resource, verb) for group, resource, verb, namespace in flat(OPERATOR_MAY) if not namespace}
NAMESPACED = {(group, resource, verb) for group, resource, verb, namespace in flat(OPERATOR_MAY) if namespace}


ANNOTATING = {("", "namespaces", "patch")}
"""What the operator may do beside that where pods are pinned by an annotation of their namespace."""


def test_the_table_of_kinds_grants_exactly_the_list() -> None:
    assert {right for rule in cluster_rules() for right in rule.rights} == CLUSTER
    assert {right for rule in namespace_rules() for right in rule.rights} == NAMESPACED


def test_the_chart_ships_exactly_these_rules() -> None:
    assert granted(yaml.safe_load((CHART / "files/operator-clusterrole.yaml").read_text())) == CLUSTER
    assert granted(yaml.safe_load((CHART / "files/operator-role.yaml").read_text())) == NAMESPACED
    assert granted(yaml.safe_load((CHART / "files/operator-annotations.yaml").read_text())) == ANNOTATING


def test_the_operator_reads_queues_and_writes_statuses_there_only_by_a_role_of_its_own() -> None:
    may = {(group, resource, verb) for group, resource, verb, _ in flat(QUEUES_MAY)}
    assert {right for rule in queue_rules() for right in rule.rights} == may
    assert granted(yaml.safe_load((CHART / "files/operator-queues.yaml").read_text())) == may
    assert "kueue.x-k8s.io" not in {group for group, _, _ in CLUSTER}
    text = (CHART / "templates/operator-rbac.yaml").read_text()
    assert text.index("if .Values.kueue.admissionCheck.enabled") < text.index("operator-queues.yaml")


def test_the_reporter_may_do_exactly_what_is_listed_and_writes_reports_alone() -> None:
    may = {(group, resource, verb) for group, resource, verb, _ in flat(REPORTER_MAY)}
    assert {right for rule in reporter_rules() for right in rule.rights} == may
    assert granted(yaml.safe_load((CHART / "files/reporter-clusterrole.yaml").read_text())) == may
    assert {group for group, _, verb in may if verb != "list"} == {"openreports.io", "wgpolicyk8s.io"}
    assert "secrets" not in {resource for _, resource, _ in may}


def test_the_console_may_do_exactly_what_is_listed_and_changes_nothing() -> None:
    may = {(group, resource, verb) for group, resource, verb, _ in flat(CONSOLE_MAY)}
    assert {right for rule in console_rules() for right in rule.rights} == may
    assert granted(yaml.safe_load((CHART / "files/console-clusterrole.yaml").read_text())) == may
    assert {resource for _, resource, verb in may if verb != "list"} == {"tokenreviews", "subjectaccessreviews"}


def test_a_simulation_needs_exactly_what_is_listed_and_no_secrets() -> None:
    may = {(group, resource, verb) for group, resource, verb, _ in flat(SIMULATION_MAY)}
    assert {right for rule in simulation_rules() for right in rule.rights} == may
    assert granted(yaml.safe_load((CHART / "files/console-what-if-clusterrole.yaml").read_text())) == may
    assert {verb for _, _, verb in may} == {"list"}
    assert not {resource for _, resource, _ in may} & {"secrets", "configmaps"}


def test_the_template_of_the_operators_roles_has_no_rule_beside_them() -> None:
    text = (CHART / "templates/operator-rbac.yaml").read_text()
    assert re.findall(r"rules:(.*?)(?=\n---|\n\w|\Z)", text, re.DOTALL) == [
        f'\n  {{{{- .Files.Get "files/{name}.yaml" | trim | nindent 2 }}}}'
        for name in ("operator-clusterrole", "operator-annotations", "operator-queues", "operator-role")
    ]
    assert "aggregationRule" not in text


def test_no_other_template_grants_the_operator_anything() -> None:
    bound = re.compile(r"""name: \{\{ include "daulat\.serviceAccountName" \. \}\}""")
    binding = {
        f.name
        for f in (CHART / "templates").glob("*.yaml")
        if "roleRef" in f.read_text() and bound.search(f.read_text())
    }
    assert binding == {"operator-rbac.yaml"}


def test_no_right_is_a_wildcard_or_reads_secrets_or_reaches_into_pods() -> None:
    rights = CLUSTER | NAMESPACED
    assert not [right for right in rights if "*" in "".join(right)]
    assert not {resource for _, resource, _ in rights} & {"secrets", "configmaps", "pods/exec", "serviceaccounts/token"}


def test_roles_of_people_name_every_kind_and_no_other() -> None:
    text = (CHART / "templates/user-roles.yaml").read_text()
    rules = re.findall(r"- apiGroups: \[daulat\.dev\]\n\s+resources: \[(.*?)\]\n\s+verbs: \[(.*?)\]", text)
    named = {resource.partition("/")[0] for resources, _ in rules for resource in resources.split(", ")}
    assert named == {kind.plural for kind in KINDS}
    (viewer,) = [resources for resources, verbs in rules[:1] if verbs == "get, list, watch"]
    assert set(viewer.split(", ")) == named
