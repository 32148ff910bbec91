"""Sets a cluster up for the corpus, asks every case of its API server, and keeps what it answers.

The order matters: everything that a request needs, such as the pod that it changes, is there before any policy is in force.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from daulat.cel.evaluator import matches_resource
from dev.cluster.kubernetes import versions
from dev.deployment import poll
from tests.requests import merge

from . import furniture
from .scene import Scene, difference, with_metadata
from .server import Answer, Manifest, Server

EVERYTHING = "corpus:everything"
"""A group that RBAC gives every ordinary verb, so that nothing but admission stops a case."""
THREADS = 6
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
# What the API server says once admission is through: nothing here runs pods, or answers for a service or a node.
AFTER_ADMISSION = (
    "does not have a host assigned",
    "no endpoints available for service",
    # Before 1.37 the proxy looks a Service up itself.
    'services "case-',
    "no preferred addresses found",
    "address not allowed",
    "unable to upgrade connection",
    # A kubelet's token requests are judged by NodeRestriction, too.
    "node requested token not bound to a pod",
)


class Stage:
    """A cluster with everything in place."""

    def __init__(self, server: Server, scenes: Sequence[Scene]) -> None:
        """Take the API server of a cluster where no controller runs, and the scenes to play."""
        self._server, self._scenes = server, scenes
        self._known: dict[str, list[Manifest]] = {}
        self._set_up: dict[str, Manifest] = {}

    def play(self) -> None:
        """Ask every case. AssertionError where something that a case needs can't be made."""
        self._define_kinds()
        self._give_rights()
        with ThreadPoolExecutor(THREADS) as pool:
            self._make_namespaces(pool)
            for scene in self._scenes:
                for manifest in scene.case.asked.setup:
                    self._make_setup(manifest, scene.namespace)
            list(pool.map(self._make_live, [s for s in self._scenes if s.unshared]))
            self._enforce(pool)
            list(pool.map(self._ask, [s for s in self._scenes if s.unshared]))
        for scene in self._scenes:
            if not scene.unshared:
                self._ask_about_a_known_object(scene)

    # --- what must be there first

    def _define_kinds(self) -> None:
        """Define the kinds that cases bring along, and those that guards judge and nobody brings, taking any content."""
        brought = [m for s in self._scenes for m in s.case.asked.setup if m["kind"] == "CustomResourceDefinition"]
        wanted: dict[str, Manifest] = {m["metadata"]["name"]: copy.deepcopy(m) for m in brought}
        for scene in self._scenes:
            asked, plural = scene.request, scene.request.resource.partition("/")[0]
            if plural not in self._served(asked.group, asked.version):
                kind = (asked.object or asked.old_object or {})["kind"]
                made = furniture.definition(asked.group, asked.version, plural, kind)
                known = wanted.setdefault(made["metadata"]["name"], made)
                versions = known["spec"]["versions"]
                if asked.version not in {v["name"] for v in versions}:
                    versions.append({**versions[0], "name": asked.version, "storage": False})
                if asked.resource.endswith("/status"):
                    for version in versions:
                        version["subresources"] = {"status": {}}
        self._define(wanted)

    def _define(self, definitions: dict[str, Manifest]) -> None:
        for manifest in definitions.values():
            self._server.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", manifest)
        for spec in [m["spec"] for m in definitions.values()]:
            names = [(spec["group"], v["name"], spec["names"]["plural"]) for v in spec["versions"]]
            poll(f"{names} to be served", lambda: all(self._now_served(*n) for n in names))  # noqa: B023

    def _give_rights(self) -> None:
        verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
        roles = {EVERYTHING: {"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}}
        for permission in {p for s in self._scenes for p in s.case.asked.allowed}:
            group, resource, verb = permission.split("/")
            roles[_may(permission)] = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for name, rule in roles.items():
            head = {"metadata": {"name": name}}
            self._server.must("POST", f"{RBAC}/clusterroles", {**head, "rules": [rule]})
            ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
            subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}
            self._server.must("POST", f"{RBAC}/clusterrolebindings", {**head, "roleRef": ref, "subjects": [subject]})
        poll("the rights to hold", lambda: all(self._may(name, rule) for name, rule in roles.items()))

    def _may(self, group: str, rule: dict[str, list[str]]) -> bool:
        what = {"group": rule["apiGroups"][0], "resource": rule["resources"][0], "verb": rule["verbs"][-1]}
        review = {"spec": {"user": "anybody", "groups": [group], "resourceAttributes": what}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self._server.must("POST", path, review)["status"]["allowed"])

    def _make_namespaces(self, pool: ThreadPoolExecutor) -> None:
        labels = {s.namespace: s.case.asked.namespace_labels for s in self._scenes}
        accounts = {(s.namespace, name) for s in self._scenes for name in ("default", _account(s)) if name}

        def make(namespace: str) -> None:
            metadata = {"name": namespace, "labels": labels[namespace]}
            self._server.must("POST", "/api/v1/namespaces", {"metadata": metadata})

        def admit(place: tuple[str, str]) -> None:
            # There is no controller that would make them. Without a token's volume a pod stays as it was written.
            account = {"metadata": {"name": place[1]}, "automountServiceAccountToken": False}
            self._server.must("POST", f"/api/v1/namespaces/{place[0]}/serviceaccounts", account)

        list(pool.map(make, sorted(labels)))
        list(pool.map(admit, sorted(accounts)))

    def _make_setup(self, manifest: Manifest, namespace: str) -> None:
        """Make what a case needs beside its own object, once; two cases may not want different objects of one name."""
        if manifest["kind"] == "CustomResourceDefinition":
            return
        group, _, version = manifest["apiVersion"].rpartition("/")
        own = [r["name"] for r in self._resources(group, version) if r["kind"] == manifest["kind"]]
        plural = next(name for name in own if "/" not in name)
        path = self._collection(group, version, plural, namespace)
        body = with_metadata(manifest, {"namespace": namespace}) if self._served(group, version)[plural] else manifest
        key = f"{path}/{manifest['metadata']['name']}"
        if key not in self._set_up:
            made = self._server.must("POST", path, body)
            if "status" in manifest:
                self._server.must("PUT", f"{key}/status", merge(made, {"status": manifest["status"]}))
            self._set_up[key] = manifest
        assert self._set_up[key] == manifest, f"two cases set {key} up differently"

    def _make_live(self, scene: Scene) -> None:
        """Make the object that a request is about, as it is before."""
        asked = scene.request
        manifest = self._before(scene)
        if manifest is None:
            return
        plural = asked.resource.partition("/")[0] if asked.resource != "bindings" else "pods"
        path = self._collection(asked.group, asked.version, plural, scene.namespace)
        made = self._server.must("POST", path, manifest)
        if "status" in manifest:
            made = self._server.must("PUT", f"{path}/{asked.name}/status", merge(made, {"status": manifest["status"]}))
        scene.live = made

    def _before(self, scene: Scene) -> Manifest | None:
        asked = scene.request
        if asked.old_object is not None:
            return {**asked.old_object, "metadata": {**asked.old_object["metadata"], "name": asked.name}}
        metadata = {"name": asked.name, "namespace": scene.namespace}
        # A scheduler that isn't there leaves the pod alone, and nothing is wrong with it for a binding.
        pod = {"schedulerName": "nobody", "containers": [{"name": "main", "image": "example.my/a"}]}
        bases: dict[str, Manifest] = {
            "pods": {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
            "services": {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"ports": [{"port": 80}]},
            },
            "nodes": {"apiVersion": "v1", "kind": "Node", "metadata": {"name": asked.name}},
            "resourceclaims": {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata},
            "serviceaccounts": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        }
        if asked.resource == "bindings":
            return bases["pods"]
        return bases[asked.resource.partition("/")[0]] if "/" in asked.resource else None

    # --- what is in force

    def _enforce(self, pool: ThreadPoolExecutor) -> None:
        """Put in force whatever is asked about a case, and wait until it is."""
        chosen: dict[str, Manifest] = {}
        for scene in self._scenes:
            for manifest in scene.in_force:
                name = manifest["metadata"]["name"]
                if manifest["kind"] == "ValidatingAdmissionPolicy" and matches_resource(manifest, scene.request):
                    chosen[f"{manifest['kind']}/{name}"] = manifest
                    for binding in furniture.bindings(manifest, scene):
                        chosen[f"{binding['kind']}/{binding['metadata']['name']}"] = binding
                if manifest["kind"].startswith("Mutating") and scene.case.pinned:
                    chosen[f"{manifest['kind']}/{name}"] = manifest
        list(pool.map(self._create, [m for m in chosen.values() if not m["kind"].endswith("Binding")]))
        list(pool.map(self._create, [m for m in chosen.values() if m["kind"].endswith("Binding")]))
        self._await_sentinels()

    def _create(self, manifest: Manifest) -> None:
        self._server.must("POST", f"{ADMISSION}/{PLURALS[manifest['kind']]}", manifest)

    def _await_sentinels(self) -> None:
        """Wait until what was made last is in force. The API server reads policies in the order in which they are made, so
        then everything is that was made before.
        """
        namespace = "corpus-000"
        mutates = versions.offered().has("pin")
        for manifest in furniture.sentinels(namespace, mutates=mutates):
            self._create(manifest)
        probe = {"metadata": {"name": "sentinel", "namespace": namespace}}
        path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"
        poll(
            "every policy to be in force",
            lambda: self._server.ask("POST", path, probe).denied == ("sentinel", "both" if mutates else "one"),
        )

    # --- asking

    def _ask_about_a_known_object(self, scene: Scene) -> None:
        """Ask about an object whose name means something: one case at a time has it, unless it is there for good."""
        present = self._server.ask("GET", self._object(scene))
        scene.live = present.body if present.status == 200 else None
        made = scene.live is None and self._before(scene) is not None
        if made:
            self._make_live(scene)
        self._ask(scene)
        if made:
            self._server.must("DELETE", self._object(scene))

    def _ask(self, scene: Scene) -> None:
        asked = scene.request
        groups = [*asked.user_groups, EVERYTHING, *map(_may, sorted(asked.allowed))]
        for _ in range(10):
            method, path, body = self._message(scene)
            scene.answer = self._server.ask(method, path, body, asked.user, groups, asked.user_extra)
            if scene.answer.status != 409:
                return

    def _message(self, scene: Scene) -> tuple[str, str, Manifest | None]:
        asked = scene.request
        plural, _, subresource = asked.resource.partition("/")
        path = self._object(scene)
        if asked.operation == "CONNECT":
            return "POST", path + (f"/{subresource}" if subresource else "") + _query(asked.object or {}), None
        if asked.operation == "DELETE":
            return "DELETE", f"{path}?dryRun=All", None
        if asked.operation == "CREATE":
            collection = self._collection(asked.group, asked.version, plural, scene.namespace)
            sent = _sent(asked.object or {})
            return "POST", (f"{path}/{subresource}" if subresource else collection) + "?dryRun=All", sent
        live = self._server.must("GET", path) if scene.live is None or scene.answer else scene.live
        changed = merge(live, difference(asked.old_object, asked.object))
        return "PUT", path + (f"/{subresource}" if subresource else "") + "?dryRun=All", changed

    def _object(self, scene: Scene) -> str:
        asked = scene.request
        plural = asked.resource.partition("/")[0]
        return f"{self._collection(asked.group, asked.version, plural, scene.namespace)}/{asked.name}"

    def _collection(self, group: str, version: str, plural: str, namespace: str) -> str:
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        return f"{root}/namespaces/{namespace}/{plural}" if self._served(group, version)[plural] else f"{root}/{plural}"

    def _served(self, group: str, version: str) -> dict[str, bool]:
        """Return the resources that are served, and whether they stand in a namespace."""
        return {r["name"]: r["namespaced"] for r in self._resources(group, version)}

    def _now_served(self, group: str, version: str, plural: str) -> bool:
        self._known.clear()
        return plural in self._served(group, version)

    def _resources(self, group: str, version: str) -> list[Manifest]:
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        if root not in self._known:
            self._known[root] = self._server.ask("GET", root).body.get("resources", [])
        return self._known[root]


def passed(answer: Answer) -> bool:
    """Say whether a request came through admission."""
    return answer.status < 300 or any(words in answer.text for words in AFTER_ADMISSION)


def _account(scene: Scene) -> str:
    spec = (scene.request.object or {}).get("spec")
    return str(spec.get("serviceAccountName") or "") if isinstance(spec, dict) else ""


def _may(permission: str) -> str:
    return "corpus:may:" + permission.replace("/", ":")


def _sent(manifest: Manifest) -> Manifest:
    """Return the object as a user sends it: the API server says itself when it is created."""
    metadata = {k: v for k, v in manifest["metadata"].items() if k != "creationTimestamp"}
    return {**manifest, "metadata": metadata}


def _query(options: Manifest) -> str:
    pairs = {
        k: str(v).lower() if isinstance(v, bool) else v for k, v in options.items() if k not in {"apiVersion", "kind"}
    }
    return "?" + urlencode(pairs, doseq=True) if pairs else ""
