"""A namespace of an API server under one of the policies, which is asked about pods in dry runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from daulat.cel.evaluator import Request, Verdict, evaluate_each
from dev.deployment import poll
from tests.corpus.server import Answer, Server
from tests.requests import unscreened

from .rules import DEBUGGERS, DIGEST, RUNTIME_CLASSES, Manifest, Rules

USER = "tenant"
GROUPS = ("system:masters", DEBUGGERS)
"""RBAC stops nothing here, and the policies let these groups add ephemeral containers."""
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"


@dataclass(frozen=True)
class Place:
    """Where pods are judged, by the API server or without one."""

    rules: Rules
    namespace: str = "property"
    screened: bool = True
    """Whether a guard leaves out what no control suspects."""

    @cached_property
    def manifests(self) -> list[Manifest]:
        """What is in force for pods."""
        found = self.rules.manifests(self.namespace)
        return found if self.screened else [unscreened(m) for m in found]

    def pinned(self, pod: Manifest) -> Manifest:
        """Return the pod as admission pins it: one that has the label keeps its own value.

        One on the host's network has its ports there by default, and of defaults that one alone is seen by controls.
        """
        spec = dict(pod["spec"])
        selector = {key: value or "" for key, value in (spec.get("nodeSelector") or {}).items()}
        spec["nodeSelector"] = {self.rules.pin: "eligible", **selector}
        if spec.get("hostNetwork"):
            for kind in ("containers", "initContainers"):
                if spec.get(kind):
                    spec[kind] = [_on_the_host(container) for container in spec[kind]]
        return {**pod, "spec": spec}

    def refusals(self, pod: Manifest, old: Manifest | None = None, subresource: str = "") -> dict[str, Verdict]:
        """Return what the offline evaluator says, by admission policy, of those that refuse."""
        request = Request(
            object=pod,
            old_object=old,
            operation="UPDATE" if old else "CREATE",
            resource="/".join(["pods", subresource]).removesuffix("/"),
            namespace=self.namespace,
            name=pod["metadata"]["name"],
            user=USER,
            user_groups=(*GROUPS, "system:authenticated"),
            namespace_object={"metadata": {"name": self.namespace, "labels": {}}},
        )
        found = evaluate_each(self.manifests, request)
        return {policy["metadata"]["name"]: verdict for policy, verdict in found if not verdict.allowed}


@dataclass(frozen=True)
class GovernedPlace(Place):
    """A namespace that is there, and the API server that it is on."""

    server: Server | None = None

    def create(self, pod: Manifest) -> Answer:
        """Ask for a pod, in a dry run."""
        return self._ask("POST", "", pod)

    def change(self, pod: Manifest, subresource: str = "") -> Answer:
        """Ask for a change of a pod that is there, in a dry run."""
        return self._ask("PUT", "/".join(["", pod["metadata"]["name"], subresource]).removesuffix("/"), pod)

    def make(self, pod: Manifest) -> Manifest:
        """Create a pod and return it as it is stored."""
        assert self.server is not None
        return self.server.must("POST", f"/api/v1/namespaces/{self.namespace}/pods", pod)

    def _ask(self, method: str, path: str, body: Manifest) -> Answer:
        assert self.server is not None
        where = f"/api/v1/namespaces/{self.namespace}/pods{path}?dryRun=All"
        return self.server.ask(method, where, body, USER, GROUPS)


@contextmanager
def governed(server: Server, rules: Rules) -> Iterator[GovernedPlace]:
    """Make a namespace, put the policy in force there, and take both away again."""
    place = GovernedPlace(rules, f"{rules.name}-{uuid.uuid4().hex[:6]}", server=server)
    made = [f"{ADMISSION}/{plural}/{m['metadata']['name']}" for m in place.manifests for plural in [_plural(m)]]
    try:
        _make_namespace(server, place.namespace)
        for name in RUNTIME_CLASSES:
            answer = server.ask("POST", RUNTIMES, {"metadata": {"name": name}, "handler": "runc"})
            assert answer.status in {201, 409}, answer.text
        for manifest in place.manifests:
            server.must("POST", f"{ADMISSION}/{_plural(manifest)}", manifest)
        poll(f"{rules.name} to be in force", lambda: _in_force(place))
        yield place
    finally:
        for path in [*reversed(made), f"/api/v1/namespaces/{place.namespace}"]:
            server.ask("DELETE", path)


def a_pod(name: str = "pod", **spec: object) -> Manifest:
    """Return a pod that both policies allow once it is pinned. No scheduler looks after it."""
    containers = [{"name": "c0", "image": f"registry.example.my/a{DIGEST}"}]
    body: Manifest = {"schedulerName": "nobody", "containers": containers, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def _on_the_host(container: Manifest) -> Manifest:
    ports = [{**p, "hostPort": p.get("hostPort") or p.get("containerPort")} for p in container.get("ports") or []]
    return {**container, "ports": ports} if ports else container


def _plural(manifest: Manifest) -> str:
    kind: str = manifest["kind"]
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


def _make_namespace(server: Server, name: str) -> None:
    server.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    path = f"/api/v1/namespaces/{name}/serviceaccounts"
    poll("the default ServiceAccount", lambda: server.ask("GET", f"{path}/default").status == 200)


def _in_force(place: GovernedPlace) -> bool:
    """Say whether each of the policy's parts is: what refuses pods, what pins them, and what looks at later annotations."""
    refused = place.create(a_pod(nodeName="a")).denied
    pinned = place.create(a_pod()).body.get("spec", {}).get("nodeSelector")
    if refused is None or pinned != {place.rules.pin: "eligible"}:
        return False
    assert place.server is not None
    path = f"/api/v1/namespaces/{place.namespace}/pods/ready"
    if place.server.ask("GET", path).status == 404:
        place.make(a_pod("ready"))
    live = place.server.must("GET", path)
    live["metadata"]["annotations"] = {"cdi.k8s.io/a": "b"}
    return place.change(live).denied is not None
