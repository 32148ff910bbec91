"""Ways for images to come in and data to get out."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.workload.network import DEFAULT_DENY
from dev.deployment import poll
from tests.corpus.server import Answer
from tests.e2e.world import IMAGE, Manifest, model_manifest, unique

from .attack import DIGEST, Attacker, Ground, refused, respecified, rule, taken


def test_row_27_the_kubelets_api_through_a_node(closed: Ground) -> None:
    """By the API server it is judged. Whoever reaches a kubelet's port isn't seen: the doctor looks for that."""
    monitor = closed.with_rights("monitor", rule("", "nodes/proxy", "get create"), rule("", "nodes", "get"))
    for path in ("pods", "run/ns/pod/container", "exec/ns/pod/container?command=ls"):
        refused(monitor.ask("GET", f"/api/v1/nodes/ascend-1/proxy/{path}"), "MGD-05 ")


@pytest.mark.parametrize(
    "how",
    [
        "exec?command=ls&container=main&stdout=true",
        "attach?container=main&stdout=true",
        "portforward?ports=80",
        "proxy/",
    ],
)
def test_row_28_a_shell_or_a_port_in_a_pod(closed: Ground, how: str) -> None:
    pod = closed.running()["metadata"]["name"]
    refused(closed.tenant.ask("GET", f"{closed.pods}/{pod}/{how}"), "MGD-05 ")
    method = "GET" if how == "proxy/" else "POST"
    refused(closed.tenant.ask(method, f"{closed.pods}/{pod}/{how}"), "MGD-05 ")


def test_row_28_a_debug_container_is_a_shell(closed: Ground) -> None:
    pod = closed.running()["metadata"]["name"]
    path = f"{closed.pods}/{pod}"
    edit = respecified(ephemeralContainers=[{"name": "debug", "image": IMAGE}])
    debugger = closed.with_rights("debugger", rule("", "pods/ephemeralcontainers", "update"), rule("", "pods", "get"))
    refused(debugger.change(path, edit, "ephemeralcontainers"), "MGD-05 ")
    cleared = Attacker(closed.server, debugger.user, ("cleared-operators",))
    taken(cleared.change(path, edit, "ephemeralcontainers"))


def claim(storage_class: str | None, **spec: Any) -> Manifest:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    named = {} if storage_class is None else {"storageClassName": storage_class}
    return {"metadata": {"name": unique("claim")}, "spec": {**body, **named}}


def test_row_29_storage_elsewhere(ground: Ground) -> None:
    path = ground.within("v1", "persistentvolumeclaims")
    for storage_class in ("encrypted-singapore", "", None, "encrypted-cyberjaya2"):
        refused(ground.tenant.create(path, claim(storage_class)), "STO-02 ")
    old = claim("encrypted-cyberjaya")
    old["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "encrypted-singapore"}
    refused(ground.tenant.create(path, old), "STO-02 ")
    volume = {"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": claim("encrypted-singapore")["spec"]}}}
    refused(ground.tenant.create(ground.pods, ground.pod(volumes=[volume])), "STO-02 ")
    far = {"name": "v", "nfs": {"server": "nfs.example.sg", "path": "/"}}
    refused(ground.tenant.create(ground.pods, ground.pod(volumes=[far])), "STO-03 ")


def test_row_29_a_service_that_leads_elsewhere(ground: Ground) -> None:
    path = ground.within("v1", "services")
    head = {"metadata": {"name": unique("svc")}}
    refused(
        ground.tenant.create(path, {**head, "spec": {"type": "ExternalName", "externalName": "x.example.sg"}}),
        "USE-05 ",
    )
    spec = {"ports": [{"port": 80}], "externalIPs": ["203.0.113.7"]}
    refused(ground.tenant.create(path, {**head, "spec": spec}), "USE-05 ")
    taken(ground.tenant.create(path, {**head, "spec": {"ports": [{"port": 80}]}}))
    mine = f"{path}/{head['metadata']['name']}"

    def lead(service: Manifest) -> None:
        service["spec"] = {"type": "ExternalName", "externalName": "x.example.sg"}

    refused(ground.tenant.change(mine, lead), "USE-05 ")
    slices = ground.with_rights("slices", rule("discovery.k8s.io", "endpointslices", "get create"))
    labels = {"kubernetes.io/service-name": head["metadata"]["name"]}
    where = {"endpoints": [{"addresses": ["203.0.113.7"]}], "addressType": "IPv4", "ports": [{"port": 80}]}
    body = {"metadata": {"name": unique("slice"), "labels": labels}, **where}
    refused(slices.create(ground.within("discovery.k8s.io/v1", "endpointslices"), body), "USE-05 ")


@pytest.mark.parametrize(
    "image",
    [
        f"registry.example.my.evil.org/vllm{DIGEST}",
        f"docker.io/registry.example.my/vllm{DIGEST}",
        f"registry.example.my:5000/vllm{DIGEST}",
        f"REGISTRY.example.my/vllm{DIGEST}",
        f"xn--registry.example.my/vllm{DIGEST}",
        f"registry.example.my@evil.org/vllm{DIGEST}",
        f"registry.example.m\u0443/vllm{DIGEST}",
        f"registry.example.my\u200b/vllm{DIGEST}",
        f"vllm{DIGEST}",
        "registry.example.my/vllm:latest",
        "registry.example.my/vllm@sha256:" + "2b" * 31,
        "registry.example.my/vllm@sha256:" + "2B" * 32,
        "registry.example.my/vllm@md5:" + "2b" * 16,
    ],
    ids=lambda image: image.partition("@sha256")[0].encode("unicode_escape").decode(),
)
def test_row_29_an_image_that_looks_approved(ground: Ground, image: str) -> None:
    refused(ground.tenant.create(ground.pods, ground.container(image=image)), "SUP-01 |STO-07 ")


def test_row_29_spaces_around_an_image(ground: Ground) -> None:
    for image in (f" registry.example.my/vllm{DIGEST}", f"registry.example.my/vllm{DIGEST} "):
        refused(ground.tenant.create(ground.pods, ground.container(image=image)), "SUP-01 |STO-07 ", "whitespace")


@pytest.mark.needs("image-volumes")
def test_row_29_weights_in_a_volume(ground: Ground) -> None:
    volume = {"name": "w", "image": {"reference": f"docker.io/library/weights{DIGEST}"}}
    refused(ground.tenant.create(ground.pods, ground.pod(volumes=[volume])), "STO-07 |SUP-01 ")


def test_more_a_models_own_network_policy(ground: Ground) -> None:
    """What closes a model off is the operator's, and the labels by which it finds the pods are, too."""
    world, namespace = ground.world, ground.namespace
    world.admin.apply([model_manifest("kept", namespace)])
    world.wait_condition("sovereignmodel", "kept", "Ready", "True", namespace)
    policies = ground.within("networking.k8s.io/v1", "networkpolicies")
    path, shared = f"{policies}/kept", f"{policies}/{DEFAULT_DENY}"
    refused(ground.tenant.ask("DELETE", path), "USE-05 ")
    refused(ground.tenant.change(path, lambda p: p["spec"].update(egress=[{}])), "USE-05 ")
    # The garbage collector takes away what has no owner left, and may.
    gone = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}]
    refused(ground.tenant.change(path, lambda p: p["metadata"].update(ownerReferences=gone)), "USE-05 ")
    refused(ground.tenant.ask("DELETE", shared), "USE-05 ")
    refused(
        ground.tenant.change(shared, lambda p: p["spec"].update(podSelector={"matchLabels": {"a": "b"}})), "USE-05 "
    )
    refused(ground.tenant.change(shared, lambda p: p["metadata"]["labels"].clear()), "USE-05 ")
    refused(ground.tenant.change(shared, lambda p: p["metadata"].update(ownerReferences=gone)), "USE-05 ")
    pod = next(p for p in world.pods(namespace) if "daulat.dev/model" in p["metadata"].get("labels", {}))
    mine = f"{ground.pods}/{pod['metadata']['name']}"
    refused(ground.tenant.change(mine, lambda p: p["metadata"]["labels"].pop("daulat.dev/model")), "MGD-17 ")
    world.admin.run("delete", "sovereignmodel", "kept", "-n", namespace)


def test_more_what_is_left_of_a_deleted_model(ground: Ground) -> None:
    """Its own network policy goes with it, whatever its pods do. What closes them off then is nobody's to delete."""
    world, namespace = ground.world, ground.namespace
    policies = ground.within("networking.k8s.io/v1", "networkpolicies")
    world.admin.apply([model_manifest("left", namespace)])
    world.wait_condition("sovereignmodel", "left", "Ready", "True", namespace)
    (pod,) = [p for p in world.pods(namespace) if p["metadata"].get("labels", {}).get("daulat.dev/model") == "left"]
    path = f"{ground.pods}/{pod['metadata']['name']}"
    taken(ground.tenant.change(path, lambda p: p["metadata"].update(finalizers=["example.my/stay"])))
    taken(ground.tenant.ask("DELETE", f"{ground.within('daulat.dev/v1alpha1', 'sovereignmodels')}/left"))
    poll("its own policy to be gone", lambda: ground.server.ask("GET", f"{policies}/left").status == 404)
    poll("the end of its pod to begin", lambda: "deletionTimestamp" in ground.server.must("GET", path)["metadata"])
    refused(ground.tenant.ask("DELETE", f"{policies}/{DEFAULT_DENY}"), "USE-05 ")
    assert "deletionTimestamp" not in ground.server.must("GET", f"{policies}/{DEFAULT_DENY}")["metadata"]
    taken(ground.tenant.change(path, lambda p: p["metadata"].update(finalizers=[])))


def test_more_ports_to_the_outside(ground: Ground) -> None:
    path = ground.within("v1", "services")
    for kind in ("LoadBalancer", "NodePort"):
        body = {"metadata": {"name": unique("svc")}, "spec": {"type": kind, "ports": [{"port": 80}]}}
        refused(ground.tenant.create(path, body), "USE-09 ")
    ports = [{"containerPort": 80, "hostPort": 80}]
    refused(ground.tenant.create(ground.pods, ground.container(ports=ports)), "USE-09 ")


def test_more_a_models_own_autoscaler_and_route(ground: Ground) -> None:
    """The operator makes them with rights that the author may lack, so nothing of the author's is an address or a query in them."""
    path = ground.within("daulat.dev/v1alpha1", "sovereignmodels")
    scaled = {"maxReplicas": 2, "target": 1}

    def attempt(**spec: Any) -> Answer:
        return ground.tenant.create(path, model_manifest(unique("m"), ground.namespace, **spec))

    own = {"command": ["serve"], "metrics": {"waiting": "up) or vector(9"}}
    refused(attempt(engine={"name": "custom", "custom": own}), "spec.engine.custom.metrics.waiting")
    refused(attempt(autoscaling={**scaled, "metricName": "x/../../../api/v1/secrets"}), "spec.autoscaling.metricName")
    refused(attempt(exposure={"gateway": "edge/public"}), "spec.exposure.gateway")
    elsewhere = {"service": "picker.edge.svc"}
    refused(attempt(exposure={"gateway": "edge", "endpointPicker": elsewhere}), "spec.exposure.endpointPicker.service")
    refused(attempt(priorityClassName="system-node-critical"), "spec.priorityClassName")
    # What the kind doesn't have is dropped, where a client doesn't ask to be told.
    told = {**scaled, "prometheus": "http://169.254.169.254", "query": "up"}
    answer = attempt(autoscaling=told, exposure={"gateway": "edge", "namespace": "edge", "parentRefs": []})
    taken(answer)
    assert (answer.body["spec"]["autoscaling"], answer.body["spec"]["exposure"]) == (scaled, {"gateway": "edge"})
    ground.world.admin.run("delete", "sovereignmodel", answer.body["metadata"]["name"], "-n", ground.namespace)
