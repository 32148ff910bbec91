"""JobSet, which makes the Jobs of a JobSet."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from dev.cluster.addons.lws import WEBHOOKS, redirected
from dev.cluster.pki import Authority
from dev.cluster.ports import HOST, choose
from dev.neighbours import build
from dev.neighbours.controller import CRD, Controller, Manifest


class JobSet(Controller):
    """JobSet's manager with its webhooks, at a port of this machine."""

    neighbour = build.JOBSET
    namespace = "jobset-system"
    account = "jobset-controller-manager"

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        at = choose(("webhook", "health"), {})
        authority = Authority.create("jobset-test-ca")
        certificates = self._directory / "certificates"
        authority.server("jobset", [HOST]).write(certificates, "tls")
        self._establish([o for o in objects if o["kind"] == CRD])
        self._grant(objects)
        settings = self._directory / "jobset.yaml"
        settings.write_text(yaml.safe_dump(configuration(str(certificates), at["webhook"], at["health"])))
        self._run(f"--config={settings}", "--metrics-bind-address=0")
        self._await_ready(at["health"])
        address, bundle = f"https://{HOST}:{at['webhook']}", authority.pair.certificate
        self._admin.apply([redirected(o, address, bundle) for o in objects if o["kind"] in WEBHOOKS])


def configuration(certificates: str, webhook: int, health: int) -> Manifest:
    """Return the manager's configuration: it listens on this machine alone, with the certificate that we made."""
    return {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"{HOST}:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": HOST, "port": webhook, "certDir": certificates},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }
