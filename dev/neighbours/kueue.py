"""Kueue, which lets workloads start when their queue has quota. Its webhooks are at a port of this machine."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Sequence
from typing import Any

import yaml

from dev.cluster.addons.lws import WEBHOOKS, redirected
from dev.cluster.pki import Authority
from dev.cluster.ports import HOST, choose
from dev.deployment import poll
from dev.neighbours import build
from dev.neighbours.controller import Controller, Manifest

CRD = "CustomResourceDefinition"
# Kueue reads a certificate for its metrics, which are off, at a path that no setting changes: it gets an /etc of its own.
IN_OWN_ETC = (
    'mount -t tmpfs tmpfs /etc && mkdir -p /etc/kueue/metrics && cp -r "$0" /etc/kueue/metrics/certs && exec "$@"'
)
FRAMEWORKS = ("batch/job", "pod", "deployment", "statefulset")


class Kueue(Controller):
    """Kueue's manager, with the integrations of Kubernetes' own kinds."""

    neighbour = build.KUEUE
    namespace = "kueue-system"
    account = "kueue-controller-manager"

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        at = choose(("webhook", "health"), {})
        authority = Authority.create("kueue-test-ca")
        certificates = self._directory / "certificates"
        authority.server("kueue", [HOST]).write(certificates, "tls")
        address, bundle = f"https://{HOST}:{at['webhook']}", authority.pair.certificate
        kinds = [_converted(o, address, bundle) for o in objects if o["kind"] == CRD]
        self._admin.apply(kinds, "--force-conflicts", timeout_seconds=240)
        poll("Kueue's kinds to be established", lambda: self._are_established([k["metadata"]["name"] for k in kinds]))
        self._grant(objects)
        settings = self._directory / "configuration.yaml"
        settings.write_text(yaml.safe_dump(configuration(str(certificates), at["webhook"], at["health"])))
        # The visibility server is an aggregated API, for which nothing here has a Service.
        apart = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", IN_OWN_ETC, str(certificates))
        self._run(f"--config={settings}", "--feature-gates=VisibilityOnDemand=false", wrapper=apart)
        poll("Kueue's webhooks to listen", lambda: self._is_ready(at["health"]))
        self._admin.apply([redirected(o, address, bundle) for o in objects if o["kind"] in WEBHOOKS])

    def stop(self) -> None:
        """End it, and remove its webhooks, without which nothing that they are asked about could be written."""
        for kind in sorted(WEBHOOKS):
            self._admin.run("delete", kind, "-l", "app.kubernetes.io/name=kueue", "--ignore-not-found")
        super().stop()

    def _are_established(self, names: Sequence[str]) -> bool:
        # `kubectl wait` fails on an object that has no conditions yet.
        found = json.loads(self._admin.run("get", "crd", *names, "-o", "json"))["items"]
        conditions = [{c["type"]: c["status"] for c in o.get("status", {}).get("conditions") or ()} for o in found]
        return all(of_one.get("Established") == "True" for of_one in conditions)

    def _is_ready(self, port: int) -> bool:
        self._await_log("", 5)
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False


def configuration(certificates: str, webhook: int, health: int) -> Manifest:
    """Return the manager's configuration: it listens on this machine alone, with the certificate that we made."""
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"{HOST}:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": HOST, "port": webhook, "certDir": certificates},
        # There is one, and an election would cost seconds at every start.
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "integrations": {"frameworks": list(FRAMEWORKS)},
    }


def _converted(kind: Manifest, address: str, authority: bytes) -> Manifest:
    """Return a kind whose versions are converted at an address instead of a Service."""
    conversion: dict[str, Any] = kind["spec"].get("conversion", {})
    if conversion.get("strategy") != "Webhook":
        return kind
    hook = conversion["webhook"]
    path = hook["clientConfig"]["service"]["path"]
    client = {"url": address + path, "caBundle": base64.b64encode(authority).decode()}
    changed = {**conversion, "webhook": {**hook, "clientConfig": client}}
    return {**kind, "spec": {**kind["spec"], "conversion": changed}}
