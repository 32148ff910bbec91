"""Attackers, each with the rights they have and no more, and the ground that they try it on."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.corpus.server import Answer, Manifest, Server
from tests.e2e.world import World, pod_manifest, unique

RECORD = "daulat.node-restriction.kubernetes.io/"
"""The prefix of labels of record."""
NODES = "/api/v1/nodes"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DIGEST = "@sha256:" + "2b" * 32

Edit = Callable[[Manifest], object]


@dataclass(frozen=True)
class Attacker:
    """Somebody who asks the API server."""

    server: Server
    user: str
    groups: tuple[str, ...] = ()

    def ask(self, method: str, path: str, body: Manifest | None = None) -> Answer:
        """Return what the API server answers."""
        return self.server.ask(method, path, body, self.user, self.groups)

    def create(self, path: str, body: Manifest) -> Answer:
        """Create an object in a collection."""
        return self.ask("POST", path, body)

    def change(self, path: str, edit: Edit, subresource: str = "") -> Answer:
        """Read an object as the cluster's admin, edit it, and write it back as the attacker."""
        for _ in range(20):
            body = copy.deepcopy(self.server.must("GET", path))
            edit(body)
            answer = self.ask("PUT", f"{path}/{subresource}".rstrip("/"), body)
            # The operator or the kubelet wrote in between. Somebody who means it tries again.
            if answer.status != 409:
                break
        return answer


@dataclass(frozen=True)
class Ground:
    """A governed namespace, and who attacks it."""

    world: World
    server: Server
    policy: str
    namespace: str
    tenant: Attacker
    """The admin of the namespace: the rights of the built-in role, and no others."""

    @property
    def pods(self) -> str:
        """The path of its pods."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def within(self, group: str, plural: str) -> str:
        """Return the path of other objects in it, such as ("apps/v1", "deployments")."""
        root = "/api" if group == "v1" else "/apis"
        return f"{root}/{group}/namespaces/{self.namespace}/{plural}"

    def pod(self, name: str = "", **spec: Any) -> Manifest:
        """Return a pod that breaks no control, but for what is given. No scheduler looks after it."""
        return pod_manifest(name or unique("pod"), self.namespace, **{"schedulerName": "nobody", **spec})

    def container(self, **fields: Any) -> Manifest:
        """Return a pod with one container that has these fields."""
        return self.pod(containers=[{"name": "main", "image": f"registry.example.my/vllm{DIGEST}", **fields}])

    def with_rights(self, kind: str, *rules: Mapping[str, list[str]], groups: tuple[str, ...] = ()) -> Attacker:
        """Return somebody new with rights in the whole cluster by rules of RBAC."""
        user = unique(kind)
        self.world.grant(user, *rules)
        return Attacker(self.server, user, groups)

    def kubelet(self, node: str) -> Attacker:
        """Return the kubelet of a node."""
        return Attacker(self.server, f"system:node:{node}", ("system:nodes",))

    def running(self, name: str = "") -> Manifest:
        """Return a pod that is there, as the API server has it."""
        return self.server.must("POST", self.pods, self.pod(name))


def labelled(changes: Mapping[str, str]) -> Edit:
    """Return an edit that sets labels."""
    return lambda body: body["metadata"].setdefault("labels", {}).update(changes)


def annotated(changes: Mapping[str, str]) -> Edit:
    """Return an edit that sets annotations."""
    return lambda body: body["metadata"].setdefault("annotations", {}).update(changes)


def respecified(**fields: Any) -> Edit:
    """Return an edit that sets fields of the spec."""
    return lambda body: body["spec"].update(fields)


def rule(group: str, resources: str, verbs: str) -> dict[str, list[str]]:
    """Return a rule of RBAC; resources and verbs by spaces."""
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


def refused(answer: Answer, *said: str) -> None:
    """Fail unless the request was refused with one of these words, which are regular expressions."""
    assert answer.status >= 400, f"it was taken: {answer.body}"
    assert any(re.search(words, answer.text) for words in said), answer.text


def taken(answer: Answer) -> None:
    """Fail unless the request went through."""
    assert answer.status < 300, answer.text
