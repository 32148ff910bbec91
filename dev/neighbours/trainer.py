"""Kubeflow Trainer, which makes JobSets of TrainJobs. JobSet's controller makes Jobs of these, and has to run beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from dev.cluster.addons.lws import WEBHOOKS
from dev.cluster.pki import write_private
from dev.cluster.ports import HOST, choose
from dev.deployment import poll
from dev.neighbours import build
from dev.neighbours.controller import CRD, Controller, Manifest, on_port, service_at

SERVICE, SECRET = "kubeflow-trainer-controller-manager", "kubeflow-trainer-webhook-cert"
# It reads its certificate at a path that no setting changes, where it gets a folder of its own.
SERVED_FROM = "/tmp/k8s-webhook-server/serving-certs"
WITH_OWN_FOLDER = f'mkdir -p {SERVED_FROM} && mount --bind "$0" {SERVED_FROM} && exec "$@"'


class Trainer(Controller):
    """Kubeflow Trainer's manager with its webhooks. It makes their certificate itself."""

    neighbour = build.TRAINER
    namespace = "kubeflow-system"
    account = "kubeflow-trainer-controller-manager"

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        self._establish([o for o in objects if o["kind"] == CRD])
        self._grant(objects)
        at = choose(("webhook", "health"), {})
        secrets = [o for o in objects if o["kind"] == "Secret"]
        self._admin.apply([service_at(self.namespace, SERVICE, at["webhook"]), *secrets])
        self._admin.apply([on_port(o, at["webhook"]) for o in objects if o["kind"] in WEBHOOKS], "--force-conflicts")
        certificates = self._directory / "certificates"
        certificates.mkdir(exist_ok=True)
        self._run(
            f"--webhook-server-port={at['webhook']}",
            f"--health-probe-bind-address={HOST}:{at['health']}",
            wrapper=("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", WITH_OWN_FOLDER, str(certificates)),
        )

        def issued() -> bool:
            """Write the certificate where a kubelet would mount it, once it is there."""
            self._check_runs()
            found = self._admin.get("secret", SECRET, self.namespace).get("data") or {}
            for name, content in found.items():
                write_private(certificates / name, base64.b64decode(content))
            return "tls.crt" in found

        poll("Kubeflow Trainer to issue its certificate", issued)
        self._await_ready(at["health"])
