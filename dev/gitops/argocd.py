"""Argo CD as processes of this machine, on a development cluster: controller, repository server, ApplicationSets, Redis."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.ports import HOST, choose
from dev.deployment import ROOT, poll
from dev.gitops import build
from dev.gitops.engine import Engine
from dev.gitops.healthfiles import ARGOCD_CM
from dev.gitops.repository import BRANCH, Repository

NAMESPACE = "argocd"
APPLICATION = "applications.argoproj.io"
REFRESH = "argocd.argoproj.io/refresh"
PART_OF = {"app.kubernetes.io/part-of": "argocd"}
Manifest = dict[str, Any]


def application_spec(
    repository: Repository, path: str, cluster: str, namespace: str = "default", **spec: Any
) -> dict[str, Any]:
    """Return the spec of an Application that keeps a cluster as a folder of the repository has it."""
    options = ["ServerSideApply=true", *spec.pop("syncOptions", [])]
    # Without refresh a sync that fails is tried again at its own commit, and the commit that mends it waits.
    backoff = {"duration": "2s", "factor": 1, "maxDuration": "2s"}
    return {
        "project": "default",
        "source": {"repoURL": repository.url, "targetRevision": BRANCH, "path": path, **spec.pop("source", {})},
        "destination": {"name": cluster, "namespace": namespace},
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": options,
            "retry": {"limit": -1, "refresh": True, "backoff": backoff},
        },
        **spec,
    }


def health(manifest: Mapping[str, Any], directory: Path) -> tuple[str, str]:
    """Return the health of an object and its message, as Argo CD's own Lua evaluates the shipped script."""
    settings, resource = directory / "argocd-cm.yaml", directory / "resource.yaml"
    shipped = yaml.safe_load((ROOT / ARGOCD_CM).read_text())
    shipped["metadata"].update(namespace=NAMESPACE, labels=dict(PART_OF))
    settings.write_text(yaml.safe_dump(shipped))
    resource.write_text(yaml.safe_dump(dict(manifest)))
    asked = ["admin", "settings", "resource-overrides", "health", str(resource), "--argocd-cm-path", str(settings)]
    result = subprocess.run(
        [str(build.program(build.ARGOCD)), *asked, "--load-cluster-settings=false"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "ARGOCD_BINARY_NAME": "argocd"},
    )
    said = dict(line.split(": ", 1) for line in result.stdout.splitlines() if ": " in line)
    return said["STATUS"], said.get("MESSAGE", "")


class ArgoCD(Engine):
    """Argo CD without its user interface."""

    def _bring_up(self) -> None:
        self._install_kinds([build.ARGOCD], NAMESPACE, "applicationset")
        self._admin.apply(self._settings())
        names = ("redis", "repo", "repo-metrics", "controller", "sets-metrics", "sets-probe", "sets-webhook")
        at = {name: f"{HOST}:{port}" for name, port in choose(names, {}).items()}
        server, libraries = build.redis()
        port = at["redis"].rpartition(":")[2]
        arguments = [str(server), "--bind", HOST, "--port", port, "--save", "", "--dir", str(self._directory)]
        self._run("redis", arguments, {"LD_LIBRARY_PATH": str(libraries)})
        self._argocd(
            "repo-server",
            *(
                "--redis",
                at["redis"],
                "--disable-tls",
                "--client-ca-path",
                "",
                "--address",
                HOST,
                "--metrics-address",
                HOST,
            ),
            *("--port", at["repo"].rpartition(":")[2], "--metrics-port", at["repo-metrics"].rpartition(":")[2]),
        )
        self._argocd(
            "application-controller",
            *("--redis", at["redis"], "--repo-server", at["repo"], "--repo-server-plaintext"),
            *("--metrics-port", at["controller"].rpartition(":")[2], "--kubeconfig", str(self._cluster.kubeconfig())),
            *("--namespace", NAMESPACE, "--app-resync", "3600", "--self-heal-timeout-seconds", "1"),
            "--server-side-diff-enabled",
        )
        self._argocd(
            "applicationset-controller",
            *(
                "--argocd-repo-server",
                at["repo"],
                "--repo-server-plaintext",
                "--kubeconfig",
                str(self._cluster.kubeconfig()),
            ),
            *(
                "--metrics-addr",
                at["sets-metrics"],
                "--probe-addr",
                at["sets-probe"],
                "--webhook-addr",
                at["sets-webhook"],
            ),
            *("--namespace", NAMESPACE),
        )

    def add_cluster(self, name: str, server: str, ca_data: str, token: str, **labels: str) -> None:
        """Make a cluster known as a destination, by the token of an account there."""
        config = {"bearerToken": token, "tlsClientConfig": {"caData": ca_data}}
        self._admin.apply(
            [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {
                        "name": f"cluster-{name}",
                        "namespace": NAMESPACE,
                        "labels": {"argocd.argoproj.io/secret-type": "cluster", **labels},
                    },
                    "stringData": {"name": name, "server": server, "config": json.dumps(config)},
                }
            ]
        )

    def application(
        self, name: str, repository: Repository, path: str, cluster: str, namespace: str = "default", **spec: Any
    ) -> None:
        """Sync a folder of the repository into a cluster automatically, as the project's documentation has it."""
        self._apply(name, application_spec(repository, path, cluster, namespace, **spec), {})

    def client_side_application(self, name: str, repository: Repository, path: str, cluster: str) -> None:
        """Do the same with client-side apply and diff, as compiled policies need it."""
        spec = application_spec(repository, path, cluster)
        del spec["syncPolicy"]["syncOptions"]
        self._apply(name, spec, {"argocd.argoproj.io/compare-options": "ServerSideDiff=false"})

    def _apply(self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str]) -> None:
        head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
        metadata = {"name": name, "namespace": NAMESPACE, "annotations": dict(annotations)}
        self._admin.apply([{**head, "metadata": metadata, "spec": dict(spec)}])

    def read_anew(self, name: str) -> None:
        """Have the cache of a cluster's objects thrown away, as "Invalidate cache" of the user interface does."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = ("secret", f"cluster-{name}", "--namespace", NAMESPACE)
        self._admin.run("annotate", *secret, f"{REFRESH}={now}", "--overwrite")

    def application_set(self, name: str, labels: Mapping[str, str], spec: Mapping[str, Any]) -> None:
        """Make an Application for each known cluster with these labels, called `<cluster>-<name>`."""
        template = {"metadata": {"name": "{{.name}}-" + name}, "spec": dict(spec)}
        body = {
            "goTemplate": True,
            "generators": [{"clusters": {"selector": {"matchLabels": dict(labels)}}}],
            "template": template,
        }
        head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet"}
        self._admin.apply([{**head, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": body}])

    def get(self, name: str) -> Manifest:
        """Return an Application."""
        return self._admin.get(APPLICATION, name, NAMESPACE)

    def reconcile(self, *names: str) -> None:
        """Compare Applications with Git and the cluster once more, and wait until that is over."""
        for name in names:
            self._admin.run("annotate", "--overwrite", "-n", NAMESPACE, f"{APPLICATION}/{name}", f"{REFRESH}=normal")
        for name in names:
            poll(f"Application {name} to be compared", partial(self._compared, name), pause=1)

    def _compared(self, name: str) -> bool:
        app = self.get(name)
        # Argo CD takes the request away once it has compared.
        asked = REFRESH in app["metadata"].get("annotations", {})
        return not asked and bool(app.get("status", {}).get("reconciledAt"))

    def state(self, name: str) -> tuple[str, str]:
        """Return whether an Application is in sync, and its health."""
        status = self.get(name).get("status", {})
        return status.get("sync", {}).get("status", ""), status.get("health", {}).get("status", "")

    def message(self, name: str) -> str:
        """Return what an Application's status says of the last sync and its resources, and its conditions."""
        status = self.get(name).get("status", {})
        operation = status.get("operationState", {})
        results = operation.get("syncResult", {}).get("resources", [])
        said = [operation.get("message", ""), *(r.get("message", "") for r in results)]
        return "\n".join([*said, *(c.get("message", "") for c in status.get("conditions", []))])

    def wait_healthy(self, name: str, revision: str, seconds: float = 420) -> None:
        """Wait until a commit is synced, its sync is over, and what is in it is healthy."""

        def healthy() -> bool:
            status = self.get(name).get("status", {})
            operation = status.get("operationState", {})
            synced = status.get("sync", {}).get("revision") == revision and operation.get("phase") == "Succeeded"
            return synced and self.state(name) == ("Synced", "Healthy")

        try:
            poll(f"Application {name} at {revision[:7]}", healthy, seconds, pause=1)
        except Exception as error:
            status = self.get(name).get("status", {})
            good = ("Synced", "Healthy", None)
            rest = [
                r
                for r in status.get("resources", [])
                if r.get("status") not in good or r.get("health", {}).get("status") not in good
            ]
            raise AssertionError(
                f"{error}: {self.state(name)} {self.message(name)} {json.dumps(rest)[:3000]}"
            ) from error

    def _settings(self) -> list[Manifest]:
        """Return Argo CD's settings: those that the project ships, and the empty ones without which it doesn't start."""
        shipped = yaml.safe_load((ROOT / ARGOCD_CM).read_text())
        data = {**shipped["data"], "resource.respectRBAC": "normal"}

        def config(name: str, **data: str) -> Manifest:
            head = {"name": name, "namespace": NAMESPACE, "labels": PART_OF}
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": data}

        secret = {"name": "argocd-secret", "namespace": NAMESPACE, "labels": PART_OF}
        project = {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        }
        return [
            config("argocd-cm", **data),
            *(
                config(f"argocd-{name}-cm")
                for name in ("rbac", "ssh-known-hosts", "tls-certs", "gpg-keys", "cmd-params")
            ),
            {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"server.secretkey": "for-tests"}},
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "AppProject",
                "metadata": {"name": "default", "namespace": NAMESPACE},
                "spec": project,
            },
        ]

    def _argocd(self, component: str, *arguments: str) -> None:
        program = build.program(build.ARGOCD)
        helm = Path(ensure(announce)["helm"])
        home = self._directory / "home"
        for folder in ("tls", "ssh", "gpg/source", "gpg/keys", "plugins"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        environment = {
            "ARGOCD_BINARY_NAME": f"argocd-{component}",
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_TLS_DATA_PATH": str(home / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(home / "ssh"),
            "ARGOCD_GPG_DATA_PATH": str(home / "gpg" / "source"),
            "ARGOCD_GNUPGHOME": str(home / "gpg" / "keys"),
            "ARGOCD_PLUGINSOCKFILEPATH": str(home / "plugins"),
            "KUBECONFIG": str(self._cluster.kubeconfig()),
            "TMPDIR": str(home),
            # What keeps an Application from being healthy is then in its status.
            "ARGOCD_APPLICATION_CONTROLLER_PERSIST_RESOURCE_HEALTH": "true",
            # It runs helm and its own script for Git by their names.
            "PATH": f"{program.parent}:{helm.parent}:{os.environ['PATH']}",
        }
        self._run(component, [str(program), *arguments], environment)
