"""Metrics that a test sets, served where the HorizontalPodAutoscaler's controller looks for them.

It stands for the adapter of a monitoring system: an HTTPS server in this process, which the API server puts under
custom.metrics.k8s.io and external.metrics.k8s.io. Only the API server may ask it, as for a real adapter.
"""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from dev.cluster import state
from dev.cluster.addons.apiservice import PLACE, register, unregister
from dev.cluster.api import Endpoint
from dev.cluster.components import APISERVER, HOST
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError
from dev.cluster.pki import Authority

CUSTOM, EXTERNAL = ("custom.metrics.k8s.io", "v1beta2"), ("external.metrics.k8s.io", "v1beta1")

Answer = dict[str, Any]


@dataclass(frozen=True)
class _OfPods:
    value: float
    shared: bool


@dataclass
class MetricsServer:
    """Within its `with` block, a cluster's metrics are those that were set. One for a cluster at a time."""

    cluster: EmbeddedCluster
    _pods: dict[tuple[str, str], _OfPods] = field(default_factory=dict)
    _objects: dict[tuple[str, str, str, str], float] = field(default_factory=dict)
    _external: dict[tuple[str, str], float] = field(default_factory=dict)

    def set_pods(self, namespace: str, metric: str, *, each: float | None = None, total: float | None = None) -> None:
        """Let every running pod report `each`, or share `total` evenly with the others, as pods share requests."""
        if (each is None) == (total is None):
            raise ValueError("give either each or total")
        self._pods[namespace, metric] = _OfPods(each or total or 0.0, shared=total is not None)

    def set_object(self, namespace: str, resource: str, name: str, metric: str, value: float) -> None:
        """Describe an object, such as ("services", "web") or ("sovereignmodels.daulat.dev", "deepseek")."""
        self._objects[namespace, resource, name, metric] = value

    def set_external(self, namespace: str, metric: str, value: float) -> None:
        """Set what belongs to no object of the cluster; a query's labels are taken to select it."""
        self._external[namespace, metric] = value

    def __enter__(self) -> MetricsServer:
        """Serve, and wait until the API server hands on what is asked."""
        directory = state.directory(self.cluster.name)
        record = state.load(directory)
        if record is None:
            raise ClusterError(f"there is no cluster {self.cluster.name}: bring it up first.")
        pki = directory / "pki"
        self._api = Endpoint(HOST, record.ports[APISERVER], pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
        Authority.load(pki, "ca").server("metrics", [f"{PLACE.name}.{PLACE.namespace}.svc"]).write(pki, "metrics")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "front-proxy-ca.crt"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(pki / "metrics.crt", pki / "metrics.key")
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        # The handshake is left to the thread of the connection: one slow client mustn't hold up the others.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        try:
            register(self.cluster, (CUSTOM, EXTERNAL), self._server.server_port, (pki / "ca.crt").read_bytes())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Take the groups back first: with one that nobody serves, no namespace could be deleted any more."""
        try:
            unregister(self.cluster, (CUSTOM, EXTERNAL))
        finally:
            self._stop()

    def _stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- what is asked

    def answer(self, target: str) -> Answer | None:
        """What a GET of this path and query is answered with; None for what there isn't."""
        parts = urlsplit(target)
        selector = parse_qs(parts.query).get("labelSelector", [""])[0]
        match [unquote(part) for part in parts.path.strip("/").split("/")[1:]]:
            case [group, version] if (group, version) in {CUSTOM, EXTERNAL}:
                return self._discovery(group, version)
            case [group, version, "namespaces", namespace, metric] if (group, version) == EXTERNAL:
                return self._external_value(namespace, metric)
            case [group, version, "namespaces", namespace, "pods", "*", metric] if (group, version) == CUSTOM:
                return self._pod_values(namespace, metric, selector)
            case [group, version, "namespaces", namespace, resource, name, metric] if (group, version) == CUSTOM:
                value = self._objects.get((namespace, resource, name, metric))
                described = {"namespace": namespace, "name": name}
                return None if value is None else _custom([_item(described, metric, value)])
        return None

    def _discovery(self, group: str, version: str) -> Answer:
        external = group == EXTERNAL[0]
        custom = {f"pods/{m}" for _, m in self._pods} | {f"{r}/{m}" for _, r, _, m in self._objects}
        kind = "ExternalMetricValueList" if external else "MetricValueList"
        names = {m for _, m in self._external} if external else custom
        resources = [
            {"name": n, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]} for n in sorted(names)
        ]
        head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}"}
        return {**head, "resources": resources}

    def _pod_values(self, namespace: str, metric: str, selector: str) -> Answer | None:
        known = self._pods.get((namespace, metric))
        if known is None:
            return None
        found = self._api.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(selector)}")
        pods = [
            pod["metadata"]["name"]
            for pod in (json.loads(found)["items"] if found else [])
            if pod.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]
        value = known.value / max(len(pods), 1) if known.shared else known.value
        described = [{"kind": "Pod", "apiVersion": "v1", "namespace": namespace, "name": name} for name in pods]
        return _custom([_item(pod, metric, value) for pod in described])

    def _external_value(self, namespace: str, metric: str) -> Answer | None:
        value = self._external.get((namespace, metric))
        if value is None:
            return None
        item = {"metricName": metric, "metricLabels": {}, "timestamp": _now(), "value": _quantity(value)}
        return {"kind": "ExternalMetricValueList", "apiVersion": "/".join(EXTERNAL), "metadata": {}, "items": [item]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = answer(self.path)
                body = json.dumps(_missing(self.path) if found is None else found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
                """Say nothing: it would stand between a test's own lines."""

        return Handler


def _custom(items: list[Answer]) -> Answer:
    return {"kind": "MetricValueList", "apiVersion": "/".join(CUSTOM), "metadata": {}, "items": items}


def _item(described: Answer, metric: str, value: float) -> Answer:
    return {"describedObject": described, "metric": {"name": metric}, "timestamp": _now(), "value": _quantity(value)}


def _missing(target: str) -> Answer:
    head = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    return {**head, "message": f"no test set a metric for {target}"}


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _quantity(value: float) -> str:
    return f"{round(value * 1000)}m"
