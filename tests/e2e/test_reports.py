"""The reporter on a real API server, under the chart's own rights: what a policy on trial would refuse of what is there."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dev.cluster import ClusterError
from dev.cluster.addons import fetch
from dev.deployment import CHART, NAMESPACE, REPORTER, ReporterProcess, helm, poll

from .world import World, lower, namespace_manifest, pod_manifest, policy_manifest, raise_world, unique

pytestmark = pytest.mark.e2e
Report = dict[str, Any]
ELSEWHERE = "docker.io/library/vllm:latest"
SPACE = "treasury"


def open_reports(kinds: list[Report]) -> list[Report]:
    """Return the kinds of openreports.io, made of the others: their v1alpha1 has all fields of PolicyReport.

    See crd/openreports.io/v1alpha1 of openreports/reports-api, which isn't a module that the add-ons can be read from.
    """
    found = copy.deepcopy(kinds)
    for each in found:
        spec, names = each["spec"], each["spec"]["names"]
        for key in ("kind", "listKind", "plural", "singular"):
            names[key] = names[key].replace("Policy", "").replace("policy", "")
        names["shortNames"] = ["creps" if "cluster" in names["plural"] else "reps"]
        each["metadata"] = {"name": f"{names['plural']}.openreports.io"}
        spec["group"] = "openreports.io"
        (version,) = (v for v in spec["versions"] if v["name"] == "v1alpha2")
        spec["versions"] = [{**version, "name": "v1alpha1", "storage": True}]
    return found


def on_the_network() -> list[Report]:
    """Return a NetworkPolicy that opens all pods, a Service whose addresses a user writes, and one with a controller's."""

    def made(api: str, kind: str, name: str, labels: dict[str, str] | None = None, **body: Any) -> Report:
        meta = {"name": name, "namespace": SPACE, "labels": labels or {}}
        return {"apiVersion": api, "kind": kind, "metadata": meta, **body}

    ports, labels = [{"port": 80}], {"kubernetes.io/service-name": "abroad"}
    # The label of the controller, which looks after no Service without a selector.
    labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io"
    addresses: dict[str, Any] = {"addressType": "IPv4", "ports": ports, "endpoints": [{"addresses": ["203.0.113.7"]}]}
    opening = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    return [
        made("networking.k8s.io/v1", "NetworkPolicy", "opening", spec=opening),
        made("v1", "Service", "abroad", spec={"ports": ports}),
        made("discovery.k8s.io/v1", "EndpointSlice", "abroad-1", labels, **addresses),
        made("v1", "Service", "served", spec={"ports": ports, "selector": {"app": "served"}}),
    ]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, ReporterProcess]]:
    directory = tmp_path_factory.mktemp("reports")
    world = raise_world(unique("reports"), directory, say=lambda line: None, addons=("policy-reports",))
    reporter = ReporterProcess(world.cluster, directory)
    try:
        helm(world.cluster.kubeconfig(), "upgrade", "daulat", str(CHART), "--reuse-values", *REPORTER)
        world.admin.apply([namespace_manifest(SPACE)])
        poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", SPACE))
        world.admin.apply([pod_manifest("old", SPACE, containers=[{"name": "main", "image": ELSEWHERE}])])
        service = {"type": "NodePort", "ports": [{"port": 80}]}
        meta = {"name": "open", "namespace": SPACE}
        world.admin.apply([{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service}])
        world.admin.apply(on_the_network())
        trial = policy_manifest("trial", action="Audit")
        world.admin.apply([trial, namespace_manifest(SPACE, "trial")])
        reporter.start()
        yield world, reporter
    finally:
        reporter.stop()
        lower(world)


def report(world: World, kind: str = "policyreports.wgpolicyk8s.io", namespace: str = SPACE) -> Report:
    where = ("--namespace", namespace) if namespace else ()
    try:
        # Kinds come while the test runs, so discovery isn't remembered.
        text = world.admin.run("get", kind, "daulat", *where, "--ignore-not-found", "-o", "json")
    except ClusterError as error:
        if "the server doesn't have a resource type" not in str(error):
            raise
        return {}
    return dict(json.loads(text)) if text.strip() else {}


def about(found: Report) -> set[tuple[str, str, str]]:
    """Return the results of a report: the object's name, the control, the result."""
    return {(r["resources"][0]["name"], r["rule"], r["result"]) for r in found.get("results") or ()}


def test_a_policy_on_trial_shows_what_it_would_refuse_and_no_longer_once_that_is_gone(
    reported: tuple[World, ReporterProcess],
) -> None:
    world, _ = reported
    wanted = {("old", "STO-07", "warn"), ("open", "USE-09", "warn")}
    poll("the report", lambda: wanted <= about(report(world)))
    found = report(world)
    (image,) = (r for r in found["results"] if r["rule"] == "STO-07")
    assert image["policy"] == "trial"
    assert image["resources"][0]["uid"] == world.get("pod", "old", namespace=SPACE)["metadata"]["uid"]
    # In the words of the API server, which would refuse it were the policy enforced.
    assert image["message"].startswith(f'STO-07 spec.containers["main"].image: "{ELSEWHERE}" was set; policy trial')
    assert found["scope"]["name"] == SPACE
    assert found["summary"]["warn"] == len(found["results"])
    world.admin.run("delete", "pod", "old", "-n", SPACE, "--grace-period=0", "--force")
    world.admin.run("delete", "service", "open", "-n", SPACE)
    poll("the results to go", lambda: not {name for name, _, _ in about(report(world))} & {"old", "open"})


def test_what_opens_the_network_is_reported_and_what_controllers_write_is_not(
    reported: tuple[World, ReporterProcess],
) -> None:
    world, _ = reported

    def written() -> bool:
        names = world.admin.run("get", "endpointslices,endpoints", "-n", SPACE, "-o", "name").split()
        return {name.rpartition("/")[2].partition("-")[0] for name in names} >= {"abroad", "served"}

    poll("the controller's slices", written)
    poll("the results", lambda: {("opening", "USE-05", "warn"), ("abroad-1", "USE-05", "warn")} <= about(report(world)))
    assert not [name for name, _, _ in about(report(world)) if name.startswith("served")]


def test_a_pass_without_changes_writes_nothing(reported: tuple[World, ReporterProcess]) -> None:
    world, reporter = reported
    poll("the report", lambda: bool(report(world)))

    def passes() -> float:
        return world.metric(reporter, "daulat_report_passes_total", 'outcome="completed"')

    def quiet() -> bool:
        before = world.metric(reporter, "daulat_report_writes_total"), passes()
        poll("two more passes", lambda: passes() >= before[1] + 2)
        return world.metric(reporter, "daulat_report_writes_total") == before[0]

    # The operator may still be writing statuses, which the cluster's report repeats.
    poll("passes without a write", quiet)
    assert world.metric(reporter, "daulat_report_write_failures_total") == 0


def test_its_account_reads_no_secret_and_writes_no_workload(reported: tuple[World, ReporterProcess]) -> None:
    world, _ = reported
    account = world.as_user(f"system:serviceaccount:{NAMESPACE}:daulat-reporter")
    for verb, what in (("list", "secrets"), ("create", "pods"), ("patch", "sovereigntypolicies.daulat.dev")):
        # kubectl exits with 1 where the answer is no.
        with pytest.raises(ClusterError):
            account.run("auth", "can-i", verb, what, "-A")
    assert "yes" in account.run("auth", "can-i", "list", "pods", "-A")


def test_open_reports_take_the_place_of_policy_reports_and_go_with_the_policy(
    reported: tuple[World, ReporterProcess],
) -> None:
    world, _ = reported
    poll("the report", lambda: bool(report(world)))
    world.admin.apply(open_reports(fetch.manifests("policy-reports", lambda line: None)))
    poll("the other report", lambda: bool(report(world, "reports.openreports.io")))
    poll("the former one to go", lambda: not report(world))
    world.admin.run("delete", "sovereigntypolicy", "trial")
    poll("the report to go", lambda: not report(world, "reports.openreports.io"))
    assert report(world, "clusterreports.openreports.io", "")["summary"]["error"] == 0
