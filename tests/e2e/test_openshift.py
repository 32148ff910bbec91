"""Daulat as on OpenShift: something admits only pods of users that it chooses itself, and no pod that names a node.

OpenShift's plugins are imitated by a mutating policy. Like them it refuses in the mutating phase, before any validating policy.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.deployment import poll

from .world import Manifest, World, lower, model_manifest, namespace_manifest, pod_manifest, raise_world, unique

pytestmark = pytest.mark.needs("pin")

USER = 1_000_680_000
GROUP, NAME = "admissionregistration.k8s.io", "restricted-v2.example.my"
DNS = (
    '{"namespace": "openshift-dns", "podLabels": {"dns.operator.openshift.io/daemonset-dns": "default"}, "port": 5353}'
)


def _imitation() -> list[Manifest]:
    """Return a policy that chooses user and fsGroup of pods in governed namespaces, and refuses others and names of nodes."""
    context = "object.spec.securityContext"
    refused = (
        f"(has(object.spec.nodeName) && object.spec.nodeName != '') || (has({context}.runAsUser) && {context}.runAsUser != {USER})"
        f" || (has({context}.fsGroup) && {context}.fsGroup != {USER})"
    )
    # A patch that can't be applied is refused.
    expression = (
        f'{refused} ? [JSONPatch{{op: "remove", path: "/not-within-restricted-v2"}}] : ['
        f'JSONPatch{{op: "add", path: "/spec/securityContext/runAsUser", value: {USER}}}, '
        f'JSONPatch{{op: "add", path: "/spec/securityContext/fsGroup", value: {USER}}}]'
    )
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}
    where = {"matchExpressions": [{"key": "daulat.dev/scope", "operator": "Exists"}]}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"namespaceSelector": where, "resourceRules": [rule]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }
    head = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": NAME}}
    return [
        {**head, "kind": "MutatingAdmissionPolicy", "spec": spec},
        {**head, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": NAME}},
    ]


def _as_user(name: str, namespace: str, user: int) -> Manifest:
    return pod_manifest(name, namespace, securityContext={"runAsUser": user})


@pytest.fixture(scope="module")
def openshift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with that policy, and an operator that was told of the platform as docs/how-to/openshift.md says."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAULAT_ANY_USER", "true")
        environment.setenv("DAULAT_DNS", DNS)
        world = raise_world(unique("openshift"), tmp_path_factory.mktemp("operator"), say=lambda line: None)
    try:
        probe = unique("probe")
        world.admin.apply([*_imitation(), namespace_manifest(probe, "probe")])
        poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", probe))
        poll("the imitation to refuse", lambda: _refused(world, _as_user("p", probe, 2000)))
        yield world
    finally:
        lower(world)


def _refused(world: World, pod: Manifest) -> bool:
    return "not-within-restricted-v2" in world.refusal(pod, "--dry-run=server")


def test_the_imitation_refuses_other_users_and_names_of_nodes(openshift: World) -> None:
    with openshift.governed() as (_, namespace):
        assert _refused(openshift, _as_user("p", namespace, 2000))
        assert _refused(openshift, pod_manifest("p", namespace, nodeName="nowhere"))
        assert not _refused(openshift, _as_user("p", namespace, USER))


def test_a_policy_is_proved_although_other_plugins_refuse_first(openshift: World) -> None:
    with openshift.governed() as (policy, namespace):
        message = openshift.condition("sovereigntypolicy", policy, "Enforced")["message"]
    assert f"a violating pod was refused in namespace {namespace} by revision" in message


def test_a_model_runs_as_the_user_that_admission_chose(openshift: World) -> None:
    with openshift.governed() as (_, namespace):
        openshift.admin.apply([model_manifest("m", namespace)])
        openshift.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = openshift.pods(namespace)
        context = pod["spec"]["securityContext"]
        assert (context["runAsUser"], context["fsGroup"]) == (USER, USER)
        assert "runAsGroup" not in context
        template = openshift.get("deployment", "m", namespace=namespace)["spec"]["template"]["spec"]
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & template["securityContext"].keys()
        egress = openshift.get("networkpolicy", "m", namespace=namespace)["spec"]["egress"][0]
        assert [p["port"] for p in egress["ports"]] == [5353, 5353]
