"""A model answers on a real node: placed, checked, served, scaled, rolled, drained, and gone without a trace."""

from __future__ import annotations

import uuid
from functools import partial

from daulat.api.names import MODEL_LABEL
from dev.cluster.node.serving import tiny
from dev.deployment import poll
from tests.e2e.world import Manifest, unique

from .models import CLIENT, FIRST, SECOND, Weights, chat, where
from .observer import Observer
from .steady import Steady
from .world import ENGINE, GPU, NPU, RealWorld


def test_a_model_answers_and_lives_its_whole_life_without_an_error(
    real: RealWorld, weights: Weights, place: str
) -> None:
    name = f"tiny-{uuid.uuid4().hex[:4]}"
    real.admin.apply([tiny(name, place, weights.uris["first"])])
    real.wait_condition("sovereignmodel", name, "Ready", "True", place)
    client = chat(real, name, place)
    assert client.answer() == FIRST
    parts = client.stream()
    assert "".join(parts) == FIRST
    assert len(parts) > 1
    assert "llamacpp:" in client.get("/metrics")
    status = real.get("sovereignmodel", name, namespace=place)["status"]
    assert status["placement"]["zone"] == "cyberjaya-1"
    assert set(where(real, place)) <= {NPU, GPU}

    # Scaled to two, rolled to another version, and a node drained: a client that asks all along sees no error.
    with Steady(client) as steady:
        real.admin.run("scale", "sovereignmodel", name, "-n", place, "--replicas=2")
        poll("two replicas", lambda: len(where(real, place)) == 2)
        real.admin.apply([tiny(name, place, weights.uris["second"], replicas=2)])
        poll("the second version alone", lambda: set(_last(steady, 10)) == {SECOND})
        real.wait_condition("sovereignmodel", name, "RolledOut", "True", place)
        left = where(real, place)[0]
        real.admin.run("cordon", left)
        try:
            # Who asks may be there, too, and stays.
            drain = ("drain", left, "--delete-emptydir-data", f"--pod-selector={MODEL_LABEL}={name}")
            real.admin.run(*drain, timeout_seconds=120)
            poll("both replicas elsewhere", lambda: len(where(real, place)) == 2 and left not in where(real, place))
        finally:
            real.admin.run("uncordon", left)
    assert steady.errors == []
    assert set(steady.answers) == {FIRST, SECOND}

    real.admin.run("delete", "pod", CLIENT, "-n", place, "--now")
    real.admin.run("delete", "sovereignmodel", name, "-n", place)
    poll("its pods to be gone", lambda: not real.pods(place))
    observer = Observer(real, place)
    poll("its processes to be gone", lambda: not list(observer.look()))
    for kind in ("deployments", "services", "networkpolicies", "serviceaccounts", "poddisruptionbudgets"):
        poll(f"its {kind} to be gone", partial(_none_left, real, kind, place))
    of_this = f'labels."io.kubernetes.pod.namespace"=={place}'
    for machine in real.cluster.machines:
        ctr = ("ctr", "--namespace=k8s.io")
        tasks = machine.run(*ctr, "tasks", "ls", "--quiet").stdout.split()
        assert not set(tasks) & set(machine.run(*ctr, "containers", "ls", "--quiet", of_this).stdout.split())


def _none_left(real: RealWorld, kind: str, place: str) -> bool:
    return {o["metadata"]["name"] for o in real.get(kind, namespace=place)["items"]} <= {"default"}


def _last(steady: Steady, number: int) -> list[str]:
    return steady.answers[-number:] if len(steady.answers) >= number else []


def test_weights_that_somebody_changed_are_never_served(real: RealWorld, weights: Weights, place: str) -> None:
    name = unique("bad")
    with Observer(real, place) as observer:
        observer.forbid(lambda seen: seen.program == ENGINE)
        real.admin.apply([tiny(name, place, weights.uris["tampered"])])
        told = real.wait_reason("sovereignmodel", name, "Ready", "SignatureValidationFailed", place)
        assert "doesn't trust these weights" in told["message"]
        assert "SignatureValidationFailed" in real.reasons(name, place)
        # A kubelet tries again, and the check lets it through no more than before.
        poll("another try", lambda: any(_tries(p) > 0 for p in real.pods(place)))
        assert real.condition("sovereignmodel", name, "Ready", place)["reason"] == "SignatureValidationFailed"


def _tries(pod: Manifest) -> int:
    return max((c["restartCount"] for c in pod["status"].get("initContainerStatuses", ())), default=0)
