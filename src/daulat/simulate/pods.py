"""A minimal model of Kubernetes' controllers and kubelets: workloads make pods, pods are scheduled, become ready, and end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from daulat.api.kinds import Manifest
from daulat.api.names import ELIGIBLE, MODEL_LABEL, NODE_PREFIX, REVISION_ANNOTATION, eligible_label
from daulat.api.timestamps import stamp
from daulat.facts.child import WORKLOADS
from daulat.kube.ref import Ref

from .happened import NODE_LOST, REPLACED, Ended
from .scheduler import Scheduler
from .world import World

SETTLE = 0.2
"""Seconds after which controllers and the scheduler see a change."""
STARTS = 60.0
"""Seconds from a pod's binding until it is ready. Loading weights can take far longer."""
ENDS = 5.0
"""Seconds that a pod takes to end once it is deleted."""
_SEEN = frozenset({"Pod", "Node", *WORKLOADS})


@dataclass
class Pods:
    """The controllers, on one world. ``later`` calls a function after so many virtual seconds."""

    world: World
    later: Callable[[float, Callable[[], None]], None]
    ended: list[Ended] = field(default_factory=list)
    """The running pods that were taken away, in order."""
    unplaced: dict[Ref, str] = field(default_factory=dict)
    """Why a pod that waits has no node."""
    unweighed: set[Ref] = field(default_factory=set)
    """Pods that were bound, and request processors or memory, of which the scheduler takes no account."""
    _due: bool = False
    _made: int = 0
    _waiting: set[Ref] = field(default_factory=set)
    _pins: dict[str, dict[str, str]] = field(default_factory=dict)
    """What pins the pods of a namespace."""

    def start(self) -> None:
        """Look at what is there."""
        self._waiting = {ref for ref, pod in self.world.of_kind("Pod") if _waits(pod)}
        self.touched("Pod")

    def touched(self, kind: str) -> None:
        """Take notice of a write to an object of a kind."""
        if kind in ("Namespace", "SovereigntyPolicy"):
            self._pins.clear()
        if kind in _SEEN and not self._due:
            self._due = True
            self.later(SETTLE, self._look)

    def admit(self, pod: Manifest) -> None:
        """Create a pod, pinned as admission does it."""
        meta, spec = pod["metadata"], pod["spec"]
        namespace = str(meta.get("namespace") or "")
        if namespace not in self._pins:
            policies = self.world.snapshot.governing(namespace)
            self._pins[namespace] = {eligible_label(p.name): ELIGIBLE for p in policies}
        pins = self._pins[namespace]
        kept = {k: v for k, v in (spec.get("nodeSelector") or {}).items() if k not in pins}
        made = self.world.put("Pod", {**pod, "spec": {**spec, "nodeSelector": {**kept, **pins}}})
        if _waits(made):
            self._waiting.add(Ref.of("Pod", made))

    def end(self, ref: Ref, policies: tuple[str, ...], why: str, *, counts: bool = True, remade: bool = True) -> None:
        """Delete a pod: it ends a little later, and its controller makes another one, where it has one of its own."""
        pod = self.world.objects.get(ref)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        node = str(pod["spec"].get("nodeName") or "")
        model = str((pod["metadata"].get("labels") or {}).get(MODEL_LABEL) or "")
        if node and counts:
            self.ended.append(Ended(self.world.now, ref.namespace, ref.name, node, model, policies, why))
        if not node or why == NODE_LOST:
            self._gone(ref, pod, remade)
            return
        meta = {**pod["metadata"], "deletionTimestamp": stamp(self.world.now + ENDS)}
        self.world.edit(ref, metadata=meta)
        self.later(ENDS, lambda: self._gone(ref, pod, remade))

    def end_workload(self, ref: Ref, policies: tuple[str, ...], why: str) -> None:
        """Delete a workload, and the pods that it made with it."""
        workload = self.world.objects.get(ref)
        if workload is None:
            return
        pods = list(self._of(ref))
        self.world.remove(ref)
        for pod in pods:
            self.end(pod, policies, why)

    def collect(self, owner: Manifest) -> None:
        """Delete what a deleted object owns, and what is in a deleted namespace."""
        meta = owner["metadata"]
        for ref, one in sorted(self.world.objects.items()):
            owners = one["metadata"].get("ownerReferences") or ()
            inside = owner["kind"] == "Namespace" and ref.namespace == meta["name"]
            if not inside and not any(o.get("uid") == meta["uid"] for o in owners):
                continue
            if ref.kind in WORKLOADS:
                self.end_workload(ref, (), f"{owner['kind']} {meta['name']} is deleted")
            elif ref.kind == "Pod":
                self.end(ref, (), f"{owner['kind']} {meta['name']} is deleted", remade=False)
            else:
                self.world.remove(ref)

    def lose(self, node: str) -> None:
        """Take a node away, with its pods."""
        for ref, pod in self.world.of_kind("Pod"):
            if pod["spec"].get("nodeName") == node:
                self.end(ref, (), NODE_LOST)
        self.world.remove(Ref("Node", "", node))

    def _gone(self, ref: Ref, pod: Manifest, remade: bool) -> None:
        if self.world.objects.get(ref) is None:
            return
        self.world.remove(ref)
        self._waiting.discard(ref)
        self.unplaced.pop(ref, None)
        if remade and _is_others(pod):
            self._made += 1
            self.admit(_again(pod, f"{ref.name.partition('-simulated-')[0]}-simulated-{self._made}"))

    def _look(self) -> None:
        self._due = False
        for ref, workload in [(r, w) for kind in sorted(WORKLOADS) for r, w in self.world.of_kind(kind)]:
            self._reconcile(ref, workload)
        self._schedule()

    def _reconcile(self, ref: Ref, workload: Manifest) -> None:
        wanted = list(_templates(workload))
        revision = _revision(wanted[0]) if wanted else _revision_of(workload)
        pods = [(r, self.world.objects[r]) for r in self._of(ref)]
        running = [(r, p) for r, p in pods if not p["metadata"].get("deletionTimestamp")]
        new = [(r, p) for r, p in running if _revision(p) == revision]
        old = [(r, p) for r, p in running if _revision(p) != revision]
        ready = sum(_is_ready(p) for _, p in new)
        in_place = workload["kind"] != "Deployment"  # Groups are replaced as a whole, by the operator.
        if not in_place:
            rolling = (workload["spec"].get("strategy") or {}).get("rollingUpdate") or {}
            surges = bool(rolling.get("maxSurge"))
            spare = len(old) + ready - len(wanted) if surges else len(old) if ready == len(new) else 0
            for one, _ in old[: max(spare, 0)]:
                self.end(one, (), REPLACED)
            room = len(wanted) - len(new) if surges else len(wanted) - len(pods)
        else:
            new, room = running, len(wanted) - len(pods)
        for one, _ in new[len(wanted) :]:
            self.end(one, (), REPLACED)
        for template in wanted[len(new) : len(new) + max(room, 0)]:
            self._made += 1
            self.admit(_made_by(workload, template, f"{ref.name}-simulated-{self._made}"))
        counts = {"replicas": len(running), "readyReplicas": sum(_is_ready(p) for _, p in running)}
        counts |= {"updatedReplicas": len(new), "observedGeneration": int(workload["metadata"].get("generation") or 0)}
        self.world.edit(ref, status={**(workload.get("status") or {}), **counts})

    def _of(self, workload: Ref) -> Iterator[Ref]:
        model = str(
            (self.world.objects.get(workload) or {}).get("metadata", {}).get("labels", {}).get(MODEL_LABEL) or ""
        )
        for pod in self.world.snapshot.pods_by_model.get((workload.namespace, model), ()) if model else ():
            ref = Ref("Pod", pod.namespace, pod.name)
            found = self.world.objects.get(ref)
            if found is not None and _is_made_by(found, workload):
                yield ref

    def _schedule(self) -> None:
        scheduler: Scheduler | None = None
        for ref in sorted(self._waiting):
            pod = self.world.objects.get(ref)
            if pod is None or not _waits(pod):
                self._waiting.discard(ref)
                continue
            scheduler = scheduler or Scheduler(self.world.snapshot)
            node, why = scheduler.place(pod)
            if node:
                self._bind(ref, pod, node)
            elif why != self.unplaced.get(ref):
                self.unplaced[ref] = why
                told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
                told["lastTransitionTime"] = stamp(self.world.now)
                self.world.edit(ref, status={"phase": "Pending", "conditions": [told]})

    def _bind(self, ref: Ref, pod: Manifest, node: str) -> None:
        self._waiting.discard(ref)
        self.unplaced.pop(ref, None)
        if _requests_more(pod):
            self.unweighed.add(ref)
        status = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
        bound = self.world.put("Pod", {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status})
        self.later(STARTS, lambda: self._start(ref, bound["metadata"]["uid"]))

    def _start(self, ref: Ref, uid: str) -> None:
        pod = self.world.objects.get(ref)
        if pod is not None and pod["metadata"]["uid"] == uid:
            ready = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready")]
            self.world.edit(ref, status={"phase": "Running", "conditions": ready})


def _waits(pod: Manifest) -> bool:
    finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not (finished or (pod.get("spec") or {}).get("nodeName") or pod["metadata"].get("deletionTimestamp"))


def _requests_more(pod: Manifest) -> bool:
    containers = (pod.get("spec") or {}).get("containers") or ()
    return any({"cpu", "memory"} & ((c.get("resources") or {}).get("requests") or {}).keys() for c in containers)


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _revision(pod: Manifest) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION) or "")


def _revision_of(workload: Manifest) -> str:
    template = workload["spec"].get("template")
    return _revision(template) if template else ""


def _templates(workload: Manifest) -> Iterable[Manifest]:
    """Return the template of each pod that a workload wants."""
    spec = workload["spec"]
    replicas = int(spec.get("replicas", 1) or 0)
    group = spec.get("leaderWorkerTemplate")
    if not group:
        return [spec["template"]] * replicas
    workers = [group["workerTemplate"]] * (int(group.get("size", 1)) - 1)
    return [group.get("leaderTemplate") or group["workerTemplate"], *workers] * replicas


def _controller(pod: Manifest) -> Manifest:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((o for o in owners if o.get("controller")), {})


def _is_made_by(pod: Manifest, workload: Ref) -> bool:
    owner = _controller(pod)
    if workload.kind == "Deployment":
        # A ReplicaSet is named after its Deployment, with a hash behind it.
        return owner.get("kind") == "ReplicaSet" and str(owner.get("name")).rpartition("-")[0] == workload.name
    # The workers of a LeaderWorkerSet's group are made by StatefulSets that are named after it.
    name = str(owner.get("name"))
    return owner.get("kind") == "StatefulSet" and (
        name == workload.name or (workload.kind == "LeaderWorkerSet" and name.rpartition("-")[0] == workload.name)
    )


def _is_others(pod: Manifest) -> bool:
    """Say whether a controller that isn't simulated makes the pod anew."""
    kind = _controller(pod).get("kind")
    return bool(kind) and kind not in ("DaemonSet", "Node") and MODEL_LABEL not in (pod["metadata"].get("labels") or {})


def _made_by(workload: Manifest, template: Manifest, name: str) -> Manifest:
    meta = workload["metadata"]
    if workload["kind"] == "Deployment":
        owner = {"kind": "ReplicaSet", "name": f"{meta['name']}-simulated", "controller": True}
    else:
        owner = {"kind": "StatefulSet", "name": meta["name"], "controller": True}
    of_template = template.get("metadata") or {}
    own = {"name": name, "namespace": meta["namespace"], "ownerReferences": [owner]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**of_template, **own},
        "spec": template["spec"],
        "status": {},
    }


_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def _again(pod: Manifest, name: str) -> Manifest:
    """Return the pod that a controller makes in place of one: without its node, and without what admission added."""
    meta = {k: v for k, v in pod["metadata"].items() if k not in _SERVERS}
    spec = {k: v for k, v in pod["spec"].items() if k != "nodeName"}
    own = {k: v for k, v in (spec.get("nodeSelector") or {}).items() if not k.startswith(NODE_PREFIX)}
    return {**pod, "metadata": {**meta, "name": name}, "spec": {**spec, "nodeSelector": own}, "status": {}}
