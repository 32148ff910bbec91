"""The reporter in the chart: what its values render, and that its account can do what the list says and no more."""

from __future__ import annotations

from typing import Any

from daulat.cli.reporter import reporter
from tests.rights import REPORTER_MAY, flat, granted

from .world import Helm, rendered

ON = "--set=reporter.enabled=true"


def objects(helm: Helm, *values: str) -> dict[str, Any]:
    return {d["kind"]: d for d in rendered(helm, ON, *values) if "reporter" in d["metadata"]["name"]}


def test_it_is_off_unless_it_is_turned_on(helm: Helm) -> None:
    assert not [d for d in rendered(helm) if "reporter" in d["metadata"]["name"]]
    assert sorted(objects(helm)) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ]


def test_values_become_arguments_that_the_command_has(helm: Helm) -> None:
    values = "--set=reporter.intervalSeconds=60,reporter.objectsPerSecond=20,reporter.maxResults=50"
    (container,) = objects(helm, values)["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["reporter", "--interval=60", "--rate=20", "--limit=50"]
    options = {name for p in reporter.params for name in p.opts}
    assert {a.partition("=")[0] for a in container["args"][1:]} <= options


def test_its_roles_grant_exactly_what_is_listed(helm: Helm) -> None:
    made = objects(helm)
    found = granted(made["ClusterRole"]["rules"])
    assert found == {(group, resource, verb) for group, resource, verb, _ in flat(REPORTER_MAY)}
    assert made["Role"]["rules"] == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["daulat-reporter"],
            "verbs": ["get", "update"],
        },
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    ]
    (subject,) = made["ClusterRoleBinding"]["subjects"]
    assert subject["name"] == "daulat-reporter"


def test_its_pod_runs_as_restricted_as_the_operators(helm: Helm) -> None:
    spec = objects(helm)["Deployment"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
