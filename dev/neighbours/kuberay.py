"""KubeRay's operator, which makes pods of RayClusters itself, and RayClusters of RayJobs and RayServices."""

from __future__ import annotations

from collections.abc import Sequence

from dev.cluster.addons.lws import WEBHOOKS, redirected
from dev.cluster.api import Endpoint
from dev.cluster.pki import Authority
from dev.cluster.ports import HOST, choose
from dev.deployment import poll
from dev.neighbours import build
from dev.neighbours.controller import CRD, Controller, Manifest

# No setting changes the port and the folder under the temporary directory (controller-runtime's defaults).
PORT, CERTIFICATES = 9443, "k8s-webhook-server/serving-certs"
# Its manifests also have webhooks for RayJobs and RayServices, which v1.5.0 doesn't serve: with these, no RayJob could be created.
SERVED = "vraycluster.kb.io"


class KubeRay(Controller):
    """KubeRay's operator with its webhook."""

    neighbour = build.KUBERAY
    namespace = "ray-system"
    account = "kuberay-operator"

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        self._establish([o for o in objects if o["kind"] == CRD])
        self._grant(objects)
        authority = Authority.create("kuberay-test-ca")
        authority.server("kuberay", [HOST]).write(self._directory / CERTIFICATES, "tls")
        authority.pair.write(self._directory, "ca")
        at = choose(("webhook", "health"), {"webhook": PORT})
        self._run(
            "--metrics-addr=0",
            # There is one, and an election would cost seconds at every start.
            "--enable-leader-election=false",
            f"--health-probe-bind-address={HOST}:{at['health']}",
            environment={"ENABLE_WEBHOOKS": "true", "TMPDIR": str(self._directory)},
        )
        self._await_ready(at["health"])
        webhooks = Endpoint(HOST, PORT, self._directory / "ca.crt")
        poll("KubeRay's webhook to answer", lambda: webhooks.answers("/validate-ray-io-v1-raycluster"))
        address, bundle = f"https://{HOST}:{PORT}", authority.pair.certificate
        self._admin.apply([_served(redirected(o, address, bundle)) for o in objects if o["kind"] in WEBHOOKS])


def _served(hook: Manifest) -> Manifest:
    return {**hook, "webhooks": [webhook for webhook in hook["webhooks"] if webhook["name"] == SERVED]}
