"""Kueue, which lets workloads start when their queue has quota. Its webhooks are at a port of this machine."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from dev.cluster.addons.lws import WEBHOOKS, redirected
from dev.cluster.pki import Authority
from dev.cluster.ports import HOST, choose
from dev.neighbours import build
from dev.neighbours.controller import CRD, Controller, Manifest, configuration, converted

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
        self._establish([converted(o, address, bundle) for o in objects if o["kind"] == CRD])
        self._grant(objects)
        settings = self._directory / "configuration.yaml"
        own = {"integrations": {"frameworks": list(FRAMEWORKS)}}
        settings.write_text(yaml.safe_dump(configuration("config.kueue.x-k8s.io/v1beta2", certificates, at) | own))
        # The visibility server is an aggregated API, for which nothing here has a Service.
        apart = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", IN_OWN_ETC, str(certificates))
        self._run(f"--config={settings}", "--feature-gates=VisibilityOnDemand=false", wrapper=apart)
        self._await_ready(at["health"])
        self._admin.apply([redirected(o, address, bundle) for o in objects if o["kind"] in WEBHOOKS])
