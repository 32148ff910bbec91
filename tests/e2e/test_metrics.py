"""A real Prometheus that scrapes the operator, the recorder and the API server: what alerts and dashboards ask for is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.cluster import ClusterError
from dev.deployment import CHART, NAMESPACE, RECORDER, ROOT, RecorderProcess, helm, poll
from dev.monitoring import dashboards, rules
from dev.monitoring.prometheus import Prometheus, program, promtool

from .world import World, model_manifest, pod_manifest

pytestmark = pytest.mark.e2e
RATE = "15s"
"""In the place of Grafana's $__rate_interval, which is four scrapes at least."""


MAY_BE_EMPTY = {
    "apiserver_mutating_admission_policy_check_total": "no pod was pinned, or this Kubernetes can't",
    "daulat_api_errors_total": "no request failed",
    "daulat_chips": "there is no AcceleratorInventory",
    "daulat_exemption_expiry_timestamp_seconds": "no exemption is in force",
    "daulat_facts_untrusted": "every API group is believed",
}
"""Metrics without series in a cluster that is well, and why."""


@dataclass
class Scraped:
    """A Prometheus, and the processes that it scrapes."""

    prometheus: Prometheus
    recorder: RecorderProcess
    policy: str
    namespace: str
    """One that is governed, with a model that has no place."""


def targets(world: World, recorder: RecorderProcess, directory: Path) -> Iterator[dict[str, Any]]:
    """Yield scrape configurations with the labels that the Prometheus operator gives the chart's Services."""
    for process, job in ((world.operator, "daulat-metrics"), (recorder, "daulat-recorder-metrics")):
        labels = {"namespace": NAMESPACE, "pod": job}
        at = [{"targets": [f"127.0.0.1:{process.port}"], "labels": labels}]
        yield {"job_name": job, "honor_labels": True, "static_configs": at}
    # Prometheus' own account may read /metrics, as kube-prometheus grants it.
    world.admin.apply(
        [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": "prometheus"},
                "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
            },
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "prometheus", "namespace": NAMESPACE},
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "prometheus"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "prometheus"},
                "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": NAMESPACE}],
            },
        ]
    )
    token = directory / "token"
    token.touch(mode=0o600)
    token.write_text(world.admin.run("create", "token", "prometheus", "-n", NAMESPACE).strip())
    server = yaml.safe_load(world.cluster.kubeconfig().read_text())["clusters"][0]["cluster"]
    yield {
        "job_name": "apiserver",
        "scheme": "https",
        "authorization": {"credentials_file": str(token)},
        "tls_config": {"insecure_skip_verify": True},
        "static_configs": [{"targets": [server["server"].removeprefix("https://")]}],
    }


@pytest.fixture(scope="module")
def scraped(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    try:
        program("prometheus")
    except ClusterError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("prometheus")
    kubeconfig = world.cluster.kubeconfig()
    helm(kubeconfig, "upgrade", "daulat", str(CHART), "--reuse-values", *RECORDER)
    recorder = RecorderProcess(world.cluster, tmp_path_factory.mktemp("recorder"))
    recorder.start()
    files = [ROOT / rules.PLACES[0] / file for file in rules.FILES.values()]
    prometheus = Prometheus(directory, list(targets(world, recorder, directory)), files)
    prometheus.start()
    try:
        with world.governed() as (policy, namespace):
            world.admin.apply([model_manifest("m", namespace, replicas=1000)])
            world.wait_condition("sovereignmodel", "m", "Placed", "False", namespace)
            yield Scraped(prometheus, recorder, policy, namespace)
    finally:
        prometheus.stop()
        recorder.stop()
        world.admin.run("delete", "clusterrole/prometheus", "clusterrolebinding/prometheus")
        world.admin.run("delete", "serviceaccount", "prometheus", "-n", NAMESPACE)
        helm(kubeconfig, "upgrade", "daulat", str(CHART), "--reuse-values", "--set=recorder.enabled=false")


def test_every_target_is_scraped(scraped: Scraped) -> None:
    poll("three targets", lambda: len(scraped.prometheus.query("up == 1")) == 3)


def test_each_query_of_each_dashboard_has_data_unless_it_says_when_not(world: World, scraped: Scraped) -> None:
    # A violation, so that there are refusals too.
    refused = pod_manifest("refused", scraped.namespace, nodeName="ascend-1")
    assert "USE-04" in world.refusal(refused)
    wanted = {
        (title, expr.replace("$__rate_interval", RATE)) for title, expr, empty in dashboards.queries() if not empty
    }

    def without_data() -> list[str]:
        return sorted(title for title, expr in wanted if not scraped.prometheus.query(expr))

    poll("every query to have data", lambda: not without_data())
    for _, expr, empty in dashboards.queries():
        if empty:
            scraped.prometheus.query(expr.replace("$__rate_interval", RATE))


def test_what_the_rules_select_is_there_and_a_model_without_a_place_is_pending(scraped: Scraped) -> None:
    """An alert's expression is empty where all is well; the series that it compares aren't."""
    found = {r["name"]: r for g in scraped.prometheus.get("rules")["groups"] for r in g["rules"]}
    assert set(found) == {rule.name for rule in rules.rules()}
    poll("a pending alert", lambda: _labels(scraped, "DaulatModelWithoutPlace") == [(scraped.namespace, "m")])
    rules_now = [r for g in scraped.prometheus.get("rules")["groups"] for r in g["rules"]]
    assert [(r["name"], r.get("lastError")) for r in rules_now if r["health"] == "err"] == []
    for record in (rule.name for rule in rules.rules() if not rule.is_alert and "error" not in rule.name):
        poll(f"{record} to have data", lambda record=record: bool(scraped.prometheus.query(record)))  # type: ignore[misc]


def test_an_ordinary_refusal_raises_no_alert_of_admission(world: World, scraped: Scraped) -> None:
    refused = pod_manifest("refused-too", scraped.namespace, nodeName="ascend-1")
    assert "USE-04" in world.refusal(refused)
    own = f'{{policy=~"{scraped.policy}[.].+"}}'
    # The rules of a group are evaluated in order: once the first has a value, the others have seen the refusal.
    refusals = f"policy_action:apiserver_validating_admission_policy_check:rate5m{own} > 0"
    poll("the refusal to be recorded", lambda: bool(scraped.prometheus.query(refusals)))
    errors = f"policy_error:apiserver_validating_admission_policy_check:increase10m{own}"
    assert scraped.prometheus.query(errors) == []


def test_the_metrics_of_each_rule_have_series_unless_there_is_nothing_to_show(scraped: Scraped) -> None:
    selected = {name for rule in rules.rules() for name in rules.selected(rule.expr) if ":" not in name}
    assert selected > MAY_BE_EMPTY.keys()

    def missing() -> set[str]:
        return {name for name in selected - MAY_BE_EMPTY.keys() if not scraped.prometheus.query(name)}

    poll("each metric to have series", lambda: not missing())


def test_what_the_processes_expose_passes_promtool(world: World, scraped: Scraped) -> None:
    for process in (world.operator, scraped.recorder):
        assert promtool("check", "metrics", stdin=process.answer("/metrics") + "\n") == ""


def _labels(scraped: Scraped, name: str) -> list[tuple[str, str]]:
    alerts = [a["labels"] for a in scraped.prometheus.get("alerts")["alerts"] if a["labels"]["alertname"] == name]
    return [(labels["namespace"], labels["name"]) for labels in alerts if labels["namespace"] == scraped.namespace]
