"""Knative Serving: its controller, webhook and autoscaler.

Its activator and its gateways carry requests, which nothing does here: what they would write, tests write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dev.cluster import processes
from dev.cluster.addons.lws import WEBHOOKS
from dev.cluster.errors import ClusterError
from dev.cluster.ports import choose
from dev.deployment import poll
from dev.neighbours import build
from dev.neighbours.controller import CRD, Controller, Manifest, on_port, service_at

QUEUE_IMAGE = "registry.example.my/knative/queue@sha256:" + "4d" * 32
"""What stands beside each user's container: as mirrored from the project's release."""
DOMAIN = "apps.example.my"
# What the release leaves to who installs it. Metrics would be served at a port that all three share.
SETTINGS = {
    "config-deployment": {"queue-sidecar-image": QUEUE_IMAGE},
    "config-domain": {DOMAIN: ""},
    "config-observability": {"metrics.backend-destination": "none"},
    # Without an activator, nothing would wake a revision that was scaled to zero.
    "config-autoscaler": {"enable-scale-to-zero": "false"},
}
PROBE = {"name": "probe", "image": "registry.example.my/probe@sha256:" + "5e" * 32}


class Knative(Controller):
    """Knative Serving's controller, webhook and autoscaler, which share a ServiceAccount as in the release."""

    neighbour = build.KNATIVE
    namespace = "knative-serving"
    account = "controller"

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        self._others: list[processes.Started] = []
        at = choose(("webhook", "controller-profiles", "webhook-profiles", "autoscaler-profiles"), {})
        self._establish([o for o in objects if o["kind"] == CRD])
        self._grant(objects)
        self._admin.apply([configured(o) for o in objects if o["kind"] == "ConfigMap"])
        # The webhook writes its certificate into it.
        self._admin.apply([o for o in objects if o["kind"] == "Secret"])
        # Its Deployment is played by nodes that run nothing: of it, Knative reads the addresses of the pods.
        self._admin.apply([o for o in objects if o["metadata"]["name"].startswith("activator") and is_workload(o)])
        self._admin.apply([service_at(self.namespace, "webhook", at["webhook"])])
        self._admin.apply([on_port(o, at["webhook"]) for o in objects if o["kind"] in WEBHOOKS])
        kubeconfig = str(self._kubeconfig())
        for name, program in (("webhook", "webhook"), ("controller", ""), ("autoscaler", "autoscaler")):
            environment = {
                "KUBECONFIG": kubeconfig,
                "SYSTEM_NAMESPACE": self.namespace,
                "POD_NAME": name,
                "POD_IP": "192.0.2.1",  # Of documentation: the autoscaler publishes it as an address, and nobody connects.
                "CONFIG_LOGGING_NAME": "config-logging",
                "CONFIG_OBSERVABILITY_NAME": "config-observability",
                "WEBHOOK_NAME": "webhook",
                "WEBHOOK_PORT": str(at["webhook"]),
                "PROFILING_PORT": str(at[f"{name}-profiles"]),
            }
            argv = [str(build.program(self.neighbour, program))]
            log = self._directory / f"{name}.log"
            self._others.append(processes.start(f"knative-{name}", argv, log, environment))
        poll("Knative's webhooks to be asked", self._is_asked)

    def stop(self) -> None:
        """End it, and remove its webhooks, without which none of its kinds could be written."""
        label = "app.kubernetes.io/name=knative-serving"
        try:
            for kind in sorted(WEBHOOKS):
                self._admin.run("delete", kind, "-l", label, "--ignore-not-found")
        finally:
            processes.stop(self._others)
            self._others = []

    def _is_asked(self) -> bool:
        """Say whether a Service gets a default that only the webhook gives. ClusterError where a program has ended."""
        for started in self._others:
            if processes.find(started) is None:
                raise ClusterError(f"{started.name} has ended; its log is in {self._directory}")
        probe = json.dumps(ksvc("probe", "default", PROBE))
        try:
            answer = self._admin.run("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=probe)
        except ClusterError:
            return False  # The webhook may not have written its certificate yet.
        return "serving.knative.dev/creator" in answer


def ksvc(
    name: str, namespace: str, container: Mapping[str, Any], annotations: Mapping[str, str] | None = None
) -> Manifest:
    """Return a Service of Knative that is reachable in the cluster alone."""
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"networking.knative.dev/visibility": "cluster-local"},
        },
        "spec": {
            "template": {
                "metadata": {"annotations": dict(annotations or {})},
                "spec": {"containers": [dict(container)]},
            }
        },
    }


def configured(settings: Manifest) -> Manifest:
    """Return a ConfigMap of the release with our settings in it."""
    changes = SETTINGS.get(settings["metadata"]["name"], {})
    return {**settings, "data": {**settings["data"], **changes}}


def is_workload(found: Manifest) -> bool:
    """Say whether an object is a Deployment or its Service."""
    return found["kind"] in {"Deployment", "Service"}
