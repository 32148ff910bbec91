"""What the API server itself refuses in governed namespaces, whoever asks, and what it lets in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any

import pytest

from dev.cluster.kubectl import Kubectl
from dev.deployment import poll
from tests.corpus.server import Server

from .world import (
    IMAGE,
    World,
    model_manifest,
    namespace_manifest,
    pod_manifest,
    policy_manifest,
    unique,
)

PREFIX = "daulat.node-restriction.kubernetes.io/"
ELSEWHERE = "registry.example.com/vllm@sha256:" + "2b" * 32


@pytest.fixture(scope="module")
def governed(world: World) -> Iterator[tuple[str, str]]:
    """One policy and namespace for all tests here that change neither."""
    with world.governed() as names:
        yield names


@pytest.fixture(scope="module")
def tenant(world: World, governed: tuple[str, str]) -> Kubectl:
    """The admin of that namespace."""
    return world.make_admin(unique("tenant"), governed[1])


def _container(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "main", "image": IMAGE, **fields}]


def test_a_model_with_an_accelerator_that_nobody_approved_is_refused(
    world: World, governed: tuple[str, str], tenant: Kubectl
) -> None:
    manifest = model_manifest("m", governed[1], accelerators=[{"profile": "nvidia-h200", "count": 1}])
    assert 'SUP-08 spec.accelerators["nvidia-h200"].profile' in world.refusal(manifest, kubectl=tenant)


def test_a_model_from_another_registry_is_refused(world: World, governed: tuple[str, str], tenant: Kubectl) -> None:
    manifest = model_manifest("m", governed[1])
    manifest["spec"]["model"]["uri"] = "oci://registry.example.com/m@sha256:" + "0" * 64
    assert "STO-07 spec.model.uri" in world.refusal(manifest, kubectl=tenant)


@pytest.mark.parametrize(
    ("says", "spec"),
    [
        ("USE-04 spec.nodeName", {"nodeName": "sg-gpu-1"}),
        ("USE-04 spec.nodeName", {"nodeName": "ascend-1"}),
        ("STO-07 ", {"containers": _container(image=ELSEWHERE)}),
        ("SUP-08 ", {"containers": _container(resources={"limits": {"amd.com/gpu": "1"}})}),
        ("USE-16 ", {"containers": _container(env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}])}),
        ("USE-16 ", {"initContainers": _container(env=[{"name": "ASCEND_VISIBLE_DEVICES", "value": "0"}])}),
    ],
    ids=["a foreign node", "a good node", "registry", "accelerator", "environment", "environment of an init container"],
)
def test_a_pod_that_breaks_a_control_is_refused_even_for_the_namespace_admin(
    world: World, governed: tuple[str, str], tenant: Kubectl, says: str, spec: dict[str, Any]
) -> None:
    manifest = pod_manifest("p", governed[1])
    if "initContainers" in spec:
        spec = {"initContainers": [{**spec["initContainers"][0], "name": "init"}]}
    manifest["spec"].update(spec)
    for who in (tenant, world.admin):
        assert says in world.refusal(manifest, kubectl=who)
    assert not world.exists("pod", "p", governed[1])


def test_all_violations_are_told_at_once(world: World, governed: tuple[str, str]) -> None:
    manifest = pod_manifest("p", governed[1], nodeName="x", containers=_container(image=ELSEWHERE), hostPID=True)
    refusal = world.refusal(manifest)
    assert "USE-04 " in refusal
    assert "STO-07 " in refusal


def test_devices_by_a_configmap_are_refused_for_the_namespace_admin(
    world: World, governed: tuple[str, str], tenant: Kubectl
) -> None:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": governed[1]}}
    said = world.refusal({**head, "data": {"NVIDIA_VISIBLE_DEVICES": "all"}}, kubectl=tenant)
    assert 'USE-16 data["NVIDIA_VISIBLE_DEVICES"]' in said
    assert world.refusal({**head, "data": {"settings": "x"}}, kubectl=tenant) == ""
    patch = '{"data": {"NVIDIA_VISIBLE_DEVICES": "all"}}'
    with pytest.raises(Exception, match="USE-16"):
        tenant.run("patch", "configmap", "c", "-n", governed[1], "--type=merge", f"--patch={patch}")


def test_nobody_but_the_scheduler_binds_a_pod(world: World, governed: tuple[str, str]) -> None:
    _, namespace = governed
    binder = world.grant(
        unique("binder"), {"apiGroups": [""], "resources": ["pods/binding", "bindings"], "verbs": ["create"]}
    )
    # A scheduler that nobody runs leaves the pod unbound.
    assert world.refusal(pod_manifest("unbound", namespace, schedulerName="nobody")) == ""
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "unbound", "namespace": namespace},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "sg-gpu-1"},
    }
    paths = (f"/api/v1/namespaces/{namespace}/pods/unbound/binding", f"/api/v1/namespaces/{namespace}/bindings")
    for path in paths:
        for who in (binder, world.admin):
            with pytest.raises(Exception, match=r"USE-15 target\.name"):
                who.run("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
    # The legacy endpoint is nobody's, the scheduler's neither.
    scheduler = world.as_user("system:kube-scheduler")
    with pytest.raises(Exception, match=r"legacy bindings endpoint|cannot create resource"):
        scheduler.run("create", "--raw", paths[1], "-f", "-", stdin=json.dumps(binding))
    assert "nodeName" not in world.get("pod", "unbound", namespace=namespace)["spec"]
    # A namespace that nobody governs shows that the binder could, and that the policy is what refused.
    free = unique("free")
    world.admin.apply([namespace_manifest(free)])
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", free))
    assert world.refusal(pod_manifest("unbound", free, schedulerName="nobody")) == ""
    elsewhere = {**binding, "metadata": {"name": "unbound", "namespace": free}}
    path = f"/api/v1/namespaces/{free}/pods/unbound/binding"
    binder.run("create", "--raw", path, "-f", "-", stdin=json.dumps(elsewhere))
    assert world.get("pod", "unbound", namespace=free)["spec"]["nodeName"] == "sg-gpu-1"
    world.remove(free)


def test_a_namespace_that_nobody_governs_is_left_alone(world: World) -> None:
    namespace = unique("free")
    world.admin.apply([namespace_manifest(namespace)])
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", namespace))
    assert world.refusal(pod_manifest("p", namespace, containers=_container(image=ELSEWHERE))) == ""
    assert "nodeSelector" not in world.get("pod", "p", namespace=namespace)["spec"]
    world.remove(namespace)


def test_two_policies_on_one_namespace_must_both_hold(world: World) -> None:
    second = unique("pol")
    with world.governed() as (first, namespace):
        selector = {"matchLabels": {"daulat.dev/scope": first}}
        only = {"registries": ["registry.example.my/strict/"], "requireDigest": True}
        world.admin.apply([policy_manifest(second, namespaceSelector=selector, images=only)])
        for policy in (first, second):
            world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
        # Good under the first, not under the second.
        assert f"policy {second}" in world.refusal(pod_manifest("p", namespace))
        strict = _container(image=IMAGE.replace("registry.example.my/", "registry.example.my/strict/"))
        assert world.refusal(pod_manifest("p", namespace, containers=strict)) == ""
        pinned = world.get("pod", "p", namespace=namespace)["spec"]["nodeSelector"]
        assert pinned == {PREFIX + first: "eligible", PREFIX + second: "eligible"}
        # Each canary is judged anew by the operator's own policy alone, so both stay proved after an edit of one.
        revision = world.get("sovereigntypolicy", second)["status"]["revision"]
        wider = {"registries": ["registry.example.my/strict/", "registry.example.my/b/"], "requireDigest": True}
        world.admin.apply([policy_manifest(second, namespaceSelector=selector, images=wider)])
        poll("a new revision", lambda: world.get("sovereigntypolicy", second)["status"]["revision"] != revision)
        for policy in (first, second):
            world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
        world.admin.run("delete", "sovereigntypolicy", second)


def _exemption(policy: str, namespace: str, until: datetime) -> dict[str, Any]:
    spec = {
        "policy": policy,
        "controls": ["STO-07"],
        "namespaces": [namespace],
        "reason": "the mirror moves this week",
        "requestedBy": "kubernetes-admin",
        "expiresAt": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereigntyExemption"}
    return {**head, "metadata": {"name": f"for-{namespace}"}, "spec": spec}


def test_an_exemption_lifts_its_controls_in_its_namespace_until_it_expires(world: World) -> None:
    other = unique("ns")
    with world.governed() as (policy, namespace):
        world.admin.apply([namespace_manifest(other, policy)])
        # Long enough for a slow machine to take it up.
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=45)
        world.admin.apply([_exemption(policy, namespace, until)])
        world.approve(f"for-{namespace}")
        world.wait_condition("sovereigntyexemption", f"for-{namespace}", "Active", "True")
        foreign = pod_manifest("p", namespace, containers=_container(image=ELSEWHERE))
        poll("the exemption to be live", lambda: world.refusal(foreign, "--dry-run=server") == "")
        assert "STO-07 " in world.refusal(
            {**foreign, "metadata": {"name": "p", "namespace": other}}, "--dry-run=server"
        )
        # The other controls hold in the exempted namespace too.
        assert "USE-04 " in world.refusal(pod_manifest("q", namespace, nodeName="x"), "--dry-run=server")
        poll(
            "the exemption to expire in the API server",
            lambda: "STO-07 " in world.refusal(foreign, "--dry-run=server"),
        )
        assert datetime.now(UTC) >= until
        told = world.wait_condition("sovereigntyexemption", f"for-{namespace}", "Active", "False")
        assert told["reason"] == "Expired"
        world.admin.run("delete", "sovereigntyexemption", f"for-{namespace}")
        world.admin.run("delete", "namespace", other, "--wait=false")


class Stream:
    """A thread that keeps asking for pods of which none may be let in, and for one kind that may, but only pinned."""

    def __init__(self, world: World, policy: str, namespace: str) -> None:
        self._server = Server(world.cluster.kubeconfig(), 15)
        self._policy, self._namespace = policy, namespace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.refused = self.pinned = self.unanswered = 0
        self.let_in: list[str] = []

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        violating: list[dict[str, Any]] = [
            {"nodeName": "sg-gpu-1"},
            {"containers": _container(image=ELSEWHERE)},
            {"containers": _container(resources={"limits": {"amd.com/gpu": "1"}})},
            {"nodeName": "sg-gpu-1", "nodeSelector": {PREFIX + self._policy: "eligible"}},
        ]
        turn = 0
        while not self._stop.is_set():
            turn += 1
            if turn % 8 == 0:
                # For a scheduler that nobody runs, and a dry run: the stream is to try admission, not the cluster.
                self._good(pod_manifest(unique("good"), self._namespace, schedulerName="nobody"))
            else:
                self._bad(pod_manifest(unique("bad"), self._namespace, **violating[turn % len(violating)]))

    def _ask(self, pod: dict[str, Any], query: str = "") -> tuple[int, dict[str, Any]]:
        try:
            answer = self._server.ask("POST", f"/api/v1/namespaces/{self._namespace}/pods{query}", pod)
            return answer.status, answer.body
        except (OSError, HTTPException):
            self.unanswered += 1
            time.sleep(0.01)
            return 0, {}

    def _bad(self, pod: dict[str, Any]) -> None:
        status, answer = self._ask(pod)
        if 200 <= status < 300:
            self.let_in.append(json.dumps(answer["spec"]))
        elif self._policy in str(answer.get("message")):
            self.refused += 1

    def _good(self, pod: dict[str, Any]) -> None:
        status, answer = self._ask(pod, "?dryRun=All")
        if 200 <= status < 300:
            if (answer["spec"].get("nodeSelector") or {}).get(PREFIX + self._policy) != "eligible":
                self.let_in.append("not pinned: " + json.dumps(answer["spec"]))
            self.pinned += 1


def test_no_violating_pod_slips_in_while_a_policy_is_edited(world: World) -> None:
    wide = {"registries": ["registry.example.my/", "registry.example.org/"], "requireDigest": True}
    edits: list[dict[str, Any]] = [
        {"images": wide},
        {"controls": {"SUP-01": "Warn", "USE-17": "Audit"}},
        {"accelerators": {"profiles": ["nvidia-h20"]}},
    ]
    with world.governed() as (policy, namespace):
        streams = [Stream(world, policy, namespace) for _ in range(3)]
        same = {"matchExpressions": [{"key": "daulat.dev/scope", "operator": "In", "values": [policy]}]}
        with streams[0], streams[1], streams[2]:
            poll("the stream to run", lambda: all(s.refused > 5 for s in streams))
            for change in [*edits, {"namespaceSelector": same}, {}]:
                before = world.get("sovereigntypolicy", policy)["status"]["revision"]
                # As an admin edits it: the whole spec, in one write.
                world.admin.run("replace", "-f", "-", stdin=json.dumps(policy_manifest(policy, **change)))

                def proved(before: str = before) -> bool:
                    status = world.get("sovereigntypolicy", policy)["status"]
                    enforced = next(c for c in status["conditions"] if c["type"] == "Enforced")
                    return bool(status["revision"] != before and enforced["status"] == "True")

                poll("the new revision to be proved", proved)
                # A label that has nothing to do with the policy goes on and off meanwhile.
                world.admin.run("label", "namespace", namespace, f"test={unique('x')}", "--overwrite")
        assert [s.let_in for s in streams] == [[], [], []]
        assert all(s.refused > 20 and s.pinned > 2 for s in streams)
        assert not world.pods(namespace)
