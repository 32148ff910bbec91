"""Static manifests hold without an object in the API; the anchor keeps what is in the API as the operator made it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from daulat.cli.compile.command import compile_
from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.kubectl import Kubectl
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import kubectl, poll
from tests.corpus.server import Manifest, Server

from .world import (
    IMAGE,
    SCENARIO,
    World,
    lower,
    namespace_manifest,
    pod_manifest,
    policy_manifest,
    raise_world,
    unique,
)

PREFIX = "daulat.node-restriction.kubernetes.io/"
ELSEWHERE = "registry.example.com/vllm@sha256:" + "2b" * 32
ALL = "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings"


def compiled(*arguments: object) -> None:
    done = CliRunner().invoke(compile_, [*map(str, arguments)])
    assert done.exit_code == 0, done.output


def flag(directory: Path) -> tuple[str, ...]:
    return (f"--admission-control-config-file={directory / 'admission-configuration.yaml'}",)


class Fortress:
    """A cluster without Daulat, whose API server reads static manifests from a directory."""

    def __init__(self, directory: Path) -> None:
        self.source, self.directory = directory / "source", directory / "static"
        self.source.mkdir(parents=True)
        self.write()
        self.cluster = EmbeddedCluster(unique("static"), apiserver_args=flag(self.directory), say=lambda line: None)
        self.cluster.up(SCENARIO)
        self.admin = kubectl(self.cluster)
        self.world = World(self.cluster, None, self.admin)  # type: ignore[arg-type]
        self.admin.apply([namespace_manifest("treasury", "confidential"), namespace_manifest("free")])
        for namespace in ("treasury", "free"):
            poll("a ServiceAccount", partial(self.world.exists, "serviceaccount", "default", namespace))

    def write(self, **changes: Any) -> None:
        """Compile the example policy, with changes of its spec, into the directory."""
        objects = [policy_manifest("confidential", **changes), *zone_manifests(load(SCENARIO))]
        (self.source / "all.yaml").write_text("---\n".join(yaml.safe_dump(o) for o in objects))
        compiled(self.source, "--static", "--output-dir", self.directory)

    def refusal(self, namespace: str = "treasury", **spec: Any) -> str:
        """Return why the API server refuses a pod to a cluster admin; empty where it takes it."""
        return self.world.refusal(pod_manifest("p", namespace, **spec), "--dry-run=server")

    def holds(self) -> None:
        """See that pods are refused and pinned, and that there is no object that does it."""
        assert "USE-04 " in self.refusal(nodeName="sg-gpu-1")
        assert "STO-07 " in self.refusal(containers=[{"name": "main", "image": ELSEWHERE}])
        assert self.refusal("free", nodeName="sg-gpu-1") == ""
        body = json.dumps(pod_manifest("p", "treasury"))
        made = json.loads(self.admin.run("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=body))
        assert made["spec"]["nodeSelector"] == {PREFIX + "confidential": "eligible"}
        assert self.admin.run("get", ALL, "-o", "name").strip() == ""


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """A cluster whose only policies are static."""
    made = Fortress(tmp_path_factory.mktemp("fortress"))
    yield made
    made.cluster.down()


def test_static_manifests_refuse_and_pin_without_an_object_in_the_api(fortress: Fortress) -> None:
    fortress.holds()


def test_static_manifests_guard_the_labels_of_record(fortress: Fortress) -> None:
    mallory = fortress.world.grant(
        unique("mallory"), {"apiGroups": [""], "resources": ["nodes", "namespaces"], "verbs": ["get", "patch"]}
    )
    patch = f'--patch={{"metadata": {{"labels": {{"{PREFIX}site": "cyberjaya-1"}}}}}}'
    with pytest.raises(ClusterError, match="MGD-02"):
        mallory.run("patch", "node", "sg-gpu-1", "--type=merge", patch)
    patch = '--patch={"metadata": {"labels": {"daulat.dev/scope": null}}}'
    with pytest.raises(ClusterError, match="MGD-13"):
        mallory.run("patch", "namespace", "treasury", "--type=merge", patch)


def test_nobody_reaches_static_manifests_through_the_api(fortress: Fortress) -> None:
    name = "confidential.pods.daulat.static.k8s.io"
    for verb in (("get",), ("delete",), ("patch", "--type=merge", '--patch={"spec": {"failurePolicy": "Ignore"}}')):
        with pytest.raises(ClusterError, match=r"NotFound|not found"):
            fortress.admin.run(verb[0], "validatingadmissionpolicy", name, *verb[1:])
    documents = yaml.safe_load_all((fortress.directory / "validating" / "daulat.yaml").read_text())
    binding = next(m for m in documents if m["kind"].endswith("Binding") and m["metadata"]["name"] == name)
    binding["spec"]["validationActions"] = ["Audit"]
    assert ".static.k8s.io" in fortress.world.refusal(binding)
    fortress.holds()


def test_a_change_is_live_and_a_broken_file_keeps_what_was_in_force(fortress: Fortress) -> None:
    there = [{"name": "main", "image": ELSEWHERE}]
    fortress.write(images={"registries": ["registry.example.com/"], "requireDigest": True})
    poll("the new policy to be live", lambda: fortress.refusal(containers=there) == "")
    assert "STO-07 " in fortress.refusal(containers=[{"name": "main", "image": IMAGE}])
    broken = fortress.directory / "validating" / "broken.yaml"
    log = fortress.cluster.logs_dir / "kube-apiserver.log"
    broken.write_text("kind: [")
    try:
        poll("the API server to have read it", lambda: "reloading manifest config" in log.read_text())
        assert fortress.refusal(containers=there) == ""
        assert "USE-04 " in fortress.refusal(nodeName="sg-gpu-1")
    finally:
        broken.unlink()
    fortress.write()
    poll("the old policy to be back", lambda: "STO-07 " in fortress.refusal(containers=there))
    fortress.holds()


def test_static_manifests_hold_from_the_first_request_after_a_restart(fortress: Fortress) -> None:
    for kill in (False, True):
        fortress.cluster.restart_apiserver(kill=kill)
        fortress.holds()


def _path(name: str) -> str:
    """Return where the API server has an object, by its name as kubectl prints it."""
    singular, _, own = name.partition("/")
    kind = singular.partition(".")[0]
    plural = f"{kind.removesuffix('y')}ies" if kind.endswith("y") else f"{kind}s"
    return f"/apis/admissionregistration.k8s.io/v1/{plural}/{own}"


class Anchored:
    """A cluster with Daulat on it, whose API server holds an anchor, and a policy that the operator keeps in force."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.directory = world, directory
        self.policy, self.namespace = world.govern()

    @property
    def admin(self) -> Kubectl:
        """Somebody in system:masters."""
        return self.world.admin

    def names(self) -> list[str]:
        """Return every admission policy and binding of Daulat's, as kubectl names them."""
        found = self.admin.run("get", ALL, "-o", "name").split()
        return [name for name in found if name.endswith(".daulat.dev")]

    def denied(self, *arguments: str, stdin: str | None = None) -> None:
        """See that the anchor refuses this to system:masters."""
        with pytest.raises(ClusterError, match=r"MGD-08 metadata\.name"):
            self.admin.run(*arguments, stdin=stdin)

    def refuses(self, method: str, name: str, body: Manifest | None = None) -> None:
        """See the same of a request by name, without kubectl, which takes most of the time of hundreds of them."""
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self._server.ask(method, _path(name), body, content_type=content_type)
        assert "MGD-08 metadata.name" in answer.text, (method, name, body, answer)

    def read(self) -> dict[str, Manifest]:
        """Return every admission policy and binding of Daulat's, by name."""
        return {name: self._server.must("GET", _path(name)) for name in self.names()}

    @cached_property
    def _server(self) -> Server:
        """The API server, as system:masters."""
        return Server(self.admin.kubeconfig)

    def holds(self) -> None:
        """See that pods are still refused."""
        bad = pod_manifest("p", self.namespace, nodeName="sg-gpu-1")
        assert "USE-04 " in self.world.refusal(bad, "--dry-run=server")


@pytest.fixture(scope="module")
def anchored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anchored]:
    """A cluster where the anchor is put down after the chart was installed, as the documentation says."""
    directory = tmp_path_factory.mktemp("anchor")
    compiled("--anchor", "--output-dir", directory)
    anchor = directory / "validating" / "daulat-anchor.yaml"
    anchor.unlink()
    world = raise_world(
        unique("anchor"), tmp_path_factory.mktemp("operator"), lambda line: None, apiserver_args=flag(directory)
    )
    try:
        compiled("--anchor", "--output-dir", directory)
        made = Anchored(world, directory)

        def live() -> bool:
            try:
                world.admin.run(
                    "delete", "validatingadmissionpolicy", f"{made.policy}.pods.daulat.dev", "--dry-run=server"
                )
            except ClusterError as error:
                return "MGD-08" in str(error)
            return False

        poll("the anchor to be live", live)
        yield made
    finally:
        lower(world)


def test_system_masters_can_delete_nothing_of_daulats(anchored: Anchored) -> None:
    names = anchored.names()
    assert len(names) > 10
    anchored.denied("delete", names[0])
    for name in names:
        anchored.refuses("DELETE", name)
        anchored.refuses("DELETE", name, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    for kind in ALL.split(","):
        anchored.denied("delete", kind, "--all")
        anchored.denied("delete", "--raw", f"/apis/admissionregistration.k8s.io/v1/{kind}")
    assert anchored.names() == names
    anchored.holds()


def test_system_masters_can_loosen_nothing_of_daulats(anchored: Anchored) -> None:
    before = anchored.read()
    patches: dict[str, list[dict[str, Any]]] = {
        "Policy": [
            {"spec": {"failurePolicy": "Ignore"}},
            {"spec": {"matchConditions": [{"name": "never", "expression": "false"}]}},
            {"spec": {"matchConstraints": {"namespaceSelector": {"matchLabels": {"no": "body"}}}}},
        ],
        "PolicyBinding": [
            {"spec": {"validationActions": ["Audit"]}},
            {"spec": {"matchResources": {"namespaceSelector": {"matchLabels": {"no": "body"}}}}},
        ],
        "": [
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": None, "daulat.dev/policy": None, "x": "y"}}},
            {"metadata": {"finalizers": ["example.com/mine"]}},
        ],
    }
    for name, raw in before.items():
        fitting = patches["PolicyBinding" if raw["kind"].endswith("Binding") else "Policy"] + patches[""]
        if raw["kind"].startswith("Mutating"):
            fitting = [p for p in fitting if "validationActions" not in p.get("spec", {})]
        if raw["spec"].get("failurePolicy") == "Ignore":
            # What only warns fails open already; that it can't be made to refuse is the anchor's as well.
            fitting = [{"spec": {"failurePolicy": "Fail"}}, *fitting[1:]]
        for patch in fitting:
            anchored.refuses("PATCH", name, patch)
    name = f"validatingadmissionpolicy.admissionregistration.k8s.io/{anchored.policy}.pods.daulat.dev"
    body = json.dumps({**before[name], "spec": {**before[name]["spec"], "failurePolicy": "Ignore"}})
    anchored.denied("replace", "-f", "-", stdin=body)
    anchored.denied(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=x",
        "-f",
        "-",
        stdin=json.dumps(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": f"{anchored.policy}.pods.daulat.dev"},
                "spec": {"failurePolicy": "Ignore"},
            }
        ),
    )
    # The status is the controller manager's, and takes no labels along.
    unlabel = '--patch={"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}'
    anchored.admin.run("patch", name, "--subresource=status", "--type=merge", unlabel)
    after = anchored.read()
    for name, raw in before.items():
        assert after[name]["spec"] == raw["spec"]
        assert after[name]["metadata"]["labels"] == raw["metadata"]["labels"]
    anchored.holds()


def _mutating(name: str, resources: list[str], expression: str, group: str = "") -> list[dict[str, Any]]:
    head = {"apiVersion": "admissionregistration.k8s.io/v1"}
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": resources}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": {"resourceRules": [rule]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }
    return [
        {**head, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {**head, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": {"policyName": name}},
    ]


def test_system_masters_can_not_make_a_look_alike(anchored: Anchored) -> None:
    loose = '[JSONPatch{op: "remove", path: "/spec/nodeSelector"}]'
    for manifest in _mutating("x.pin.daulat.dev", ["pods"], loose):
        anchored.denied("create", "-f", "-", stdin=json.dumps(manifest))
    (manifest, _) = _mutating("team-x", ["pods"], loose)
    for labels in ({"daulat.dev/policy": anchored.policy}, {"app.kubernetes.io/managed-by": "daulat"}):
        body = {**manifest, "metadata": {"name": "team-x", "labels": labels}}
        anchored.denied("create", "-f", "-", stdin=json.dumps(body))
    # A binding of others to Daulat's policy only adds to it: it can't take the operator's away.
    more = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "team-x"},
        "spec": {"policyName": f"{anchored.policy}.pods.daulat.dev", "validationActions": ["Audit"]},
    }
    anchored.admin.create(more)
    anchored.holds()
    anchored.admin.run("delete", "validatingadmissionpolicybinding", "team-x")


def test_a_mutating_policy_of_somebody_else_undoes_neither_the_pin_nor_the_bindings(anchored: Anchored) -> None:
    world, namespace = anchored.world, anchored.namespace
    unpin = 'has(object.spec.nodeSelector) ? [JSONPatch{op: "remove", path: "/spec/nodeSelector"}] : []'
    audit = '[JSONPatch{op: "replace", path: "/spec/validationActions", value: ["Audit"]}]'
    group = "admissionregistration.k8s.io"
    manifests = [
        *_mutating("a-first", ["pods"], unpin),
        *_mutating("z-last", ["pods"], unpin),
        *_mutating("b-loosen", ["validatingadmissionpolicybindings"], audit, group),
    ]
    anchored.admin.apply(manifests)

    def unpinned() -> bool:
        # It is live: pods that nobody governs lose their nodeSelector.
        body = json.dumps(pod_manifest("p", "default", nodeSelector={"a": "b"}))
        made = json.loads(anchored.admin.run("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=body))
        return "nodeSelector" not in made["spec"]

    try:
        poll("the other policies to be live", unpinned)
        # Pinned again after it was unpinned, or refused without the pin; never let in without it.
        body = json.dumps(pod_manifest("p", namespace))
        arguments = ("create", "--dry-run=server", "-o", "json", "-f", "-")
        refusal = world.refusal(json.loads(body), "--dry-run=server")
        pinned = {} if refusal else json.loads(anchored.admin.run(*arguments, stdin=body))["spec"]["nodeSelector"]
        assert "USE-01 " in refusal or pinned == {PREFIX + anchored.policy: "eligible"}
        # The operator's own writes come through as they are, too.
        world.admin.run(
            "patch",
            "sovereigntypolicy",
            anchored.policy,
            "--type=merge",
            '--patch={"spec": {"controls": {"USE-17": "Warn"}}}',
        )
        warn = f"{anchored.policy}.pods.warn.daulat.dev"
        poll("the operator to update", lambda: world.exists("validatingadmissionpolicybinding", warn))
        assert world.get("validatingadmissionpolicybinding", warn)["spec"]["validationActions"] == ["Warn", "Audit"]
        anchored.holds()
    finally:
        kinds = "mutatingadmissionpolicybindings,mutatingadmissionpolicies"
        anchored.admin.run("delete", kinds, "a-first", "z-last", "b-loosen", "--ignore-not-found")


def test_the_operator_goes_on_updating_and_removing_what_it_made(anchored: Anchored) -> None:
    world = anchored.world
    policy, namespace = world.govern()
    revision = world.get("sovereigntypolicy", policy)["status"]["revision"]
    wider = {"registries": ["registry.example.my/", "registry.example.org/"], "requireDigest": True}
    world.admin.apply([policy_manifest(policy, images=wider)])
    poll("a new revision", lambda: world.get("sovereigntypolicy", policy)["status"]["revision"] != revision)
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    world.remove(namespace, policy)
    poll("what it compiled to to go", lambda: not any(f"/{policy}." in name for name in anchored.names()))


def test_the_chart_s_guards_and_the_kinds_stay(anchored: Anchored) -> None:
    for name in ("nodes.cluster.daulat.dev", "namespaces.cluster.daulat.dev", "operator.cluster.daulat.dev"):
        anchored.denied("delete", "validatingadmissionpolicy", name)
        anchored.denied("delete", "validatingadmissionpolicybinding", name)
    anchored.denied("delete", "crd", "sovereigntypolicies.daulat.dev")
    served = '[{"op": "replace", "path": "/spec/versions/0/served", "value": false}]'
    anchored.denied("patch", "crd", "sovereigntypolicies.daulat.dev", "--type=json", f"--patch={served}")
    # A write that changes nothing is let through, as those of storage version migration are.
    raw = anchored.admin.run("get", "validatingadmissionpolicy", "nodes.cluster.daulat.dev", "-o", "json")
    anchored.admin.run("replace", "-f", "-", stdin=raw)


def test_whoever_holds_the_control_plane_lifts_the_anchor_and_puts_it_back(anchored: Anchored) -> None:
    name = f"{anchored.policy}.pods.daulat.dev"
    (anchored.directory / "validating" / "daulat-anchor.yaml").unlink()

    def lifted() -> bool:
        try:
            anchored.admin.run("delete", "validatingadmissionpolicy", name, "--dry-run=server")
        except ClusterError:
            return False
        return True

    poll("the anchor to be lifted", lifted)
    compiled("--anchor", "--output-dir", anchored.directory)
    poll("the anchor to be back", lambda: not lifted())
    anchored.world.cluster.restart_apiserver()
    anchored.denied("delete", "validatingadmissionpolicy", name)
    anchored.holds()
