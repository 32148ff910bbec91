"""The end of the demo: models on a real node, of which one is never let to serve and the other answers.

They have a namespace, a policy and a key of their own. What they were made to say and how they are asked is dev.cluster.node's.
"""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from daulat.api import reasons
from daulat.api.names import MODEL_LABEL
from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.kubernetes import versions
from dev.cluster.locking import Say
from dev.cluster.node import programs, requirements, serving
from dev.cluster.node.chat import PATH, QUESTION, Chat
from dev.cluster.node.model import Signer, tamper
from dev.deployment import RECORDER, ROOT, kubectl
from dev.image.oci import Archive
from dev.incluster import install_in_cluster

from .row import TEAM, TENANT, Manifest, Outcome, Row, admin, came, condition, is_ready, message, place, status

NAMESPACE, POLICY, CLIENT = "assistant", "assistant", "client"
SIGNED, CHANGED = "tiny", "tiny-changed"
SENTENCE = "In Cyberjaya, on a real node."
"""What the model is made to say."""
SECONDS = 120.0
"""A model takes 10 s to start where nothing else is going on."""
DATA_CLASS = {"daulat.dev/data-class": "internal"}


def why_not(kind: str, wanted: bool) -> str:
    """Return why no model can answer on a cluster of this kind, in a sentence without its full stop; empty where one can."""
    if not wanted:
        return "REAL_NODE=no leaves the real node out"
    if kind != EmbeddedCluster.kind:
        return f"a real node belongs to an embedded control plane, and this cluster is of kind {kind}"
    if versions.find().minor != versions.NEWEST:
        return f"a real node is of Kubernetes {versions.NEWEST}, and this cluster of {versions.find().minor}"
    return requirements.missing()


@dataclass(frozen=True)
class Supplies:
    """What the real node is given: images, the models among them, and by whose key these are signed."""

    images: Mapping[str, Archive]
    models: Mapping[str, Archive]
    signer: Signer

    @classmethod
    def made(cls, folder: Path, say: Say) -> Supplies:
        """Make them in a folder of their own, whose earlier content goes. ClusterError where this machine can't."""
        if not programs.are_built():
            say(
                "Next, a model answers on a real node. What that takes is built now, once: about 14 minutes on 2 cores."
            )
            say("To go without: make demo REAL_NODE=no")
        programs.ensure(say)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        signer = Signer.new()
        models = {
            SIGNED: serving.model(folder, signer, SIGNED, SENTENCE),
            CHANGED: serving.model(folder, signer, CHANGED, SENTENCE, tamper),
        }
        return cls(serving.stock(folder, say), models, signer)


class Answering:
    """Lets models answer, or not, on a cluster with a real node."""

    def __init__(self, cluster: EmbeddedCluster, supplies: Supplies, add: Callable[[Row], None]) -> None:
        self._cluster, self._supplies, self._row = cluster, supplies, add
        self._tenant = kubectl(cluster, TENANT, (TEAM,))
        self._port = 0

    def load(self) -> None:
        """Give the real node its images, the operator's among them."""
        archives = [*self._supplies.images.values(), *self._supplies.models.values()]
        serving.load(self._cluster.machines, archives)
        for archive in archives:
            archive.path.unlink()

    def install(self) -> None:
        """Install the chart with the operator in pods on the real node."""
        (machine,) = self._cluster.machines
        image = self._supplies.images["daulat"].reference
        install_in_cluster(self._cluster, image, "kubernetes.io/hostname", machine.name, *RECORDER)

    def prepare(self) -> None:
        """Do what an administrator does before: profile, policy, namespace, rights."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": DATA_CLASS}}
        profile = serving.profile(self._supplies.images["engine"].reference)
        kubectl(self._cluster).apply(
            [profile, _policy(self._supplies.signer.public), namespace, admin(TENANT, NAMESPACE)]
        )

    def run(self) -> None:
        """Try both models in turn."""
        self._try("a model of which one byte changed after it was signed", "refused", self._refused)
        self._try("the same model as it was signed, which is then asked", "answered", self._answered)

    def hints(self) -> list[str]:
        """Return the commands with which a reader asks the model herself; none where it gave no answer."""
        body = json.dumps({"model": serving.MODEL, "messages": [{"role": "user", "content": QUESTION}]})
        # Both are pasted at once, and the first takes a moment.
        curl = "curl --silent --retry 5 --retry-connrefused http://127.0.0.1:8080" + PATH
        forward = f"kubectl port-forward --namespace {NAMESPACE} service/{SIGNED} 8080:{self._port} &"
        return [forward, f"{curl} --data '{body}'"] if self._port else []

    def _try(self, attempt: str, expected: Outcome, does: Callable[[], tuple[str, str]]) -> None:
        try:
            outcome, answer = does()
        except ClusterError as error:
            outcome, answer = "failed", str(error)
        except (OSError, http.client.HTTPException) as error:
            said = str(error) or type(error).__name__
            outcome, answer = "no answer", f"its Service was asked, and gave no answer: {said}"
        except (ValueError, LookupError, TypeError) as error:
            outcome, answer = "no answer", f"what its Service said is no answer ({type(error).__name__}: {error})"
        if outcome != expected:
            answer = f"{answer.rstrip('.')}. See `kubectl describe smodel,pods --namespace {NAMESPACE}`."
        self._row(Row(attempt, TENANT, expected, outcome, answer))

    def _refused(self) -> tuple[str, str]:
        self._tenant.create(self._model(CHANGED))
        # Kept, since the kubelet starts the container again, and the model's status is another one meanwhile.
        told = ""

        def refused() -> bool:
            nonlocal told
            found = condition(status(self._tenant, CHANGED, NAMESPACE), "Ready")
            told = found.get("message", "")
            return found.get("reason") == reasons.SIGNATURE_VALIDATION_FAILED

        is_refused = came(f"model {CHANGED} to be refused", refused, SECONDS)
        serves = self._has_started(CHANGED)
        outcome = "served" if serves else "refused" if is_refused else "not refused"
        return outcome, told

    def _answered(self) -> tuple[str, str]:
        (machine,) = self._cluster.machines
        self._tenant.create(self._model(SIGNED))
        # Of two nodes that may have it, one is played.
        here = {"kubernetes.io/hostname": machine.name}
        image = self._supplies.images["client"].reference
        self._tenant.create(serving.client(image, CLIENT, NAMESPACE, nodeSelector=here))

        def ready() -> bool:
            return is_ready(status(self._tenant, SIGNED, NAMESPACE))

        def waits() -> bool:
            return bool(self._tenant.get("pod", CLIENT, NAMESPACE)["status"].get("phase") == "Running")

        if not came(f"model {SIGNED} to be ready", ready, SECONDS):
            return "pending", message(status(self._tenant, SIGNED, NAMESPACE), "Ready")
        if not came(f"pod {CLIENT} to run", waits, SECONDS):
            return "no answer", f"pod {CLIENT}, which was to ask, doesn't run."
        chat = Chat.between(CLIENT, SIGNED, NAMESPACE, self._tenant, self._cluster.machines)
        # What the operator knows, kube-proxy may learn a moment later.
        came(f"Service {SIGNED} to be reached", chat.reaches, 15)
        parts, whole = chat.stream(), chat.answer()
        where = place(status(self._tenant, SIGNED, NAMESPACE))
        asked = f'{where} A pod of the namespace asked its Service: "{QUESTION}" It answered'
        if (streamed := "".join(parts)) != whole:
            return "two answers", f'{asked} "{whole}", and streamed "{streamed}".'
        if whole != SENTENCE:
            return "another answer", f'{asked} "{whole}", which isn\'t what it was made to say: "{SENTENCE}".'
        if len(parts) < 2:
            return "not streamed", f'{asked} in one part, streamed as it was to be: "{whole}".'
        self._port = chat.port
        return "answered", f'{asked}, whole and in {len(parts)} parts: "{whole}"'

    def _model(self, name: str) -> Manifest:
        return serving.tiny(name, NAMESPACE, f"oci://{self._supplies.models[name].reference}")

    def _has_started(self, model: str) -> bool:
        """Whether the engine of a model has ever run, if only for a moment."""
        listed = self._tenant.run("get", "pods", "-n", NAMESPACE, "-l", f"{MODEL_LABEL}={model}", "-o", "json")
        statuses = [s for pod in json.loads(listed)["items"] for s in pod["status"].get("containerStatuses", ())]
        return any(s["restartCount"] or s.get("lastState") or "waiting" not in s["state"] for s in statuses)


def _policy(key: str) -> Manifest:
    """Return the example policy for other namespaces: with less confidential data, CPUs for accelerators, and signed weights."""
    manifest: Manifest = yaml.safe_load((ROOT / "examples" / "policy.yaml").read_text())
    spec = manifest["spec"]
    manifest["metadata"]["name"] = POLICY
    spec["namespaceSelector"] = {"matchLabels": DATA_CLASS}
    spec["zones"]["minimumDataClass"] = DATA_CLASS["daulat.dev/data-class"]
    spec["accelerators"] = {"profiles": [serving.PROFILE]}
    spec["models"]["signatures"] = {"keys": [key]}
    return manifest
