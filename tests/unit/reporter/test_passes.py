"""A pass over a cluster: bounded in objects, writes and memory, and quiet where nothing changed."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest

from daulat.cel.evaluator import evaluate_each
from daulat.kube.errors import Forbidden, Gone, ServerError, api_error
from daulat.kube.reported import REPORT_APIS
from daulat.reporter.pace import Pace
from daulat.reporter.passes import Passes
from daulat.reports.tally import LIMIT
from tests.unit.reporter.cluster import FakeCluster
from tests.unit.world import IMAGE, Raw, World, namespace, policy

OPEN, OLD = REPORT_APIS
UNLIMITED = 1e9
REPORT = "/apis/openreports.io/v1alpha1/namespaces/{}/reports/daulat"
OF_CLUSTER = "/apis/openreports.io/v1alpha1/clusterreports/daulat"
TRIAL = {"action": "Audit", "images": {"registries": ["registry.example.my/"]}}


def a_pod(name: str, namespace: str = "treasury", image: str = IMAGE) -> Raw:
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    pins = {"daulat.node-restriction.kubernetes.io/confidential": "eligible"}
    return {"metadata": meta, "spec": {"nodeSelector": pins, "containers": [{"name": "main", "image": image}]}}


def cluster(*pods: Raw, apis: Any = (OPEN,), namespaces: tuple[str, ...] = ("treasury",), **spec: Any) -> FakeCluster:
    found = FakeCluster(*apis)
    world = World()
    found.objects["Namespace"] = [namespace(n) for n in namespaces]
    found.objects["SovereigntyPolicy"] = [policy(**{**TRIAL, **spec})]
    found.objects["SovereignZone"], found.objects["AcceleratorProfile"] = world.zones, world.profiles
    found.objects["Pod"] = list(pods)
    return found


def make(found: FakeCluster, times: int = 1) -> bool:
    passes = Passes(found, "daulat-system", Pace(UNLIMITED))

    async def run() -> bool:
        return [await passes.make() for _ in range(times)][-1]

    return asyncio.run(run())


@pytest.fixture
def few_verdicts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Evaluate one pod of each image, so that 10,000 of them don't take a minute: the names in messages aren't the pod's."""
    known: dict[str, Any] = {}

    def remembered(policies: Any, request: Any) -> Any:
        key = f"{id(policies[0])} {request.resource} {(request.object or {})['spec']['containers'][0]['image']}"
        if key not in known:
            known[key] = evaluate_each(policies, request)
        return known[key]

    monkeypatch.setattr("daulat.reports.judging.evaluate_each", remembered)
    return iter(())


@pytest.mark.usefixtures("few_verdicts")
def test_ten_thousand_violations_make_one_object_a_namespace_and_one_write_each() -> None:
    spaces = tuple(f"n{i}" for i in range(5))
    pods = [a_pod(f"p{i}", spaces[i % 5], "docker.io/x:1") for i in range(10_000)]
    found = cluster(*pods, namespaces=spaces)
    make(found)
    assert found.writes == {"apply": 6}
    assert set(found.reports) == {*(REPORT.format(n) for n in spaces), OF_CLUSTER}
    summaries = [found.reports[REPORT.format(n)]["summary"] for n in spaces]
    assert summaries == [{"fail": 0, "error": 0, "warn": 2000, "skip": 0, "pass": 0}] * 5
    assert all(len(r.get("results") or ()) <= LIMIT for r in found.reports.values())
    # Never more than a page of objects at a time.
    assert found.largest <= 500
    found.writes.clear()
    make(found)
    assert found.writes == {}


def test_a_report_shows_what_a_policy_on_trial_would_refuse_until_it_is_gone() -> None:
    found = cluster(a_pod("good"), a_pod("bad", image="docker.io/x:1"))
    make(found)
    report = found.reports[REPORT.format("treasury")]
    assert report["summary"] == {"fail": 0, "error": 0, "warn": 1, "skip": 0, "pass": 1}
    assert [(r["rule"], r["resources"][0]["name"]) for r in report["results"]] == [("STO-07", "bad")]
    found.objects["Pod"].pop()
    make(found)
    assert found.reports[REPORT.format("treasury")]["results"] == []
    assert found.writes == {"apply": 3}


def test_what_somebody_wrote_into_a_report_is_put_right() -> None:
    found = cluster(a_pod("bad", image="docker.io/x:1"))
    make(found)
    right = found.reports[REPORT.format("treasury")]
    found.reports[REPORT.format("treasury")] = {**right, "results": []}
    make(found)
    assert found.reports[REPORT.format("treasury")] == right


def test_the_report_of_a_namespace_that_isnt_governed_any_more_goes() -> None:
    found = cluster(namespaces=("treasury", "other"))
    make(found)
    found.objects["Namespace"] = [namespace("treasury"), namespace("other", team="x")]
    make(found)
    assert set(found.reports) == {REPORT.format("treasury"), OF_CLUSTER}
    assert found.writes["delete"] == 1


def test_no_report_goes_while_a_policy_cant_be_read() -> None:
    found = cluster()
    make(found)
    found.objects["SovereigntyPolicy"][0]["spec"] = {"action": "Perhaps"}
    make(found)
    assert REPORT.format("treasury") in found.reports
    assert found.reports[OF_CLUSTER]["summary"]["error"] == 1


def test_policy_reports_are_written_where_there_are_no_open_reports_and_go_when_there_are() -> None:
    found = cluster(apis=(OLD,))
    make(found)
    old = set(found.reports)
    assert old == {
        "/apis/wgpolicyk8s.io/v1alpha2/namespaces/treasury/policyreports/daulat",
        "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports/daulat",
    }
    found.apis = (OPEN, OLD)
    make(found)
    assert set(found.reports) == {REPORT.format("treasury"), OF_CLUSTER}


def test_without_an_api_of_reports_nothing_is_read_and_it_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    found = cluster(apis=())
    assert make(found, times=2) is False
    assert {path for _, path in found.requests} == {f"/apis/{api.of_namespace.api_version}" for api in REPORT_APIS}
    assert [r.message for r in caplog.records] == [
        "no reports are written: neither openreports.io nor wgpolicyk8s.io is served"
    ]


def test_a_kind_that_may_not_be_listed_is_an_error_in_the_report() -> None:
    found = cluster(a_pod("bad", image="docker.io/x:1"))
    found.failing["pods"] = [Forbidden(403, "Forbidden", "pods is forbidden")]
    make(found)
    (result,) = found.reports[REPORT.format("treasury")]["results"]
    assert (result["result"], result["rule"]) == ("error", "reading")
    assert "pods is forbidden" in result["message"]


def test_a_list_that_the_api_server_dropped_is_begun_anew_and_counts_once() -> None:
    found = cluster(a_pod("bad", image="docker.io/x:1"))
    found.failing["pods"] = [Gone(410, "Expired", "too old", retry_after=0.01)]
    make(found)
    assert found.reports[REPORT.format("treasury")]["summary"]["warn"] == 1


def test_an_api_server_that_fails_ends_the_pass_and_removes_nothing() -> None:
    found = cluster()
    make(found)
    before = dict(found.reports)
    for plural in ("namespaces", "sovereigntypolicies", "pods"):
        found.failing[plural] = [ServerError(500, "InternalError", "no")]
        with pytest.raises(ServerError):
            make(found)
        assert found.reports == before


def test_a_report_that_is_too_large_keeps_no_other_from_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cluster(namespaces=("attic", "treasury"))
    apply = found.apply

    async def limited(path: str, manifest: Raw, *rest: Any, **more: Any) -> Raw:
        if "/attic/" in path:
            raise api_error(413, "RequestEntityTooLarge", "etcdserver: request is too large")
        return await apply(path, manifest, *rest, **more)

    monkeypatch.setattr(found, "apply", limited)
    make(found)
    assert set(found.reports) == {REPORT.format("treasury"), OF_CLUSTER}


def test_a_kind_that_isnt_served_is_asked_for_once_a_pass() -> None:
    found = cluster(namespaces=("a", "b"), exposure={"gatewayClasses": ["internal"]})
    del found.objects["Gateway"]
    make(found)
    assert sum(path.endswith("/gateways") for _, path in found.requests) == 1
    assert {r["summary"]["error"] for r in found.reports.values()} == {0}


def test_slices_of_a_service_without_a_selector_are_reported_and_those_of_its_controller_are_not() -> None:
    found = cluster()
    found.objects["Service"] = [
        {"metadata": {"name": "web", "namespace": "treasury"}, "spec": {"selector": {"app": "web"}}},
        {"metadata": {"name": "abroad", "namespace": "treasury"}, "spec": {}},
    ]
    found.objects["EndpointSlice"] = [
        {
            "metadata": {
                "name": f"{service}-1",
                "namespace": "treasury",
                "labels": {
                    "kubernetes.io/service-name": service,
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                },
            },
            "endpoints": [{"addresses": ["203.0.113.7"]}],
        }
        for service in ("web", "abroad")
    ]
    make(found)
    results = found.reports[REPORT.format("treasury")]["results"]
    about = [(r["resources"][0]["kind"], r["resources"][0]["name"], r["rule"], r["result"]) for r in results]
    assert [one for one in about if one[0] == "EndpointSlice"] == [("EndpointSlice", "abroad-1", "USE-05", "warn")]


def test_large_config_maps_come_in_small_pages() -> None:
    found = cluster()
    meta = {"namespace": "treasury"}
    found.objects["ConfigMap"] = [{"metadata": {**meta, "name": f"c{i}"}, "data": {"k": "v"}} for i in range(120)]
    make(found)
    assert found.largest == 50
    assert found.reports[REPORT.format("treasury")]["summary"]["pass"] == 120


def test_an_object_on_which_judging_breaks_is_an_error_and_the_others_are_judged() -> None:
    broken = a_pod("broken")
    broken["spec"] = "not a spec"
    found = cluster(broken, a_pod("bad", image="docker.io/x:1"))
    make(found)
    results = {r["resources"][0]["name"]: r["result"] for r in found.reports[REPORT.format("treasury")]["results"]}
    assert results == {"broken": "error", "bad": "warn"}


def test_a_pace_is_kept() -> None:
    async def run() -> float:
        pace, begun = Pace(1000), time.monotonic()
        for units in itertools.repeat(20, 6):
            await pace.spend(units)
        return time.monotonic() - begun

    # The last 20 units needn't be over.
    assert asyncio.run(run()) >= 0.1
