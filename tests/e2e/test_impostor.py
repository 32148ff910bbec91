"""Another server in the place of the API server: what it answers is no fact to the operator, whether it runs or starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from daulat.kube.resources import BY_KIND
from dev.cluster import ClusterError
from dev.deployment import poll

from .stranger import Stranger
from .world import Manifest, World, lower, namespace_manifest, pod_manifest, raise_world, unique

REGISTRATION = "v1alpha1.daulat.dev"
GUARD = "apiservices.cluster.daulat.dev"
OWN = {r.plural: r.kind for r in BY_KIND.values() if r.group == "daulat.dev"}


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster whose requests for Daulat's kinds are led away."""
    raised = raise_world(unique("led"), tmp_path_factory.mktemp("operator"), say=lambda line: None)
    yield raised
    lower(raised)


def _patch(world: World, spec: Manifest, automanaged: str | None) -> None:
    """Change the registration. Without the label, the API server doesn't put it right."""
    change = {"metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": automanaged}}, "spec": spec}
    world.admin.run("patch", "apiservice", REGISTRATION, "--type=merge", f"--patch={json.dumps(change)}")


@contextmanager
def led_away(world: World, items: list[Manifest]) -> Iterator[None]:
    """Let a server answer for daulat.dev that has these policies and nothing else."""

    def reads(path: str) -> Manifest:
        plural = path.partition("?")[0].rpartition("/")[2]
        if plural not in OWN:
            resources = [
                {"name": p, "singularName": "", "kind": k, "namespaced": False, "verbs": ["get", "list", "watch"]}
                for p, k in OWN.items()
            ]
            head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "daulat.dev/v1alpha1"}
            return {**head, "resources": resources}
        kind = OWN[plural]
        found = [i for i in items if i["kind"] == kind]
        meta = {"resourceVersion": "999999999"}
        return {"kind": f"{kind}List", "apiVersion": "daulat.dev/v1alpha1", "metadata": meta, "items": found}

    binding = world.get("validatingadmissionpolicybinding", GUARD)
    kept = {**binding, "metadata": {k: binding["metadata"][k] for k in ("name", "labels")}}
    namespace = unique("elsewhere")
    with Stranger(reads=reads) as other:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other", "namespace": namespace}}
        named = {"type": "ExternalName", "externalName": "127.0.0.1"}
        world.admin.apply([namespace_manifest(namespace), {**service, "spec": named}])
        world.admin.run("delete", "validatingadmissionpolicybinding", GUARD)
        target = {"name": "other", "namespace": namespace, "port": other.port}

        def led() -> bool:
            try:
                _patch(world, {"service": target, "insecureSkipTLSVerify": True}, None)
            except ClusterError as error:
                assert "MGD-08" in str(error)  # noqa: PT017 - until the guard is gone
                return False
            return True

        poll("the guard to be gone", led)
        try:
            names = {i["metadata"]["name"] for i in items}
            poll("the other server to answer", lambda: set(_policies(world)) == names)
            yield
        finally:
            _patch(world, {"service": None, "insecureSkipTLSVerify": None}, "true")
            world.admin.apply([kept])


def _policies(world: World) -> list[str]:
    try:
        found = json.loads(world.admin.run("get", "--raw", "/apis/daulat.dev/v1alpha1/sovereigntypolicies"))
    except ClusterError:
        return ["not yet"]
    return [p["metadata"]["name"] for p in found["items"]]


@pytest.mark.parametrize("forges", [False, True], ids=["nothing", "a weaker policy"])
def test_what_another_server_says_sweeps_nothing_and_lifts_nothing(fragile: World, forges: bool) -> None:
    world = fragile
    policy, namespace = world.govern()
    bad = pod_manifest("bad", namespace, nodeName="sg-gpu-1")
    real = world.get("sovereigntypolicy", policy)
    forged = {**real, "spec": {**real["spec"], "action": "Audit"}}
    forged["metadata"] = {**real["metadata"], "resourceVersion": "999999998", "generation": 99}
    guard = f"{policy}.pods.daulat.dev"
    uid = world.get("validatingadmissionpolicy", guard)["metadata"]["uid"]

    def holds() -> None:
        assert "USE-04 " in world.refusal(bad)
        found = world.get("validatingadmissionpolicybinding", guard)
        assert found["spec"]["validationActions"] == ["Deny"]
        assert world.get("validatingadmissionpolicy", guard)["metadata"]["uid"] == uid

    with led_away(world, [forged] if forges else []):
        says = f"APIService {REGISTRATION} leads to Service"
        poll("the operator to say so", lambda: says in world.operator.asked("/readyz")[1])
        holds()
        world.operator.kill()
        world.operator.start(wait=False)
        # Its own kinds are tried again and again, and it doesn't lead.
        poll("tries in vain", lambda: world.operator.log.read_text().count(says) > 5)
        holds()
    poll("the operator to lead", lambda: world.metric(world.operator, "daulat_leader") == 1)
    world.wait_reason("sovereigntypolicy", policy, "Enforced", "CanaryRefused")
    holds()
