"""Installs the chart on a development cluster, and runs the operator beside it as the chart's own ServiceAccount.

Without real nodes the embedded control plane has no kubelet, so the chart's Deployment never runs a container there: the same
program runs as a local process, with a token of the same ServiceAccount and so with the same rights. dev.incluster runs it in pods.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

import psutil
import yaml

from daulat.ledger.keys import KeyType, generate
from dev.cluster import Cluster, ClusterError
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.kubectl import Kubectl

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "daulat"
NAMESPACE = "daulat-system"
SERVICE_ACCOUNT = "daulat"
KUBECONFIG = "operator-kubeconfig.yaml"
ORIGIN = "daulat.example.my/development"
"""The origin of the log that a development cluster's recorder writes."""


DEADLINE_SECONDS = 180.0
"""For how long something is waited for. It ends a wait in vain: a slow machine must not reach it, and no test measures by it."""


def poll(what: str, question: Callable[[], bool], seconds: float = DEADLINE_SECONDS, pause: float = 0.1) -> None:
    """Ask until the answer is yes. ClusterError where the time runs out."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            raise ClusterError(f"after {seconds:.0f} s still waiting for {what}")
        time.sleep(pause)


def kubectl(cluster: Cluster, user: str = "admin", groups: tuple[str, ...] = ()) -> Kubectl:
    """Return kubectl as this user."""
    return Kubectl(str(ensure(announce)["kubectl"]), cluster.kubeconfig(user, groups))


def helm(kubeconfig: Path, *arguments: str) -> str:
    """Run helm and return what it prints; its own error is a ClusterError."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HELM_NAMESPACE": NAMESPACE}
    command = [str(ensure(announce)["helm"]), *arguments]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)
    if result.returncode != 0:
        raise ClusterError(f"`helm {arguments[0]}` failed: {result.stderr.strip()}")
    return result.stdout


def install(cluster: Cluster, *settings: str, source: Path = ROOT) -> None:
    """Install the chart of a checkout, or bring it up to date."""
    # The Deployment would wait for a kubelet that isn't there: the operator runs as a process instead.
    helm(
        cluster.kubeconfig(),
        "upgrade",
        "--install",
        "daulat",
        str(source / CHART.relative_to(ROOT)),
        "--create-namespace",
        "--set=replicas=0",
        *settings,
    )
    admin = kubectl(cluster)
    poll("the kinds to be served", lambda: "sovereignmodels" in admin.run("api-resources", "--api-group=daulat.dev"))


def operator_kubeconfig(
    cluster: Cluster,
    directory: Path,
    server: str = "",
    account: str = SERVICE_ACCOUNT,
    name: str = KUBECONFIG,
    namespace: str = NAMESPACE,
) -> Path:
    """Write a kubeconfig with a token of a ServiceAccount, by default one of the chart's, and nothing else that opens anything.

    ``server``: the URL of what stands between the operator and the API server, where something does.
    """
    token = kubectl(cluster).run("create", "token", account, "--namespace", namespace, "--duration=24h").strip()
    config = yaml.safe_load(cluster.kubeconfig().read_text())
    config["users"] = [{"name": u["name"], "user": {"token": token}} for u in config["users"]]
    if server:
        config["clusters"] = [{"name": c["name"], "cluster": {"server": server}} for c in config["clusters"]]
    path = directory / name
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


RECORDER = ("--set=recorder.enabled=true", "--set=recorder.key.secretName=daulat-log-key", "--set=recorder.replicas=0")
"""The values by which the chart makes the recorder's rights, for one that runs as a process."""
CHECKS = ("--set=kueue.admissionCheck.enabled=true",)
"""The value by which the chart lets the operator decide on AdmissionChecks of Kueue."""
REPORTER = ("--set=reporter.enabled=true", "--set=reporter.replicas=0")
"""The same for the reporter."""
WEIGHTS_IMAGE = "registry.example.my/daulat/daulat@sha256:" + "3c" * 32
"""What the operator is told to load weights with: nothing pulls it here."""


PROGRAM = "daulat.cli.main"


def operators(directory: Path) -> list[psutil.Process]:
    """Return the processes of Daulat that run with kubeconfigs of this directory, whoever started them, and however that ended."""
    found = []
    kubeconfigs = {
        str(directory / f"{kind.what}-kubeconfig.yaml") for kind in (OperatorProcess, RecorderProcess, ReporterProcess)
    }
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if PROGRAM in process.cmdline() and process.environ().get("KUBECONFIG") in kubeconfigs:
                found.append(process)
    return found


class OperatorProcess:
    """``daulat operator`` as a process of this machine."""

    account = SERVICE_ACCOUNT
    what = "operator"

    def __init__(
        self,
        cluster: Cluster,
        directory: Path,
        name: str = "operator-0",
        weights_image: str = WEIGHTS_IMAGE,
        source: Path = ROOT,
        server: str = "",
        wrapper: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        """Take the cluster, a directory for the log and the kubeconfig, the checkout whose program runs, the URL of what stands
        before the API server, the command that starts the program, such as a tracer, and the program's own arguments."""
        self._own_arguments = arguments
        self._weights_image, self._server, self._wrapper = weights_image, server, wrapper
        self._source = source
        self._cluster, self._directory, self._name = cluster, directory, name
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self._offset = 0, 0
        self.last_usage = ""
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def log(self) -> Path:
        """Where its log goes."""
        return self._directory / f"{self._name}.log"

    @property
    def kubeconfig(self) -> Path:
        """With what it asks the API server."""
        return self._directory / f"{self.what}-kubeconfig.yaml"

    @property
    def pid(self) -> int:
        """The process id while it runs; 0 otherwise."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self, wait: bool = True, seconds: float = DEADLINE_SECONDS) -> None:
        """Start it, and wait until its facts are synced, at most for so many seconds once it listens; or only until it listens."""
        config = operator_kubeconfig(self._cluster, self._directory, self._server, self.account, self.kubeconfig.name)
        environment = {**os.environ, "KUBECONFIG": str(config), "DAULAT_NAMESPACE": NAMESPACE, "POD_NAME": self._name}
        environment |= self._variables()
        self.port = 0
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._wrapper, sys.executable, "-m", PROGRAM, self.what, "--port=0", *self._arguments()],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**environment, "PYTHONPATH": str(self._source / "src")},
                start_new_session=True,
            )
        poll(f"the {self.what} to listen", self._find_port)
        if wait:
            self.wait_ready(seconds)

    def _variables(self) -> dict[str, str]:
        return {"DAULAT_WEIGHTS_IMAGE": self._weights_image}

    def _arguments(self) -> Sequence[str]:
        return self._own_arguments

    def wait_ready(self, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until it is ready: every kind was listed that no cluster is without."""
        poll(f"the {self.what} to be ready", lambda: self.answer("/readyz") == "ok", seconds)

    def answer(self, path: str) -> str:
        """Return what it answers on a path; empty where it answers with an error or not at all."""
        status, text = self.asked(path)
        return text if status == HTTPStatus.OK else ""

    def asked(self, path: str) -> tuple[int, str]:
        """Return the status and the text of its answer; 0 where there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return int(response.status), str(response.read().decode()).strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()
        except OSError:
            return 0, ""

    @property
    def where_logged(self) -> str:
        """How to read its log, as a sentence without its full stop."""
        return f"The {self.what}'s log is {self.log}"

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        """End it with a signal and return its exit status."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._measure(self._process.pid)
            self._process.send_signal(number)
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.stop(signal.SIGKILL)

    def lines(self) -> list[dict[str, object]]:
        """Return its log as parsed lines; one that isn't JSON is an error of its own."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def _measure(self, pid: int) -> None:
        """Note what the process has used so far."""
        process = psutil.Process(pid)
        times, age = process.cpu_times(), time.time() - process.create_time()
        memory = process.memory_info().rss / 2**20
        self.last_usage = (
            f"the {self.what} used {memory:.0f} MiB and {times.user + times.system:.1f} s of CPU in {age:.0f} s"
        )

    def _find_port(self) -> bool:
        if not self.pid:
            raise ClusterError(f"the {self.what} ended at once; its log is {self.log}")
        with self.log.open("rb") as log:
            log.seek(self._offset)
            found = re.search(rb'"port": (\d+)', log.read())
        self.port = int(found[1]) if found else 0
        return bool(self.port)


class RecorderProcess(OperatorProcess):
    """``daulat recorder`` as a process of this machine, with a log, a key and salts in a directory."""

    account = "daulat-recorder"
    what = "recorder"

    def __init__(
        self, cluster: Cluster, directory: Path, name: str = "recorder-0", arguments: Sequence[str] = ()
    ) -> None:
        """Take the cluster, the directory, and further arguments."""
        super().__init__(cluster, directory, name)
        self.further = tuple(arguments)
        if not self.key.exists():
            signer = generate(ORIGIN, KeyType.ED25519)
            self.key.touch(mode=0o600)
            self.key.write_text(signer.text())
            self.verifier.write_text(str(signer.verifier()))

    @property
    def key(self) -> Path:
        """The log's private key."""
        return self._directory / "log.key"

    @property
    def verifier(self) -> Path:
        """The log's verifier key."""
        return self._directory / "log.vkey"

    @property
    def ledger(self) -> Path:
        """The log's folder."""
        return self._directory / "ledger"

    @property
    def salts(self) -> Path:
        """The salts behind its pseudonyms."""
        return self._directory / "salts.sqlite"

    def _variables(self) -> dict[str, str]:
        return {}

    def _arguments(self) -> Sequence[str]:
        index = self._directory / "index.sqlite"
        return (
            f"--log={self.ledger}",
            f"--key={self.key}",
            f"--salts={self.salts}",
            f"--index={index}",
            *self.further,
        )


class ReporterProcess(OperatorProcess):
    """``daulat reporter`` as a process of this machine."""

    account = "daulat-reporter"
    what = "reporter"

    def __init__(self, cluster: Cluster, directory: Path, arguments: Sequence[str] = ("--interval=1",)) -> None:
        """Take the cluster, the directory, and arguments."""
        super().__init__(cluster, directory, "reporter-0")
        self.further = tuple(arguments)

    def _variables(self) -> dict[str, str]:
        return {}

    def _arguments(self) -> Sequence[str]:
        return self.further
