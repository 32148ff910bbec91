"""Kubernetes is upgraded under a running Daulat, with etcd kept: enforcement holds before, during and after each step.

The operator isn't restarted. It finds out by itself what the new version offers, and moves from one pin to the next.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daulat.api.names import eligible_label
from daulat.catalog.kubernetes import Minor, Pin, of_version
from dev.cluster import ClusterError
from dev.cluster.kubernetes import versions
from dev.deployment import poll
from tests.e2e.world import World, lower, model_manifest, pod_manifest, raise_world, unique

from .server import PLUGIN, wanted

BETA = "pin=v1beta1"
STEPS = ("1.34", "1.35", "1.36", "1.37")
NOTICED = 150.0
"""Seconds until the operator has noticed what a version offers: two answers, half a minute apart, and the policy's next dry run."""
pytestmark = pytest.mark.skipif(len(wanted()) == 1, reason="an upgrade is of all versions, and one was named")


class Attacker:
    """Asks for pods that must never be let in, again and again, whatever the API server answers meanwhile."""

    def __init__(self, world: World, policy: str, namespace: str) -> None:
        self._world, self._stop = world, threading.Event()
        elsewhere = pod_manifest("elsewhere", namespace, nodeName="h100-sg-1")
        other = {eligible_label(policy): "no"}
        self._pods = [elsewhere, pod_manifest("unpinned", namespace, nodeSelector=other)]
        self.taken: list[str] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last answer."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for pod in self._pods:
                try:
                    self._world.admin.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
                    self.taken.append(pod["metadata"]["name"])
                except ClusterError as error:
                    self.refused += "denied request" in str(error) or "conflicts with" in str(error)


@contextmanager
def attacked(world: World, policy: str, namespace: str) -> Iterator[Attacker]:
    """An attacker at work for as long as the block lasts."""
    attacker = Attacker(world, policy, namespace)
    attacker.start()
    try:
        yield attacker
    finally:
        attacker.stop()


def expected(version: str, features: tuple[str, ...]) -> Pin:
    """Return what pins pods there."""
    return Pin.MUTATING_POLICY if features or of_version(version).has("pin") else Pin.POD_NODE_SELECTOR


@pytest.mark.parametrize("beta", [False, True], ids=["by the annotation", "by the beta"])
def test_enforcement_holds_through_an_upgrade_of_kubernetes(tmp_path: Path, beta: bool) -> None:
    def switched_on(version: str) -> tuple[str, ...]:
        return (BETA,) if beta and BETA in versions.find(version).features else ()

    plugins = () if beta else (PLUGIN,)
    first = STEPS[0]
    world = raise_world(
        unique("upgrade"),
        tmp_path / "operator",
        say=lambda line: None,
        kubernetes=first,
        features=switched_on(first),
        admission_plugins=plugins,
    )
    try:
        policy, namespace = world.govern()
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (before,) = world.pods(namespace)
        _check(world, policy, namespace, expected(first, switched_on(first)))
        for version in STEPS[1:]:
            with attacked(world, policy, namespace) as attacker:
                features = switched_on(version)
                world.cluster.upgrade(version, features=features, admission_plugins=plugins)
                _check(world, policy, namespace, expected(version, features))
            assert attacker.taken == []
            assert attacker.refused > 0
            assert _version(world) == Minor.of(version)
            (after,) = [p for p in world.pods(namespace) if p["metadata"]["name"] == before["metadata"]["name"]]
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            assert world.operator.answer("/healthz")
    finally:
        lower(world)


def _check(world: World, policy: str, namespace: str, pin: Pin) -> None:
    """Fail unless the operator names the pin, and a plain pod gets the policy's line by it."""
    _poll(f"the pin {pin}", lambda: world.get("sovereigntypolicy", policy)["status"].get("pin") == str(pin))
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    annotations = world.get("namespace", namespace)["metadata"].get("annotations", {})
    entry = f"{eligible_label(policy)}=eligible"
    if pin is Pin.MUTATING_POLICY:
        _poll(
            "the annotation to go",
            lambda: entry not in str(world.get("namespace", namespace)["metadata"].get("annotations", {})),
        )
    else:
        assert annotations[Pin.POD_NODE_SELECTOR.annotation] == entry
    made = json.loads(
        world.admin.run(
            "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod_manifest("plain", namespace))
        )
    )
    assert made["spec"]["nodeSelector"] == {eligible_label(policy): "eligible"}
    _edit(world, policy, pin)


def _edit(world: World, policy: str, pin: Pin) -> None:
    """Change the policy, and fail unless what it compiles to now is applied in the version that is served."""
    before = world.get("sovereigntypolicy", policy)
    action = "Enforce" if before["spec"].get("controls", {}).get("USE-18") == "Warn" else "Warn"
    patch = json.dumps({"spec": {"controls": {"USE-18": action}}})
    world.admin.run("patch", "sovereigntypolicy", policy, "--type=merge", f"--patch={patch}")
    kind = f"{'mutating' if pin is Pin.MUTATING_POLICY else 'validating'}admissionpolicies"
    beta = pin is Pin.MUTATING_POLICY and not of_version(str(_version(world))).has("pin")
    api = "v1beta1" if beta else "v1"
    name = f"{policy}.{'pin' if pin is Pin.MUTATING_POLICY else 'pods'}.daulat.dev"

    def applied() -> bool:
        revision = world.get("sovereigntypolicy", policy)["status"]["revision"]
        found = json.loads(world.admin.run("get", "--raw", f"/apis/admissionregistration.k8s.io/{api}/{kind}/{name}"))
        made = found["metadata"]["annotations"]["daulat.dev/revision"]
        return bool(revision == made != before["status"]["revision"])

    _poll("the changed policy to be applied", applied)
    world.wait_condition("sovereigntypolicy", policy, "Ready", "True")


def _poll(what: str, question: Callable[[], bool]) -> None:
    def so() -> bool:
        try:
            return question()
        except (ClusterError, OSError):
            return False  # The API server is away for a moment.

    poll(what, so, NOTICED)


def _version(world: World) -> Minor:
    return Minor.of(str(json.loads(world.admin.run("get", "--raw", "/version"))["gitVersion"]))
