"""Ways to become the operator, by what stands in a pod and by who says that it is a node."""

from __future__ import annotations

import copy

import pytest

from tests.e2e.world import Manifest, unique

from .attack import Attacker, Ground, refused, rule, taken

PODS = "/api/v1/namespaces/daulat-system/pods"
DEPLOYMENT = "/apis/apps/v1/namespaces/daulat-system/deployments/daulat"
SHELL = {"exec": {"command": ["sh", "-c", "cat /var/run/secrets/kubernetes.io/serviceaccount/token"]}}
TOKEN: Manifest = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}


def operators_pod(ground: Ground) -> Manifest:
    """Return a pod as the chart's own Deployment makes it."""
    template = ground.server.must("GET", DEPLOYMENT)["spec"]["template"]
    return {**copy.deepcopy(template), "metadata": {"name": unique("daulat"), "namespace": "daulat-system"}}


def test_more_another_program_in_the_operators_pod(ground: Ground) -> None:
    """The released image, and beside it what starts another program or brings other code in."""
    path = f"{PODS}?dryRun=All"
    mallory = ground.with_rights("mallory", rule("", "pods", "create get update"))
    taken(mallory.create(path, operators_pod(ground)))
    code = [{"name": "tmp", "mountPath": "/usr/local/lib/python3.12/site-packages"}]
    for fields in (
        {"lifecycle": {"postStart": SHELL}},
        {"livenessProbe": SHELL},
        {"startupProbe": SHELL},
        {"args": ["weights", "fetch"]},
        {"command": ["sh"]},
        {"envFrom": [{"configMapRef": {"name": "x"}}]},
        {"volumeMounts": code},
        {"workingDir": "/tmp"},
    ):
        pod = operators_pod(ground)
        pod["spec"]["containers"][0].update(fields)
        refused(mallory.create(path, pod), "MGD-08 ")
    for name, value in (("PYTHONPATH", "/tmp"), ("DAULAT_DNS", "{}")):
        pod = operators_pod(ground)
        pod["spec"]["containers"][0]["env"].append({"name": name, "value": value})
        refused(mallory.create(path, pod), "MGD-08 ")
    aliases = [{"ip": "203.0.113.7", "hostnames": ["kubernetes.default.svc"]}]
    whole: tuple[Manifest, ...] = (
        {"hostPID": True},
        {"hostAliases": aliases},
        {"nodeName": "sg-gpu-1"},
        {"shareProcessNamespace": True},
    )
    for more in whole:
        pod = operators_pod(ground)
        pod["spec"].update(more)
        refused(mallory.create(path, pod), "MGD-08 ")
    pod = operators_pod(ground)
    pod["spec"]["initContainers"] = [{**pod["spec"]["containers"][0], "name": "first", "ports": [], "args": ["check"]}]
    pod["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    refused(mallory.create(path, pod), "MGD-08 ")
    # Who runs the Deployment's pods is a controller: its name lets nothing in.
    controller = Attacker(ground.server, "system:serviceaccount:kube-system:replicaset-controller")
    pod = operators_pod(ground)
    pod["spec"]["containers"][0]["lifecycle"] = {"postStart": SHELL}
    refused(controller.create(path, pod), "MGD-08 ")
    taken(controller.create(path, operators_pod(ground)))


@pytest.mark.parametrize(
    ("user", "groups"),
    [("mallory", ("system:nodes",)), ("system:node:ascend-1", ()), ("system:nodes", ("system:nodes",))],
)
def test_more_a_node_by_half_its_word(ground: Ground, user: str, groups: tuple[str, ...]) -> None:
    """A kubelet has a node's name and the group. Who has one of the two is no kubelet, and NodeRestriction doesn't look at it."""
    ground.world.grant(user, rule("", "serviceaccounts/token", "create"), rule("", "pods", "get"))
    half = Attacker(ground.server, user, groups)
    path = "/api/v1/namespaces/daulat-system/serviceaccounts/daulat/token"
    pod = {"apiVersion": "v1", "kind": "Pod", "name": "daulat-0", "uid": "00000000-0000-0000-0000-000000000000"}
    asked: tuple[Manifest, ...] = ({"audiences": []}, {"audiences": [], "boundObjectRef": pod})
    for spec in asked:
        refused(half.create(path, {**TOKEN, "spec": spec}), "MGD-08 ")
    kubelet = Attacker(ground.server, "system:node:ascend-1", ("system:nodes",))
    refused(kubelet.create(path, {**TOKEN, "spec": {"audiences": []}}), "MGD-08 ", "not bound to a pod|forbidden")
