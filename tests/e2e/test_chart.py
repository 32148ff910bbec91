"""The chart on a real API server: what Helm does with it, what the kinds say, whom its roles and guards let do what."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from daulat.admission.cluster import Installation, compile_cluster_guards, of_deployment
from daulat.api.kinds import KINDS
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, evaluate
from dev.cluster import build
from dev.cluster.cluster import Cluster
from dev.cluster.connect import connect
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kubectl
from dev.cluster.kubernetes import versions
from tests.rights import OPERATOR_MAY, OWN, PLURALS, READ, flat

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/daulat"
NAMESPACE = "daulat-system"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:daulat"
SITE = "daulat.node-restriction.kubernetes.io/site"
DATA_CLASS = "daulat.dev/data-class"
NODE = "ascend-1"
TENANT = "treasury"
# Without mutating policies the operator may annotate namespaces, and a guard of its own keeps it from more.
ANNOTATES = not versions.offered().has("pin")
GUARDS = {m["metadata"]["name"] for m in compile_cluster_guards()} | {"operator.cluster.daulat.dev"}
GUARDS |= {"operator-annotations.cluster.daulat.dev"} if ANNOTATES else set()

# A policy takes a second or two to be live after it is created, and RBAC a moment.
LIVE_SECONDS = 30.0
POLL_SECONDS = 0.1

# Who may patch nodes and namespaces; whether also their labels of record is what the guards decide.
EDITOR = [
    {"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["get", "create", "update", "patch"]},
    {
        "apiGroups": [""],
        "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
        "verbs": ["get", "create", "update", "patch"],
    },
]


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + LIVE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {LIVE_SECONDS:.0f} s"
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Helm:
    """The real helm, with nothing of this user's own settings."""

    command: str
    kubeconfig: Path
    home: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever comes of it."""
        places = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **places, "KUBECONFIG": str(self.kubeconfig)}
        command = [self.command, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)

    def __call__(self, *arguments: str) -> str:
        """Run it and return what it prints; it must succeed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout


@dataclass(frozen=True)
class World:
    """One control plane, and helm and kubectl for it."""

    cluster: Cluster
    binaries: build.Binaries
    helm: Helm

    def kubectl(self, user: str = "admin", groups: Sequence[str] = ()) -> Kubectl:
        """As this user, by a certificate of theirs."""
        return Kubectl(self.binaries["kubectl"], self.cluster.kubeconfig(user, groups))

    def refusal(self, user: str, *arguments: str, stdin: str | None = None, groups: Sequence[str] = ()) -> str:
        """What the API server says when it refuses the request; empty where it doesn't."""
        try:
            self.kubectl(user, groups).run(*arguments, stdin=stdin)
        except ClusterError as refused:
            return str(refused)
        return ""

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object or a list of them, as the administrator."""
        answer: dict[str, Any] = json.loads(self.kubectl().run("get", *arguments, "-o", "json"))
        return answer

    def uids(self, resource: str) -> dict[str, str]:
        """The uid of every object of a cluster-scoped kind, by name."""
        return {i["metadata"]["name"]: i["metadata"]["uid"] for i in self.get(resource)["items"]}

    def install(self) -> None:
        """Install the release, and wait until its guards refuse: existing isn't enough."""
        self.helm("install", "daulat", str(CHART), "--namespace", NAMESPACE)
        # By the policy's name: what it says is for the tests to judge.
        relabel, reclassify = label_node("--dry-run=server"), classify("--dry-run=server")
        for name, trial in (("nodes.cluster.daulat.dev", relabel), ("namespaces.cluster.daulat.dev", reclassify)):
            eventually(f"{name} refuses", partial(self._refuses, name, trial))
        eventually("operator.cluster.daulat.dev refuses", self._operator_is_guarded)

    def _refuses(self, policy: str, request: Sequence[str]) -> bool:
        return policy in self.refusal("mallory", *request)

    def _operator_is_guarded(self) -> bool:
        said = self.refusal("admin", "create", "-f", "-", f"--as={OPERATOR}", stdin=pod(f"p-{uuid.uuid4().hex[:8]}"))
        return "operator.cluster.daulat.dev" in said


def label_node(*options: str, value: str = '"elsewhere"', node: str = NODE) -> list[str]:
    """A patch that sets the site of a node, or with null takes it away."""
    body = f'{{"metadata": {{"labels": {{"{SITE}": {value}}}}}}}'
    return ["patch", "node", node, "--type=merge", f"--patch={body}", *options]


def classify(*options: str, value: str = '"public"') -> list[str]:
    """A patch that sets the data class of a namespace, or with null takes it away."""
    body = f'{{"metadata": {{"labels": {{"{DATA_CLASS}": {value}}}}}}}'
    return ["patch", "namespace", TENANT, "--type=merge", f"--patch={body}", *options]


def pod(name: str) -> str:
    """A pod that asks for nothing."""
    spec = {"containers": [{"name": "main", "image": "registry.example.my/pause:1"}]}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": TENANT}, "spec": spec}
    )


def zone(name: str, selector: dict[str, Any]) -> dict[str, Any]:
    """A zone that is valid where its name and selector are."""
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignZone",
        "metadata": {"name": name},
        "spec": {
            "country": "MY",
            "facility": {"name": "Cyberjaya DC 1"},
            "operator": {"legalName": "Example Sdn Bhd", "country": "MY", "ultimateParentCountry": "MY"},
            "maximumDataClass": "confidential",
            "nodeSelector": selector,
        },
    }


def model(name: str) -> dict[str, Any]:
    """A small valid model."""
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignModel",
        "metadata": {"name": name, "namespace": TENANT},
        "spec": {
            "model": {
                "name": "qwen",
                "uri": f"oci://registry.example.my/models/qwen@sha256:{'0' * 64}",
                "developer": "qwen",
                "originCountry": "CN",
                "license": "Apache-2.0",
            },
            "accelerators": [{"profile": "huawei-ascend-910b", "count": 1}],
        },
    }


def _people() -> list[dict[str, Any]]:
    rbac = "rbac.authorization.k8s.io"

    def bind(user: str, role: str) -> dict[str, Any]:
        return {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"test-{user}-{role}"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
        }

    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": "test-editor"}, "rules": EDITOR}
    editors = [bind(user, "test-editor") for user in ("mallory", "zoe", "pam")]
    roles = {
        "zoe": "daulat-zone-admin",
        "pam": "daulat-policy-admin",
        "cyril": "daulat-exemption-approver",
        "vera": "view",
    }
    return [role, *editors, *(bind(user, name) for user, name in roles.items())]


@pytest.fixture(scope="module")
def chart_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    cluster = connect("embedded", f"chart-{uuid.uuid4().hex[:8]}")
    try:
        cluster.up()
        binaries = build.ensure(lambda _message: None)
        helm = Helm(binaries["helm"], cluster.kubeconfig(), tmp_path_factory.mktemp("helm"))
        yield World(cluster, binaries, helm)
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def world(chart_cluster: World) -> World:
    """A release that is installed and in force, a node and a namespace of record, and people with different rights."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    chart_cluster.kubectl().apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": restricted}},
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": TENANT, "labels": {DATA_CLASS: "confidential"}},
            },
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {SITE: "cyberjaya-1"}}},
            *_people(),
        ]
    )
    chart_cluster.install()
    return chart_cluster


# --- the chart


def test_the_chart_is_linted_and_rendered_without_a_word(chart_cluster: World) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in chart_cluster.helm("lint", "--strict", str(CHART))
    rendered = [d for d in yaml.safe_load_all(chart_cluster.helm("template", "daulat", str(CHART))) if d]
    # Helm takes the newest Kubernetes that it knows, where it isn't told another.
    found = {d["metadata"]["name"] for d in rendered if d["kind"] == "ValidatingAdmissionPolicy"}
    assert found == GUARDS - {"operator-annotations.cluster.daulat.dev"}
    assert not [d for d in rendered if d["kind"] in {"Namespace", "Secret", "CustomResourceDefinition"}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("replica=3", "additional properties 'replica' not allowed"),
        ("replicas=6", "/replicas"),
        ("image.digest=sha256:abc", "/image/digest"),
        ("runAsUser=0", "/runAsUser"),
        ("pin=Always", "/pin"),
        ("guards.enable=false", "additional properties 'enable' not allowed"),
        ("acceleratorProfiles.exclude={nvidia-h21}", 'the chart ships no profile "nvidia-h21"'),
    ],
)
def test_a_bad_value_is_refused(chart_cluster: World, value: str, said: str) -> None:
    result = chart_cluster.helm.run("template", "daulat", str(CHART), "--set", value)
    assert result.returncode != 0
    assert said in result.stderr


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"operator": {"args": ["--workers=4", '--it\'s <here> & "there"']}},
        {
            "pin": "Refuse",
            "models": {"fixedUser": False},
            "runAsUser": None,
            "nodeSelector": {"example.my/site": "it's"},
        },
        {"prometheus": {"address": "http://p:9090", "wakeQuery": "a{b='c'} > 0", "podMonitorLabels": {"release": "x"}}},
        {"dns": {"namespace": "openshift-dns", "podLabels": {"a/b": "c"}, "port": 5353}},
        {"image": {"digest": "sha256:" + "1a" * 32}, "weights": {"image": "registry.example.my/w@sha256:" + "2b" * 32}},
        {"serviceAccount": {"name": "keeper"}, "tolerations": [{"operator": "Exists"}], "podAnnotations": {"a": "b"}},
        {
            "operator": {
                "env": [
                    {"name": "A", "value": 'it\'s "quoted"\nand more'},
                    {"name": "B"},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
                    {"name": "E", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
                ]
            }
        },
    ],
)
def test_the_guard_of_the_operators_pods_knows_them_as_the_same_values_render_them(
    chart_cluster: World, tmp_path: Path, values: dict[str, Any]
) -> None:
    """Whatever the values say, the Deployment's own pods pass, and the guard is what daulat compiles for that Deployment."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    text = chart_cluster.helm("template", "daulat", str(CHART), "--namespace", NAMESPACE, "-f", str(file))
    rendered = [d for d in yaml.safe_load_all(text) if d]
    (deployment,) = (d for d in rendered if d["kind"] == "Deployment")
    policies = {d["metadata"]["name"]: d["spec"] for d in rendered if d["kind"] == "ValidatingAdmissionPolicy"}
    guard = policies["software.cluster.daulat.dev"]
    installation = of_deployment(deployment, Installation(NAMESPACE))
    (compiled,) = (
        m["spec"]
        for m in compile_cluster_guards(installation)
        if (m["kind"], m["metadata"]["name"]) == ("ValidatingAdmissionPolicy", "software.cluster.daulat.dev")
    )
    assert _constants(guard) == _constants(compiled)
    pod = {"metadata": {"name": "p"}, "spec": deployment["spec"]["template"]["spec"]}
    assert evaluate({"spec": guard}, Request(pod, namespace=NAMESPACE)).violations == ()
    pod["spec"]["containers"][0]["args"] = ["weights"]
    assert evaluate({"spec": guard}, Request(pod, namespace=NAMESPACE)).violations != ()


def _constants(guard: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the variables that are constants, for two texts of JSON may say the same."""
    found = {}
    for variable in guard["variables"]:
        with suppress(ValueError):
            found[variable["name"]] = json.loads(variable["expression"])
    return found


def test_an_older_kubernetes_is_refused(chart_cluster: World) -> None:
    result = chart_cluster.helm.run("template", "daulat", str(CHART), "--kube-version", "1.29.9")
    assert result.returncode != 0
    assert ">=1.30.0-0" in result.stderr


@pytest.mark.parametrize(
    ("options", "annotates"),
    [
        ((), False),
        (("--kube-version", "1.30.0"), True),
        (("--kube-version", "v1.31.1-gke.100"), True),
        (("--kube-version", "1.35.4"), True),
        # Who switches the beta on may switch it off again.
        (("--kube-version", "1.35.4", "--api-versions", "admissionregistration.k8s.io/v1beta1"), True),
        (("--kube-version", "1.36.0"), False),
        (("--kube-version", "1.31.1", "--set", "pin=Refuse"), False),
        (("--kube-version", "1.35.4", "--set", "pin=MutatingAdmissionPolicy"), False),
        (("--kube-version", "1.37.2", "--set", "pin=PodNodeSelector"), True),
        (("--kube-version", "1.37.2", "--set", "pin=OpenShift"), True),
    ],
)
def test_the_operator_may_patch_namespaces_only_where_it_pins_by_an_annotation(
    chart_cluster: World, options: tuple[str, ...], annotates: bool
) -> None:
    rendered = [d for d in yaml.safe_load_all(chart_cluster.helm("template", "daulat", str(CHART), *options)) if d]
    roles = {d["metadata"]["name"]: d["rules"] for d in rendered if d["kind"] == "ClusterRole"}
    patching = {
        name
        for name, rules in roles.items()
        for rule in rules
        if "namespaces" in rule["resources"] and {"patch", "update"} & {*rule["verbs"]}
    }
    assert patching == ({"daulat-operator-namespaces"} if annotates else set())
    bound = {d["roleRef"]["name"] for d in rendered if d["kind"] == "ClusterRoleBinding"}
    assert ("daulat-operator-namespaces" in bound) is annotates
    (operator,) = (d for d in rendered if d["kind"] == "Deployment")
    env = {e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env.get("DAULAT_PIN", "Auto") == next((o[4:] for o in options if o.startswith("pin=")), "Auto")


def test_excluded_profiles_and_guards_turned_off_are_left_out(chart_cluster: World) -> None:
    values = ["--set", "acceleratorProfiles.exclude={nvidia-h20}", "--set", "guards.enabled=false"]
    rendered = [d for d in yaml.safe_load_all(chart_cluster.helm("template", "daulat", str(CHART), *values)) if d]
    profiles = {d["metadata"]["name"] for d in rendered if d["kind"] == "AcceleratorProfile"}
    assert profiles == set(accelerators.shipped()) - {"nvidia-h20"}
    # What restricts only the operator stays.
    policies = {d["metadata"]["name"] for d in rendered if d["kind"] == "ValidatingAdmissionPolicy"}
    assert policies == {"operator.cluster.daulat.dev"}


def test_the_operators_pod_meets_the_restricted_standard(world: World) -> None:
    template = world.get("-n", NAMESPACE, "deployment", "daulat")["spec"]["template"]
    trial = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial", **template["metadata"]}}
    manifest = json.dumps({**trial, "spec": template["spec"]})
    world.kubectl().run("create", "-n", NAMESPACE, "--dry-run=server", "-f", "-", stdin=manifest)


def test_every_object_of_the_release_is_labelled_as_helms(world: World) -> None:
    for resource, names in (("validatingadmissionpolicies", GUARDS), ("accel", set(accelerators.shipped()))):
        labels = {i["metadata"]["name"]: i["metadata"]["labels"] for i in world.get(resource)["items"]}
        assert set(labels) == names
        for each in labels.values():
            assert each["app.kubernetes.io/managed-by"] == "Helm"
            assert each["app.kubernetes.io/part-of"] == "daulat"


def test_the_api_server_finds_no_fault_in_the_guards_expressions(world: World) -> None:
    def checked() -> bool:
        statuses = [i.get("status", {}) for i in world.get("validatingadmissionpolicies")["items"]]
        return all("typeChecking" in s for s in statuses)

    eventually("the guards are type checked", checked)
    statuses = [i["status"]["typeChecking"] for i in world.get("validatingadmissionpolicies")["items"]]
    assert [s for s in statuses if s.get("expressionWarnings")] == []


# --- the kinds


def test_the_kinds_explain_themselves(world: World) -> None:
    explained = world.kubectl().run("explain", "sovereignmodel.spec.model.uri")
    assert "FIELD: uri <string>" in explained
    assert "oci://REGISTRY/REPOSITORY" in explained


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.short)
def test_short_names_and_printer_columns(world: World, kind: Any) -> None:
    objects = {"SovereignZone": zone("columns", {"matchLabels": {SITE: "x"}}), "SovereignModel": model("columns")}
    if kind.kind in objects:
        world.kubectl().apply([objects[kind.kind]])
        headings = world.kubectl().run("get", kind.short, "-A").splitlines()[0].split()
        namespaced = ["NAMESPACE"] if kind.scope == "Namespaced" else []
        assert headings == [*namespaced, "NAME", *[c.name.upper() for c in kind.columns if not c.priority]]
        world.kubectl().run("delete", kind.short, "columns", *(["-n", TENANT] if namespaced else []))
    names = world.get("crd", f"{kind.plural}.daulat.dev")["status"]["acceptedNames"]
    categories = ["daulat"] if kind.listed else []
    assert (names["shortNames"], names.get("categories", [])) == ([kind.short], categories)


def test_the_category_shows_what_users_declare_and_no_profiles(world: World) -> None:
    world.kubectl().apply([zone("category", {"matchLabels": {SITE: "x"}}), model("category")])
    shown = world.kubectl().run("get", "daulat", "-A", "-o", "name")
    world.kubectl().run("delete", "szone/category")
    world.kubectl().run("delete", "-n", TENANT, "smodel/category")
    assert "sovereignzone.daulat.dev/category" in shown
    assert "sovereignmodel.daulat.dev/category" in shown
    assert "acceleratorprofile" not in shown


def test_an_invalid_object_is_told_by_the_rule_that_it_breaks(world: World) -> None:
    manifest = json.dumps(zone("everywhere", {}))
    said = world.refusal("admin", "create", "--dry-run=server", "-f", "-", stdin=manifest)
    assert "the selector must name at least one label: an empty selector would select everything" in said


def test_a_models_scale_can_be_set(world: World) -> None:
    world.kubectl().apply([model("scaled")])
    world.kubectl().run("scale", "-n", TENANT, "smodel/scaled", "--replicas=3")
    assert world.get("-n", TENANT, "smodel", "scaled")["spec"]["replicas"] == 3
    world.kubectl().run("delete", "-n", TENANT, "smodel/scaled")


# --- who may do what

OPERATOR_MAY_NOT: list[tuple[str, str, Sequence[str], str]] = [
    ("", "secrets", (*OWN, "update"), ""),
    ("", "secrets", READ, NAMESPACE),
    ("", "configmaps", OWN, ""),
    ("", "pods", ("patch", "update", "deletecollection"), ""),
    *[
        ("", f"pods/{s}", ("create", "get"), "")
        for s in ("exec", "attach", "portforward", "ephemeralcontainers", "binding")
    ],
    ("", "bindings", ("create",), ""),
    ("", "serviceaccounts/token", ("create",), ""),
    ("", "nodes", ("create", "update", "delete"), ""),
    ("", "nodes/status", ("patch",), ""),
    ("", "nodes/proxy", ("get",), ""),
    ("", "namespaces", ("create", "patch", "update", "delete"), ""),
    ("apps", "daemonsets", OWN, ""),
    ("gateway.networking.k8s.io", "gateways", ("create", "patch", "update", "delete"), ""),
    *[
        ("resource.k8s.io", r, ("create", "patch", "update", "delete"), "")
        for r in ("resourceslices", "resourceclaims", "resourceclaims/status", "deviceclasses")
    ],
    *[("daulat.dev", r, ("create", "update", "patch", "delete"), "") for r in PLURALS],
    ("apiextensions.k8s.io", "customresourcedefinitions", ("create", "patch", "delete"), ""),
    *[("rbac.authorization.k8s.io", r, OWN, "") for r in ("roles", "clusterroles", "clusterrolebindings")],
    ("authentication.k8s.io", "tokenreviews", ("create",), ""),
    ("coordination.k8s.io", "leases", ("get", "create", "patch"), "kube-system"),
    ("coordination.k8s.io", "leases", ("delete",), NAMESPACE),
    ("", "users", ("impersonate",), ""),
]


def answers(world: World, user: str, groups: list[str], asked: list[tuple[str, str, str, str]]) -> list[bool]:
    """Ask the API server's own authorizers, all in one call."""
    reviews = []
    for group, resource, verb, namespace in asked:
        name, _, subresource = resource.partition("/")
        attributes = {
            "group": group,
            "resource": name,
            "subresource": subresource,
            "verb": verb,
            "namespace": namespace,
        }
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        reviews.append({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    # One word an object: as JSON, kubectl prints them one after the other without a list around them.
    words = world.kubectl().run("create", "-f", "-", '-o=jsonpath={.status.allowed}{" "}', stdin=manifest).split()
    assert len(words) == len(asked)
    return [word == "true" for word in words]


GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]


def test_the_operator_may_do_what_it_has_to(world: World) -> None:
    asked = flat(OPERATOR_MAY)
    assert [a for a, yes in zip(asked, answers(world, OPERATOR, GROUPS, asked), strict=True) if not yes] == []


def test_the_operator_may_do_nothing_else(world: World) -> None:
    asked = [a for a in flat(OPERATOR_MAY_NOT) if not (ANNOTATES and a[1:3] == ("namespaces", "patch"))]
    assert [a for a, yes in zip(asked, answers(world, OPERATOR, GROUPS, asked), strict=True) if yes] == []


def test_the_operators_role_grants_exactly_the_list(world: World) -> None:
    granted = set()
    for rule in world.get("clusterrole", "daulat-operator")["rules"]:
        assert "resourceNames" not in rule
        granted |= {(g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
    assert granted == {
        (group, resource, verb) for group, resource, verb, namespace in flat(OPERATOR_MAY) if not namespace
    }


def test_no_role_of_the_chart_has_a_wildcard(world: World) -> None:
    roles = world.get("clusterroles", "-l", "app.kubernetes.io/instance=daulat")["items"]
    assert len(roles) == 7 + ANNOTATES
    assert "*" not in json.dumps([rule for role in roles for rule in role["rules"]])


def test_the_builtin_roles_gain_the_kinds(world: World) -> None:
    everywhere = [("daulat.dev", r, "list", "") for r in PLURALS]
    eventually("view reads every kind", lambda: all(answers(world, "vera", [], everywhere)))
    assert answers(world, "vera", [], [("daulat.dev", "sovereignmodels", "create", TENANT)]) == [False]


def test_only_the_policy_admin_governs_and_only_the_zone_admin_certifies(world: World) -> None:
    verbs = {"sovereigntypolicies": "govern", "sovereignzones": "certify", "acceleratorprofiles": "certify"}
    asked = [("daulat.dev", r, v, "") for r, v in [*verbs.items(), ("sovereigntyexemptions", "approve")]]
    assert answers(world, "pam", [], asked) == [True, False, False, False]
    assert answers(world, "zoe", [], asked) == [False, True, True, False]
    assert answers(world, "cyril", [], asked) == [False, False, False, True]
    assert answers(world, "mallory", [], asked) == [False, False, False, False]


def test_only_named_components_certify_devices(chart_cluster: World) -> None:
    values = ["--set", "rbac.deviceComponents[0].namespace=nfd", "--set", "rbac.deviceComponents[0].name=worker"]
    rendered = [d for d in yaml.safe_load_all(chart_cluster.helm("template", "daulat", str(CHART), *values)) if d]
    (bound,) = [d for d in rendered if d["metadata"]["name"] == "daulat-device-component" and "subjects" in d]
    assert bound["subjects"] == [{"kind": "ServiceAccount", "name": "worker", "namespace": "nfd"}]
    (role,) = [d for d in rendered if d["metadata"]["name"] == "daulat-device-component" and "rules" in d]
    assert role["rules"] == [{"apiGroups": ["daulat.dev"], "resources": ["acceleratorprofiles"], "verbs": ["certify"]}]


# --- the guards


def test_the_operator_tries_pods_out_and_cannot_keep_one(world: World) -> None:
    world.kubectl().run("create", "--dry-run=server", "-f", "-", f"--as={OPERATOR}", stdin=pod("canary"))
    said = world.refusal("admin", "create", "-f", "-", f"--as={OPERATOR}", stdin=pod("canary"))
    assert "it may only try pods out as a dry run" in said


def test_others_create_pods_as_before(world: World) -> None:
    world.kubectl().run("create", "-f", "-", stdin=pod("ordinary"))
    world.kubectl().run("delete", "pod", "-n", TENANT, "ordinary", "--now")


def _operator_pods(world: World) -> list[dict[str, Any]]:
    selector = "app.kubernetes.io/component=operator"
    return [p for p in world.get("-n", NAMESPACE, "pods", "-l", selector)["items"] if _lives(p)]


def _lives(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def _as_operator(name: str, image: str, account: str = "daulat", **container: Any) -> str:
    """A pod in the operator's namespace as the chart renders it, but for its image and what is given."""
    context = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    env = [
        {"name": "DAULAT_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "DAULAT_WEIGHTS_IMAGE", "value": image.partition("@")[0]},
    ]
    own = {"args": ["operator"], "env": env, "securityContext": context, **container}
    spec = {
        "serviceAccountName": account,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "operator", "image": image, **own}],
    }
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
    return json.dumps(manifest)


def test_the_operator_runs_and_runs_the_releases_image_alone(world: World) -> None:
    eventually("the operator's pods come up", lambda: len(_operator_pods(world)) == 2)
    image = _operator_pods(world)[0]["spec"]["containers"][0]["image"]
    create = ["create", "--dry-run=server", "-f", "-"]
    assert "MGD-08 spec.containers" in world.refusal(
        "admin", *create, stdin=_as_operator("x", "registry.example.my/x:1")
    )
    said = world.refusal("admin", *create, stdin=_as_operator("x", image, command=["sh"]))
    assert 'MGD-08 spec.containers["operator"].command: "sh"' in said
    assert world.refusal("admin", *create, stdin=_as_operator("x", image)) == ""
    assert world.refusal("admin", *create, stdin=_as_operator("x", image + "@sha256:" + "1a" * 32)) == ""
    # Others in its namespace, and accounts of that name elsewhere, are nobody's business.
    world.kubectl().run("create", "serviceaccount", "other", "-n", NAMESPACE)
    assert world.refusal("admin", *create, stdin=_as_operator("x", "registry.example.my/x:1", account="other")) == ""
    # A running pod's image can't be changed either.
    name = _operator_pods(world)[0]["metadata"]["name"]
    said = world.refusal("admin", "set", "image", f"pod/{name}", "-n", NAMESPACE, "operator=registry.example.my/x:1")
    assert "MGD-08" in said


def test_nobody_without_govern_reaches_into_the_operator(world: World) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec", "pods/attach", "pods/portforward"], "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["get", "patch", "update"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token", "secrets"], "verbs": ["create"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": "test-support", "namespace": NAMESPACE}}
    subjects = [{"apiGroup": rbac, "kind": "User", "name": user} for user in ("sam", "pam")]
    ref = {"apiGroup": rbac, "kind": "Role", "name": "test-support"}
    binding = {**head, "kind": "RoleBinding", "roleRef": ref, "subjects": subjects}
    world.kubectl().apply([{**head, "kind": "Role", "rules": rules}, binding])
    eventually("the operator's pods come up", lambda: len(_operator_pods(world)) == 2)
    name = _operator_pods(world)[0]["metadata"]["name"]
    pod = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "token",
            "namespace": NAMESPACE,
            "annotations": {"kubernetes.io/service-account.name": "daulat"},
        },
        "type": "kubernetes.io/service-account-token",
    }
    # Within the namespace's Pod Security, so that nothing else refuses it first.
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "debug", "image": "registry.example.my/x:1", "securityContext": context}
    ephemeral = json.dumps({"spec": {"ephemeralContainers": [container]}})
    on_pod = ["patch", "pod", name, "-n", NAMESPACE, "--dry-run=server"]
    attempts: list[tuple[list[str], str | None]] = [
        (["exec", "-n", NAMESPACE, name, "--", "sh"], None),
        (["create", "--raw", f"{pod}/attach", "-f", "-"], ""),
        (["create", "--raw", f"{pod}/portforward", "-f", "-"], ""),
        (["create", "token", "daulat", "-n", NAMESPACE], None),
        (["create", "--dry-run=server", "-f", "-"], json.dumps(secret)),
        ([*on_pod, "--subresource=ephemeralcontainers", "--type=strategic", f"--patch={ephemeral}"], None),
    ]
    for arguments, stdin in attempts:
        eventually(
            f"{arguments} is refused by the guard",
            partial(_says, world, "sam", arguments, stdin, "MGD-08 metadata.name"),
        )
        # RBAC and the guard let a policy admin; there is no container behind it, or Pod Security objects.
        assert "MGD-08" not in world.refusal("pam", *arguments, stdin=stdin)
    # Accounts of others are others' business.
    world.kubectl("sam").run("create", "token", "default", "-n", NAMESPACE)


def _says(world: World, user: str, arguments: Sequence[str], stdin: str | None, what: str) -> bool:
    return what in world.refusal(user, *arguments, stdin=stdin)


def test_the_kinds_themselves_are_kept(world: World) -> None:
    rules = [{"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["*"]}]
    rules += [
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions/status"], "verbs": ["*"]}
    ]
    rbac = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": "test-crds"}}
    ref = {"apiGroup": rbac, "kind": "ClusterRole", "name": "test-crds"}
    subjects = [{"apiGroup": rbac, "kind": "User", "name": user} for user in ("mallory", "pam")]
    role = {**head, "kind": "ClusterRole", "rules": rules}
    world.kubectl().apply([role, {**head, "kind": "ClusterRoleBinding", "roleRef": ref, "subjects": subjects}])
    crd = "sovereigntypolicies.daulat.dev"
    delete = ["delete", "crd", crd, "--dry-run=server"]
    eventually("mallory is refused by the guard", partial(_says, world, "mallory", delete, None, "MGD-08 "))
    unserved = '--patch=[{"op": "replace", "path": "/spec/versions/0/served", "value": false}]'
    assert "MGD-08 " in world.refusal("mallory", "patch", "crd", crd, "--type=json", unserved)
    hidden = '--patch=[{"op": "replace", "path": "/status/conditions", "value": []}]'
    status = ["patch", "crd", crd, "--subresource=status", "--type=json", hidden, "--dry-run=server"]
    assert "MGD-08 " in world.refusal("mallory", *status)
    assert world.refusal("mallory", "annotate", "crd", crd, "example.my/x=y") == ""
    assert world.refusal("pam", *delete) == ""


SITE_REFUSED = f'MGD-02 metadata.labels["{SITE}"]: user "mallory" changed a label of record'
CLASS_REFUSED = f'MGD-13 metadata.labels["{DATA_CLASS}"]: user "mallory" changed a governing label'


@pytest.mark.parametrize("options", [[], ["--subresource=status"]], ids=["nodes", "nodes/status"])
@pytest.mark.parametrize("value", ['"elsewhere"', "null"], ids=["changed", "removed"])
def test_a_user_without_certify_changes_no_label_of_record(world: World, options: list[str], value: str) -> None:
    assert SITE_REFUSED in world.refusal("mallory", *label_node(*options, value=value))
    assert world.get("node", NODE)["metadata"]["labels"][SITE] == "cyberjaya-1"


def test_a_user_without_certify_creates_no_node_with_a_label_of_record(world: World) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "rogue", "labels": {SITE: "cyberjaya-1"}}}
    assert SITE_REFUSED in world.refusal("mallory", "create", "-f", "-", stdin=json.dumps(node))


@pytest.mark.parametrize("options", [[], ["--subresource=status"]], ids=["nodes", "nodes/status"])
def test_a_user_with_certify_changes_labels_of_record(world: World, options: list[str]) -> None:
    world.kubectl("zoe").run(*label_node(*options, value='"cyberjaya-2"'))
    assert world.get("node", NODE)["metadata"]["labels"][SITE] == "cyberjaya-2"
    world.kubectl("zoe").run(*label_node(*options, value='"cyberjaya-1"'))


def test_the_operator_changes_labels_of_record(world: World) -> None:
    world.kubectl().run(*label_node("--dry-run=server", f"--as={OPERATOR}"))


@pytest.mark.parametrize("path", ["", "/status"], ids=["nodes", "nodes/status"])
def test_a_kubelet_changes_no_label_of_record_of_its_own_node(world: World, path: str) -> None:
    node = world.get("node", NODE)
    node["metadata"]["labels"][SITE] = "elsewhere"
    # kubectl's patch of a status reads it first, which kubelets may not.
    request = ["replace", "--raw", f"/api/v1/nodes/{NODE}{path}", "-f", "-"]
    said = world.refusal(f"system:node:{NODE}", *request, stdin=json.dumps(node), groups=["system:nodes"])
    assert SITE in said
    assert "not allowed to modify labels" in said or "MGD-02" in said


def test_a_heartbeat_passes(world: World) -> None:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z",
    }
    body = json.dumps({"status": {"conditions": [condition]}})
    world.kubectl("mallory").run("patch", "node", NODE, "--subresource=status", "--type=strategic", f"--patch={body}")


def test_other_labels_of_a_node_are_anybodys(world: World) -> None:
    world.kubectl("mallory").run("label", "node", NODE, "team=ml")
    world.kubectl("mallory").run("label", "node", NODE, "team-")


@pytest.mark.parametrize("options", [[], ["--subresource=status"]], ids=["namespaces", "namespaces/status"])
@pytest.mark.parametrize("value", ['"public"', "null"], ids=["changed", "removed"])
def test_a_user_without_govern_reclassifies_no_namespace(world: World, options: list[str], value: str) -> None:
    assert CLASS_REFUSED in world.refusal("mallory", *classify(*options, value=value))
    assert world.get("namespace", TENANT)["metadata"]["labels"][DATA_CLASS] == "confidential"


def test_finalizing_is_no_way_to_reclassify_a_namespace(world: World) -> None:
    namespace = world.get("namespace", TENANT)
    del namespace["metadata"]["labels"][DATA_CLASS]
    finalize = ["replace", "--raw", f"/api/v1/namespaces/{TENANT}/finalize", "-f", "-"]
    assert CLASS_REFUSED in world.refusal("mallory", *finalize, stdin=json.dumps(namespace))


def test_a_user_without_govern_creates_no_classified_namespace(world: World) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "rogue", "labels": {DATA_CLASS: "public"}},
    }
    assert CLASS_REFUSED in world.refusal("mallory", "create", "-f", "-", stdin=json.dumps(manifest))


def test_a_user_with_govern_reclassifies_a_namespace(world: World) -> None:
    world.kubectl("pam").run(*classify(value='"restricted"'))
    assert world.get("namespace", TENANT)["metadata"]["labels"][DATA_CLASS] == "restricted"
    world.kubectl("pam").run(*classify(value='"confidential"'))


def test_other_namespaces_come_and_go(world: World) -> None:
    world.kubectl("mallory").run("create", "namespace", "plain")
    world.kubectl("mallory").run("label", "namespace", "plain", "team=ml")
    # Waits until it is gone: the namespace controller finalizes it through the guard.
    world.kubectl().run("delete", "namespace", "plain")


# --- later


def test_the_crds_upgrade_by_the_documented_command(world: World) -> None:
    before = world.uids("crd")
    crds = world.helm("show", "crds", str(CHART))
    world.kubectl().run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=crds)
    assert world.uids("crd") == before


def test_an_upgrade_changes_what_changed_and_replaces_nothing(world: World) -> None:
    kept = ("accel", "validatingadmissionpolicies", "validatingadmissionpolicybindings")
    before = {resource: world.uids(resource) for resource in kept}
    world.helm("upgrade", "daulat", str(CHART), "--namespace", NAMESPACE, "--set", "replicas=3")
    assert world.get("-n", NAMESPACE, "deployment", "daulat")["spec"]["replicas"] == 3
    assert {resource: world.uids(resource) for resource in kept} == before


def test_an_upgrade_to_another_image_gets_through(world: World) -> None:
    """Helm changes the Deployment before the guard that knows the image: pods that come too early are asked for again."""
    before = world.get("-n", NAMESPACE, "deployment", "daulat")["spec"]["template"]["spec"]["containers"][0]["image"]
    values = ["--set", "replicas=2", "--set", "image.tag=9.9.9"]
    world.helm("upgrade", "daulat", str(CHART), "--namespace", NAMESPACE, *values)

    def images() -> set[str]:
        return {p["spec"]["containers"][0]["image"].rpartition(":")[2] for p in _operator_pods(world)}

    # The first of the new pods is enough: no kubelet here makes it ready, so the old ones stay.
    eventually("a pod runs the new image", lambda: "9.9.9" in images())
    said = world.refusal("admin", "create", "--dry-run=server", "-f", "-", stdin=_as_operator("x", before))
    assert "MGD-08 " in said
    world.helm("rollback", "daulat", "--namespace", NAMESPACE)
    trial = ["create", "--dry-run=server", "-f", "-"]
    eventually(
        "the old image may run again", lambda: world.refusal("admin", *trial, stdin=_as_operator("x", before)) == ""
    )


def test_an_uninstall_leaves_the_kinds_and_what_users_made(world: World) -> None:
    world.kubectl().apply([zone("mine", {"matchLabels": {SITE: "cyberjaya-1"}})])
    made = world.get("szone", "mine")["metadata"]["uid"]
    try:
        world.helm("uninstall", "daulat", "--namespace", NAMESPACE)
        assert set(world.uids("crd")) == {f"{plural}.daulat.dev" for plural in PLURALS}
        assert world.get("szone", "mine")["metadata"]["uid"] == made
        assert world.uids("accel") == {}
        assert world.uids("validatingadmissionpolicies") == {}
        assert world.uids("validatingadmissionpolicybindings") == {}
        assert world.get("clusterroles", "-l", "app.kubernetes.io/instance=daulat")["items"] == []
    finally:
        # Installing beside CRDs that are there already is what every reinstall does.
        world.install()
    assert world.get("szone", "mine")["metadata"]["uid"] == made


# --- what models' pods are given


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), "ghcr.io/daulat/daulat:0.1.0"),
        (
            (
                "--set=image.digest=sha256:1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                "--set=image.repository=r.example.my/d",
            ),
            "r.example.my/d@sha256:1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
        ),
        (("--set=weights.image=r.example.my/own@sha256:2",), "r.example.my/own@sha256:2"),
    ],
)
def test_weights_are_loaded_by_the_operators_image_unless_another_is_given(
    chart_cluster: World, values: tuple[str, ...], image: str
) -> None:
    rendered = [d for d in yaml.safe_load_all(chart_cluster.helm("template", "daulat", str(CHART), *values)) if d]
    (operator,) = [d for d in rendered if d["kind"] == "Deployment"]
    env = {e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["DAULAT_WEIGHTS_IMAGE"] == image


def test_the_operator_is_told_where_models_metrics_are_and_nothing_where_nobody_says(chart_cluster: World) -> None:
    def told(*values: str) -> dict[str, str]:
        rendered = [d for d in yaml.safe_load_all(chart_cluster.helm("template", "daulat", str(CHART), *values)) if d]
        (operator,) = [d for d in rendered if d["kind"] == "Deployment"]
        env = {e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
        return {name: str(v) for name, v in env.items() if "PROMETHEUS" in name or "WAKE" in name or "MONITOR" in name}

    assert told() == {}
    query = 'sum(requests{route="{namespace}/{name}"})'
    values = ("--set=prometheus.address=http://p.my:9090", f"--set-literal=prometheus.wakeQuery={query}")
    assert told(*values, "--set=prometheus.podMonitorLabels.release=p") == {
        "DAULAT_PROMETHEUS": "http://p.my:9090",
        "DAULAT_WAKE_QUERY": query,
        "DAULAT_POD_MONITOR_LABELS": '{"release":"p"}',
    }
