"""The variable by which a vendor's runtime hands out devices: each way into a container works, so each is refused or told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dev.cluster import ClusterError
from dev.deployment import poll
from tests.e2e.test_doctor import report
from tests.e2e.world import Manifest

from .world import APPROVED, ASCEND, NPU, RealWorld

VARIABLE, ALL = "ASCEND_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7"
PREFIX, KEY = "ASCEND_", "VISIBLE_DEVICES"
SETTINGS = "settings"
Form = Mapping[str, Any]


def _from(**source: Manifest) -> Form:
    return {"env": [{"name": VARIABLE, "valueFrom": source}]}


KEYED = {"name": SETTINGS, "key": KEY}
IN_SIGHT: Mapping[str, Form] = {
    "value": {"env": [{"name": VARIABLE, "value": ALL}]},
    "config-map-key": _from(configMapKeyRef=KEYED),
    "secret-key": _from(secretKeyRef=KEYED),
    "field": _from(fieldRef={"fieldPath": "metadata.annotations['devices']"}),
    "config-map-prefix": {"envFrom": [{"prefix": PREFIX, "configMapRef": {"name": SETTINGS}}]},
    "secret-prefix": {"envFrom": [{"prefix": PREFIX, "secretRef": {"name": SETTINGS}}]},
}
"""What the pod itself shows."""
OUT_OF_SIGHT: Mapping[str, Form] = {
    "config-map": {"envFrom": [{"configMapRef": {"name": SETTINGS}}]},
    "secret": {"envFrom": [{"secretRef": {"name": SETTINGS}}]},
}
"""What only the keys of another object show."""


def settings(kind: str, namespace: str, *keys: str) -> Manifest:
    """Return a ConfigMap or a Secret with these keys."""
    content = "stringData" if kind == "Secret" else "data"
    metadata = {"name": SETTINGS, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, content: dict.fromkeys(keys, ALL)}


def pod(real: RealWorld, name: str, namespace: str, forms: Mapping[str, Form], **spec: Any) -> Manifest:
    """Return a pod with a container for each form, which has one device by its request and tells its environment."""
    body: Manifest = {
        "containers": [{**container(real, form, "exec /bin/sleep 1000"), **forms[form]} for form in forms],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": {"kubernetes.io/hostname": NPU},
        **spec,
    }
    metadata = {"name": name, "namespace": namespace, "annotations": {"devices": ALL}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body}


def container(real: RealWorld, name: str, then: str) -> Manifest:
    command = ["/bin/sh", "-c", f"env; {then}"]
    return {"name": name, "image": real.images["client"], "command": command, "resources": {"limits": {ASCEND: "1"}}}


def beside(real: RealWorld, name: str, namespace: str) -> tuple[str, ...]:
    """Return the command that puts an ephemeral container with the variable beside a pod's others. It can't ask for devices."""
    late = {**container(real, "late", "true"), **IN_SIGHT["value"], "resources": {}}
    change = json.dumps({"spec": {"ephemeralContainers": [late]}})
    where = ("pod", name, "-n", namespace, "--subresource=ephemeralcontainers")
    return ("patch", *where, "--type=strategic", f"--patch={change}")


def told(real: RealWorld, namespace: str, name: str, container: str) -> str:
    """Return what a container says the variable is; empty while it says nothing."""
    try:
        lines = real.admin.run("logs", name, "-n", namespace, "-c", container).splitlines()
    except ClusterError:
        return ""  # it hasn't started yet
    return next((line.partition("=")[2] for line in lines if line.startswith(f"{VARIABLE}=")), "")


def wait_told(real: RealWorld, namespace: str, name: str, *containers: str) -> None:
    """Wait until each of a pod's containers says that it has all devices."""
    left = set(containers)

    def all_of_them() -> bool:
        left.difference_update([one for one in left if told(real, namespace, name, one) == ALL])
        return not left

    poll(f"all devices in {', '.join(containers)}", all_of_them)


@pytest.fixture
def free(real: RealWorld) -> Iterator[str]:
    """A namespace that no policy governs."""
    with real.ungoverned() as name:
        yield name


@pytest.fixture(scope="module")
def closed(real: RealWorld) -> Iterator[str]:
    """A namespace that a policy governs."""
    with real.governed(accelerators=APPROVED) as (_, namespace):
        yield namespace


def test_every_way_of_the_variable_into_a_container_wins_over_the_device_plugin(real: RealWorld, free: str) -> None:
    """Where no policy asks: so each must be refused, or told."""
    real.admin.apply([settings(kind, free, VARIABLE, KEY) for kind in ("ConfigMap", "Secret")])
    forms = [*IN_SIGHT.items(), *OUT_OF_SIGHT.items()]
    first = {**container(real, "first", "true"), **IN_SIGHT["value"]}
    # The node has four devices, and each container asks for one.
    real.admin.apply([pod(real, "some", free, dict(forms[:4]), initContainers=[first])])
    real.wait_phase("some", free, "Running")
    wait_told(real, free, "some", "first", *dict(forms[:4]))
    real.admin.run(*beside(real, "some", free))
    wait_told(real, free, "some", "late")
    real.admin.run("delete", "pod", "some", "-n", free, "--now")
    real.admin.apply([pod(real, "others", free, dict(forms[4:]))])
    real.wait_phase("others", free, "Running")
    wait_told(real, free, "others", *dict(forms[4:]))
    # None of it is what the plugin gave.
    assert {len(given.ids) for given in real.machine(NPU).allocations[-4:]} == {1}


@pytest.mark.parametrize("form", IN_SIGHT)
def test_a_variable_that_a_pod_shows_is_refused_in_each_kind_of_container(
    real: RealWorld, closed: str, form: str
) -> None:
    assert "USE-16 " in real.refusal(pod(real, "wish", closed, {"wish": IN_SIGHT[form]}))
    first = {**container(real, "first", "true"), **IN_SIGHT[form]}
    for kind in ({}, {"restartPolicy": "Always"}):
        wish = pod(real, "wish", closed, {"plain": {}}, initContainers=[{**first, **kind}])
        assert "USE-16 " in real.refusal(wish)


def test_a_variable_beside_a_pod_that_runs_is_refused(real: RealWorld, closed: str) -> None:
    real.admin.apply([pod(real, "plain", closed, {"plain": {}})])
    with pytest.raises(ClusterError, match="USE-16 "):
        real.admin.run(*beside(real, "plain", closed))


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_a_variable_that_a_pod_doesnt_show_is_refused_where_it_is_written(
    real: RealWorld, closed: str, kind: str
) -> None:
    form = OUT_OF_SIGHT["config-map" if kind == "ConfigMap" else "secret"]
    assert real.refusal(pod(real, "wish", closed, {"wish": form}), "--dry-run=server") == ""
    assert "USE-16 " in real.refusal(settings(kind, closed, VARIABLE))
    # Not by a change either.
    real.admin.apply([settings(kind, closed, KEY)])
    assert "USE-16 " in real.refusal(settings(kind, closed, KEY, VARIABLE), verb="replace")


def test_a_variable_that_was_written_before_the_policy_came_is_what_the_doctor_tells(
    real: RealWorld, free: str
) -> None:
    """Admission can't: it sees neither the older object nor, in the pod, what that brings."""
    real.admin.apply([settings("ConfigMap", free, VARIABLE)])
    policy, _ = real.govern(free, accelerators=APPROVED)
    try:
        real.admin.apply([pod(real, "wish", free, {"wish": OUT_OF_SIGHT["config-map"]})])
        real.wait_phase("wish", free, "Running")
        wait_told(real, free, "wish", "wish")
        found = [f["what"] for f in report(real, user="admin")["findings"] if f["check"] == "DOC-38"]
        assert [what for what in found if what.startswith(f"ConfigMap {free}/{SETTINGS}: ") and VARIABLE in what]
    finally:
        real.admin.run("delete", "sovereigntypolicy", policy)
