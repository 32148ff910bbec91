"""Objects that the operator creates for models: changed by others, passed off as a model's, or left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.cluster import ClusterError
from dev.deployment import poll
from tests.corpus.server import Manifest
from tests.e2e.world import IMAGE, model_manifest, unique

from .attack import Edit, Ground, annotated, labelled, refused, respecified, rule, taken

CHANGED = "MGD-17 .* only the operator changes the objects of a model"
PASSED_OFF = "MGD-17 .* passed a"
GONE = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}]


@pytest.fixture(scope="module")
def model(ground: Ground) -> Iterator[str]:
    """A model that serves."""
    name = unique("made")
    ground.world.admin.apply([model_manifest(name, ground.namespace)])
    ground.world.wait_condition("sovereignmodel", name, "Ready", "True", ground.namespace)
    yield name
    ground.world.admin.run("delete", "sovereignmodel", name, "-n", ground.namespace)


def _template(edit: Edit) -> Edit:
    return lambda body: edit(body["spec"]["template"])


def _engine(**fields: Any) -> Edit:
    return lambda body: body["spec"]["template"]["spec"]["containers"][0].update(fields)


def _init_container(body: Manifest) -> None:
    """What checks the weights, where a model has it, by its name."""
    pods = body["spec"]["template"]["spec"]
    pods["initContainers"] = [{"name": "weights", "image": IMAGE, "command": ["true"]}]


def _sidecar(body: Manifest) -> None:
    pods = body["spec"]["template"]["spec"]
    mounts = [{"name": "weights", "mountPath": "/models"}]
    pods["containers"].append({"name": "beside", "image": IMAGE, "volumeMounts": mounts})
    pods["shareProcessNamespace"] = True


DEPLOYMENT: dict[str, Edit] = {
    "an init container that checks nothing": _init_container,
    "a container beside the weights": _sidecar,
    "a variable that loads code": _engine(env=[{"name": "PYTHONPATH", "value": "/models"}]),
    "another command": _engine(command=["sh"]),
    "another address of a registry": _template(respecified(hostAliases=[{"ip": "203.0.113.7", "hostnames": ["a.my"]}])),
    "a label of the pods": _template(labelled({"app": "other"})),
    "an annotation of the pods": _template(annotated({"sidecar.example.my/inject": "true"})),
    "how it rolls out": respecified(paused=True),
    "its owner taken away": lambda body: body["metadata"].update(ownerReferences=[]),
    "an owner that is gone": lambda body: body["metadata"].update(ownerReferences=GONE),
    "its labels taken away": lambda body: body["metadata"].update(labels={}),
    "another model's label": labelled({"daulat.dev/model": "other"}),
    "another revision": annotated({"daulat.dev/revision": "000000000000"}),
    "a finalizer that keeps it": lambda body: body["metadata"].update(finalizers=["example.my/stay"]),
    "a finalizer that leaves its pods": lambda body: body["metadata"].update(finalizers=["orphan"]),
}


@pytest.mark.parametrize("edit", DEPLOYMENT.values(), ids=DEPLOYMENT.keys())
def test_more_a_models_deployment_changed_by_others(ground: Ground, model: str, edit: Edit) -> None:
    refused(ground.tenant.change(f"{ground.within('apps/v1', 'deployments')}/{model}", edit), CHANGED)


SUPPORT: dict[str, tuple[str, str, Edit]] = {
    "requests to pods that aren't ready": ("v1", "services", respecified(publishNotReadyAddresses=True)),
    "a Service of other pods": ("v1", "services", respecified(selector={"app": "other"})),
    "a Service that keeps a session": ("v1", "services", respecified(sessionAffinity="ClientIP")),
    "a Service that is no model's": ("v1", "services", lambda body: body["metadata"].update(labels={})),
    "a Service that goes with another": ("v1", "services", lambda body: body["metadata"].update(ownerReferences=GONE)),
    "a token": ("v1", "serviceaccounts", lambda body: body.update(automountServiceAccountToken=True)),
    "evictions": ("policy/v1", "poddisruptionbudgets", respecified(maxUnavailable="100%")),
}


@pytest.mark.parametrize(("group", "plural", "edit"), SUPPORT.values(), ids=SUPPORT.keys())
def test_more_what_a_model_needs_changed_by_others(
    ground: Ground, model: str, group: str, plural: str, edit: Edit
) -> None:
    refused(ground.tenant.change(f"{ground.within(group, plural)}/{model}", edit), CHANGED)


def _of(ground: Ground, model: str, path: str) -> str:
    """Return the path of an object of the model in a collection."""
    found = [i for i in ground.server.must("GET", path)["items"] if _model(i) == model]
    return f"{path}/{found[0]['metadata']['name']}"


def _model(item: Manifest) -> str:
    return str((item["metadata"].get("labels") or {}).get("daulat.dev/model"))


def test_more_what_controllers_made_of_it_changed_by_others(ground: Ground, model: str) -> None:
    """The ReplicaSet and the pods, too, and by each subresource that the tenant has."""
    replicas = _of(ground, model, ground.within("apps/v1", "replicasets"))
    refused(ground.tenant.change(replicas, _init_container), CHANGED)
    refused(ground.tenant.change(replicas, lambda body: body["metadata"].update(ownerReferences=[])), CHANGED)
    refused(ground.tenant.change(replicas, lambda body: body["metadata"].update(labels={})), CHANGED)
    pod = _of(ground, model, ground.pods)
    image = f"registry.example.my/other@sha256:{'3c' * 32}"
    refused(ground.tenant.change(pod, lambda body: body["spec"]["containers"][0].update(image=image)), CHANGED)
    refused(ground.tenant.change(pod, lambda body: body["metadata"].update(ownerReferences=[])), CHANGED)
    refused(ground.tenant.change(pod, lambda p: p["metadata"]["labels"].pop("daulat.dev/model")), CHANGED)
    refused(ground.tenant.change(pod, labelled({"app.kubernetes.io/name": "x"})), CHANGED)
    refused(ground.tenant.change(pod, annotated({"daulat.dev/revision": "0" * 12})), CHANGED)
    name = ground.server.must("GET", pod)["spec"]["volumes"][0]["name"]
    mounts = [{"name": name, "mountPath": "/mine"}]
    debug = respecified(ephemeralContainers=[{"name": "debug", "image": IMAGE, "volumeMounts": mounts}])
    debugger = ground.with_rights("debugger", rule("", "pods/ephemeralcontainers", "update"), rule("", "pods", "get"))
    refused(debugger.change(pod, debug, "ephemeralcontainers"), CHANGED)
    # A shell in one is for `access` to allow or to refuse.
    shell = respecified(ephemeralContainers=[{"name": "debug", "image": IMAGE}])
    taken(debugger.change(pod, shell, "ephemeralcontainers"))


def _workload(kind: str, name: str, model: str, *, on_itself: bool) -> Manifest:
    labels = {"app.kubernetes.io/name": "sovereignmodel", "daulat.dev/model": model, "mine": name}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": IMAGE}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"mine": name}}, "template": pods}
    spec |= {"serviceName": name} if kind == "StatefulSet" else {}
    metadata = {"name": name, **({"labels": labels} if on_itself else {})}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("on_itself", [True, False], ids=["labelled", "its pods labelled"])
@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
def test_more_a_workload_passed_off_as_a_models(ground: Ground, model: str, kind: str, on_itself: bool) -> None:
    path = ground.within("apps/v1", f"{kind.lower()}s")
    refused(ground.tenant.create(path, _workload(kind, unique("w"), model, on_itself=on_itself)), PASSED_OFF)
    # Not by a name that a model has or will have, and not later either.
    refused(ground.tenant.create(path, _workload(kind, f"{model}-x", f"{model}-x", on_itself=on_itself)), PASSED_OFF)
    plain: Any = _workload(kind, unique("w"), model, on_itself=on_itself)
    plain["metadata"].pop("labels", None)
    plain["spec"]["template"]["metadata"]["labels"].pop("daulat.dev/model")
    plain["spec"]["replicas"] = 0
    taken(ground.tenant.create(path, plain))
    mine = f"{path}/{plain['metadata']['name']}"
    which = labelled({"daulat.dev/model": model})
    refused(ground.tenant.change(mine, which if on_itself else _template(which)), PASSED_OFF)
    taken(ground.tenant.ask("DELETE", mine))


def test_more_a_pod_passed_off_as_a_models(ground: Ground, model: str) -> None:
    """It would get the Service's requests and what the NetworkPolicy allows."""
    labels = {"app.kubernetes.io/name": "sovereignmodel", "daulat.dev/model": model}
    pod = ground.pod()
    pod["metadata"]["labels"] = labels
    refused(ground.tenant.create(ground.pods, pod), PASSED_OFF)
    owner = ground.server.must("GET", _of(ground, model, ground.within("apps/v1", "replicasets")))["metadata"]
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True}
    pod["metadata"]["ownerReferences"] = [{**reference, "name": owner["name"], "uid": owner["uid"]}]
    refused(ground.tenant.create(ground.pods, pod), PASSED_OFF)
    mine = ground.running()["metadata"]["name"]
    refused(ground.tenant.change(f"{ground.pods}/{mine}", labelled(labels)), PASSED_OFF)
    service = {"metadata": {"name": unique("svc"), "labels": labels}, "spec": {"ports": [{"port": 80}]}}
    refused(ground.tenant.create(ground.within("v1", "services"), service), PASSED_OFF)


def test_more_a_jobs_pods_passed_off_as_a_models(ground: Ground, model: str) -> None:
    """Kubernetes' own controllers make only pods of ReplicaSets and StatefulSets for a model."""
    labels = {"app.kubernetes.io/name": "sovereignmodel", "daulat.dev/model": model}
    pods: Manifest = {
        "metadata": {"labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": IMAGE}]},
    }
    job: Manifest = {"metadata": {"name": unique("job")}, "spec": {"template": pods}}
    taken(ground.tenant.create(ground.within("batch/v1", "jobs"), job))
    name = job["metadata"]["name"]

    def said() -> bool:
        events = ground.server.must("GET", ground.within("v1", "events"))["items"]
        return any(e["involvedObject"].get("name") == name and "MGD-17" in e["message"] for e in events)

    poll("the Job's pod to be refused", said)
    assert not [
        p for p in ground.world.pods(ground.namespace) if (p["metadata"].get("labels") or {}).get("job-name") == name
    ]
    taken(ground.tenant.ask("DELETE", f"{ground.within('batch/v1', 'jobs')}/{name}"))


@pytest.mark.parametrize("options", [{"propagationPolicy": "Orphan"}, {"orphanDependents": True}])
def test_more_what_a_model_leaves_behind(ground: Ground, model: str, options: Manifest) -> None:
    """Without its owner it would run on, and no controller of a gone model looks after it."""
    left = "MGD-17 .* would orphan objects"
    models = ground.within("daulat.dev/v1alpha1", "sovereignmodels")
    body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
    for path in (
        f"{models}/{model}",
        f"{ground.within('apps/v1', 'deployments')}/{model}",
        _of(ground, model, ground.within("apps/v1", "replicasets")),
    ):
        refused(ground.tenant.ask("DELETE", path, body), left)
    finalizer = lambda m: m["metadata"].update(finalizers=["orphan"])  # noqa: E731
    refused(ground.tenant.change(f"{models}/{model}", finalizer), left)


def test_more_what_others_write_of_a_model_goes_on(ground: Ground, model: str) -> None:
    """Scaling, restarts, labels and annotations of their own, deletion and eviction are as ever."""
    world, tenant = ground.world, ground.tenant
    deployment = f"{ground.within('apps/v1', 'deployments')}/{model}"
    who = world.as_user(tenant.user)
    where = ("-n", ground.namespace)
    taken(tenant.change(_of(ground, model, ground.pods), annotated({"team": "ml"})))
    who.run("annotate", f"deployment/{model}", "team=ml", *where)
    who.run("label", f"service/{model}", "team=ml", *where)
    who.run("scale", f"deployment/{model}", "--replicas=2", *where)
    poll("the replicas as asked for", lambda: ground.server.must("GET", deployment)["spec"]["replicas"] == 1)
    pod = _of(ground, model, ground.pods)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod.rpartition("/")[2]}}
    answer = tenant.create(f"{pod}/eviction", eviction)
    assert answer.status in (201, 404, 429), answer.text
    who.run("rollout", "restart", f"deployment/{model}", *where)
    uid = ground.server.must("GET", deployment)["metadata"]["uid"]
    taken(tenant.ask("DELETE", deployment))

    def again() -> bool:
        try:
            return bool(ground.server.must("GET", deployment)["metadata"]["uid"] != uid)
        except (AssertionError, ClusterError):
            return False

    poll("the Deployment to be there again", again)
    world.wait_condition("sovereignmodel", model, "Ready", "True", ground.namespace)
