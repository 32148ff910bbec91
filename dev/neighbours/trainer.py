"""Kubeflow Trainer, which makes JobSets of TrainJobs. JobSet's controller makes Jobs of these, and has to run beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from dev.cluster.addons.lws import WEBHOOKS
from dev.cluster.pki import write_private
from dev.cluster.ports import HOST, choose
from dev.deployment import poll
from dev.neighbours import build
from dev.neighbours.controller import CRD, Controller, Manifest

SERVICE, SECRET = "kubeflow-trainer-controller-manager", "kubeflow-trainer-webhook-cert"
# It reads its certificate at a path that no setting changes: it gets a /tmp of its own with the certificates' folder in it.
IN_OWN_TMP = (
    'mount --bind "$0" /mnt && mount -t tmpfs tmpfs /tmp && mkdir -p /tmp/k8s-webhook-server/serving-certs'
    ' && mount --bind /mnt /tmp/k8s-webhook-server/serving-certs && KUBECONFIG=/mnt/kubeconfig exec "$@"'
)


class Trainer(Controller):
    """Kubeflow Trainer's manager with its webhooks. It makes their certificate itself."""

    neighbour = build.TRAINER
    namespace = "kubeflow-system"
    account = "kubeflow-trainer-controller-manager"

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        self._establish([o for o in objects if o["kind"] == CRD])
        self._grant(objects)
        at = choose(("webhook", "health"), {})
        # The API server resolves a Service of type ExternalName itself, and expects the Service's name in the certificate.
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": self.namespace, "name": SERVICE},
            "spec": {"type": "ExternalName", "externalName": HOST, "ports": [{"port": at["webhook"]}]},
        }
        secrets = [o for o in objects if o["kind"] == "Secret"]
        self._admin.apply([service, *secrets])
        self._admin.apply([_at_port(o, at["webhook"]) for o in objects if o["kind"] in WEBHOOKS], "--force-conflicts")
        mounted = self._directory / "mounted"
        mounted.mkdir(exist_ok=True)
        write_private(mounted / "kubeconfig", self._kubeconfig().read_bytes())
        self._run(
            f"--webhook-server-port={at['webhook']}",
            f"--health-probe-bind-address={HOST}:{at['health']}",
            wrapper=("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", IN_OWN_TMP, str(mounted)),
        )

        def issued() -> bool:
            """Write the certificate where a kubelet would mount it, once it is there."""
            self._check_runs()
            found = self._admin.get("secret", SECRET, self.namespace).get("data") or {}
            for name, content in found.items():
                write_private(mounted / name, base64.b64decode(content))
            return "tls.crt" in found

        poll("Kubeflow Trainer to issue its certificate", issued)
        self._await_ready(at["health"])


def _at_port(hook: Manifest, port: int) -> Manifest:
    """Return a webhook configuration of the release whose Service has another port."""

    def client(webhook: Manifest) -> Manifest:
        service = {**webhook["clientConfig"]["service"], "port": port}
        return {**webhook["clientConfig"], "service": service}

    return {**hook, "webhooks": [{**webhook, "clientConfig": client(webhook)} for webhook in hook["webhooks"]]}
