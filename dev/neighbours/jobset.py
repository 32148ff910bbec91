"""JobSet, which makes the Jobs of a JobSet."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from dev.cluster.addons.lws import WEBHOOKS, redirected
from dev.cluster.pki import Authority
from dev.cluster.ports import HOST, choose
from dev.neighbours import build
from dev.neighbours.controller import CRD, Controller, Manifest, configuration


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
        settings.write_text(yaml.safe_dump(configuration("config.jobset.x-k8s.io/v1alpha1", certificates, at)))
        self._run(f"--config={settings}", "--metrics-bind-address=0")
        self._await_ready(at["health"])
        address, bundle = f"https://{HOST}:{at['webhook']}", authority.pair.certificate
        self._admin.apply([redirected(o, address, bundle) for o in objects if o["kind"] in WEBHOOKS])
