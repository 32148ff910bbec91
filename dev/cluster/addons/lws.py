"""LeaderWorkerSet: its controller as a process beside the control plane, with the rights and webhooks of its release.

The API server reaches the webhooks at a port of this machine, since nothing here gives a Service its endpoints. It calls
itself what its pods would, so that a policy which judges who asks sees the same name as in a real cluster.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import identity, ports
from dev.cluster.addons.site import Site
from dev.cluster.api import Endpoint
from dev.cluster.errors import ClusterError, PortTaken
from dev.cluster.pki import Authority, write_private

MANAGER = "lws-manager"
HEALTH = "lws-health"
NAMESPACE, ACCOUNT = "lws-system", "lws-controller-manager"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}")
WEBHOOKS = {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}
# Of the release, what means something without a kubelet: not its Deployment, Services, and what these mount.
RIGHTS = {"Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
ATTEMPTS = 3

Manifest = dict[str, Any]


def install(at: Site, objects: Sequence[Manifest]) -> None:
    """Give the controller its rights, start it unless it runs, and point the API server at its webhooks."""
    at.kubectl.apply([o for o in objects if o["kind"] == "Namespace"])
    at.kubectl.apply([o for o in objects if o["kind"] in RIGHTS - {"Namespace"}])
    if not at.runs(MANAGER):
        start(at)
    hooks = [o for o in objects if o["kind"] in WEBHOOKS]
    wait_ready(at)
    address, authority = f"https://{ports.HOST}:{at.port(MANAGER)}", (at.pki / "ca.crt").read_bytes()
    at.kubectl.apply([redirected(hook, address, authority) for hook in hooks])
    at.wait("the API server to ask LeaderWorkerSet's webhooks", lambda: _is_asked(at))


def start(at: Site) -> None:
    """Start the controller on ports of its own."""
    directory = at.directory / "addons" / "lws"
    Authority.load(at.pki, "ca").server(MANAGER, [ports.HOST]).write(directory / "certificates", "tls")
    kubeconfig = identity.write_kubeconfig(directory / "kubeconfig.yaml", at.pki, at.name, at.server, USER, GROUPS)
    for attempt in range(1, ATTEMPTS + 1):
        chosen = at.choose_ports((MANAGER, HEALTH))
        settings = directory / "configuration.yaml"
        content = configuration(directory / "certificates", chosen[MANAGER], chosen[HEALTH])
        write_private(settings, yaml.safe_dump(content).encode())
        at.launch(MANAGER, [at.binary(MANAGER), f"--kubeconfig={kubeconfig}", f"--config={settings}"])
        try:
            wait_ready(at)
            return
        except PortTaken:
            if attempt == ATTEMPTS:
                raise


def configuration(certificates: Path, port: int, health: int) -> Manifest:
    """The controller's configuration: it listens on this machine alone, with the certificate that we made."""
    return {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "webhook": {"host": ports.HOST, "port": port, "certDir": str(certificates)},
        "health": {"healthProbeBindAddress": f"{ports.HOST}:{health}"},
        "metrics": {"bindAddress": "0"},
        # There is one, and an election would cost seconds at every start.
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }


def wait_ready(at: Site) -> None:
    """Wait until its webhook for the last kind answers: only then every other does, and its controllers are set up."""
    webhooks = Endpoint(ports.HOST, at.port(MANAGER), at.pki / "ca.crt")
    last = "/validate-disaggregatedset-x-k8s-io-v1-disaggregatedset"
    at.wait("LeaderWorkerSet's webhooks to answer", lambda: webhooks.answers(last))


def redirected(hook: Manifest, address: str, authority: bytes) -> Manifest:
    """A webhook configuration of the release whose Service is replaced by an address."""
    bundle = base64.b64encode(authority).decode()

    def client(webhook: Manifest) -> Manifest:
        return {"url": address + webhook["clientConfig"]["service"]["path"], "caBundle": bundle}

    return {**hook, "webhooks": [{**webhook, "clientConfig": client(webhook)} for webhook in hook["webhooks"]]}


def _is_asked(at: Site) -> bool:
    """Whether a set gets the defaults that only the one webhook gives, and is refused for what only the other refuses."""

    def attempt(name: str) -> Manifest:
        template = {"spec": {"containers": [{"name": "main", "image": "none"}]}}
        probe = {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"leaderWorkerTemplate": {"workerTemplate": template}},
        }
        asked = ("create", "--dry-run=server", "-o", "json", "-f", "-")
        answer: Manifest = json.loads(at.kubectl.run(*asked, stdin=json.dumps(probe)))
        return answer

    try:
        if "subdomainPolicy" not in attempt("probe")["spec"].get("networkConfig", {}):
            return False
    except ClusterError:
        return False  # The API server may know the webhook before the certificate, or not the kind yet.
    try:
        attempt("1-is-no-name-of-a-service")
    except ClusterError as error:
        return "vleaderworkerset" in str(error)
    return False
