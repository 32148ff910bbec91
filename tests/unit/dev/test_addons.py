"""Add-ons of the embedded control plane: their pins, what is made of a release, and metrics without a cluster."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dev.cluster.__main__ import main
from dev.cluster.addons import fetch, lws
from dev.cluster.addons.catalog import CATALOG, NAMES, Addon
from dev.cluster.addons.install import paths
from dev.cluster.addons.metrics import MetricsServer
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError
from dev.cluster.paths import MODULE_DIR

SUM = "h1:" + "A" * 43 + "="
ADDON = Addon(module="example.my/kinds", version="v1.2.3", sum=SUM, manifests="crds")


def a_go(directory: Path, answer: dict[str, str], status: int = 0) -> Path:
    """Write a program that says what `go mod download -json` would."""
    program = directory / "go"
    program.write_text(f"#!/bin/sh\ncat <<'EOF'\n{json.dumps(answer)}\nEOF\nexit {status}\n")
    program.chmod(0o700)
    return program


def test_what_is_compiled_is_pinned_by_go_mod_and_the_rest_by_its_sum() -> None:
    go_mod = (MODULE_DIR / "go.mod").read_text()
    for addon in CATALOG.values():
        assert bool(addon.sum) != (f"\t{addon.module} v" in go_mod), addon.module


def test_a_version_without_a_sum_is_no_pin() -> None:
    with pytest.raises(ValidationError, match="needs version and sum, or runs"):
        Addon(module="example.my/kinds", version="v1.2.3", manifests="crds")


def test_a_module_with_another_sum_is_not_used(tmp_path: Path) -> None:
    go = a_go(tmp_path, {"Dir": str(tmp_path), "Sum": SUM.replace("A", "B")})
    with pytest.raises(ClusterError, match=r"has the sum h1:BBB.*, not h1:AAA.* as in addons\.yaml: don't use it"):
        fetch.download(go, {}, ADDON)


def test_a_module_with_its_sum_is_read_where_go_put_it(tmp_path: Path) -> None:
    assert fetch.download(a_go(tmp_path, {"Dir": str(tmp_path), "Sum": SUM}), {}, ADDON) == tmp_path


def test_a_network_that_is_not_there_is_named_as_the_reason(tmp_path: Path) -> None:
    go = a_go(tmp_path, {"Error": "example.my/kinds@v1.2.3: dial tcp: lookup proxy: no such host"}, status=1)
    with pytest.raises(ClusterError, match="connect to the network, or set GOPROXY"):
        fetch.download(go, {}, ADDON)


def test_every_served_version_of_a_kind_is_waited_for() -> None:
    versions = [
        {"name": "v1", "served": True},
        {"name": "v1beta1", "served": True},
        {"name": "v1alpha1", "served": False},
    ]
    definition = {"spec": {"group": "example.my", "names": {"plural": "things"}, "versions": versions}}
    assert paths(definition) == ["/apis/example.my/v1/things", "/apis/example.my/v1beta1/things"]


def test_a_webhook_of_a_service_becomes_one_of_an_address_and_keeps_the_rest() -> None:
    service = {"service": {"name": "lws-webhook-service", "namespace": "lws-system", "path": "/mutate--v1-pod"}}
    webhook = {"name": "mpod.kb.io", "failurePolicy": "Fail", "clientConfig": service}
    found = lws.redirected(
        {"kind": "MutatingWebhookConfiguration", "webhooks": [webhook]}, "https://127.0.0.1:1", b"ca"
    )
    expected = {"url": "https://127.0.0.1:1/mutate--v1-pod", "caBundle": base64.b64encode(b"ca").decode()}
    assert found == {"kind": "MutatingWebhookConfiguration", "webhooks": [{**webhook, "clientConfig": expected}]}


def test_the_manager_listens_on_this_machine_alone_and_makes_no_certificates() -> None:
    made = lws.configuration(Path("/certificates"), 1, 2)
    assert made["webhook"] == {"host": "127.0.0.1", "port": 1, "certDir": "/certificates"}
    assert made["health"] == {"healthProbeBindAddress": "127.0.0.1:2"}
    assert made["internalCertManagement"] == {"enable": False}


def test_an_add_on_that_does_not_exist_is_refused_before_anything_starts() -> None:
    with pytest.raises(ClusterError, match=f"there is no add-on lsw: there are {', '.join(NAMES)}"):
        EmbeddedCluster("c", addons=("lsw",))
    with pytest.raises(SystemExit):
        main(["up", "--addon", "lsw"])


@pytest.fixture
def metrics() -> MetricsServer:
    return MetricsServer(EmbeddedCluster("c"))


def asked(metrics: MetricsServer, path: str) -> list[dict[str, Any]]:
    answer = metrics.answer(path)
    assert answer is not None
    return list(answer["items"])


def test_a_metric_of_an_object_is_that_of_its_group_name_and_namespace(metrics: MetricsServer) -> None:
    metrics.set_object("a", "sovereignmodels.daulat.dev", "deepseek", "queue", 2.5)
    base = "/apis/custom.metrics.k8s.io/v1beta2/namespaces"
    (item,) = asked(metrics, f"{base}/a/sovereignmodels.daulat.dev/deepseek/queue?metricLabelSelector=")
    assert item["value"] == "2500m"
    for other in ("b/sovereignmodels.daulat.dev/deepseek/queue", "a/services/deepseek/queue"):
        assert metrics.answer(f"{base}/{other}") is None


def test_a_metric_that_nobody_set_is_not_found(metrics: MetricsServer) -> None:
    assert metrics.answer("/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/%2A/queue") is None
    assert metrics.answer("/apis/external.metrics.k8s.io/v1beta1/namespaces/a/queue") is None
    assert metrics.answer("/openapi/v2") is None


def test_discovery_names_what_was_set(metrics: MetricsServer) -> None:
    metrics.set_external("a", "s0-queue", 1)
    metrics.set_pods("a", "waiting", each=1)
    external = metrics.answer("/apis/external.metrics.k8s.io/v1beta1")
    custom = metrics.answer("/apis/custom.metrics.k8s.io/v1beta2")
    assert external is not None
    assert custom is not None
    assert [r["name"] for r in external["resources"]] == ["s0-queue"]
    assert [r["name"] for r in custom["resources"]] == ["pods/waiting"]


def test_pods_have_either_a_value_each_or_a_share_of_a_total(metrics: MetricsServer) -> None:
    with pytest.raises(ValueError, match="give either each or total"):
        metrics.set_pods("a", "waiting", each=1, total=1)
    with pytest.raises(ValueError, match="give either each or total"):
        metrics.set_pods("a", "waiting")
