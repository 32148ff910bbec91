"""The operator with the chart's own rights on every version: it pins pods by what that version has, and says by what.

Without a mutating policy it is an annotation of the namespace, for the admission plugin PodNodeSelector; where that is off as well,
pods that aren't pinned are refused with the line to add.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from daulat.api.names import eligible_label
from daulat.catalog.kubernetes import Pin
from dev.cluster import ClusterError
from dev.cluster.kubernetes import versions
from dev.deployment import poll
from tests.e2e.world import Manifest, World, lower, model_manifest, pod_manifest, raise_world, unique

from .server import PLUGIN, wanted

PLUGINS_ANNOTATION = Pin.POD_NODE_SELECTOR.annotation
BETA = "pin=v1beta1"


@dataclass(frozen=True)
class Setting:
    """How an API server is started, and what pins pods there."""

    version: str
    pin: Pin
    features: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.version}-{self.pin}"


def settings() -> list[Setting]:
    """Return every way to pin pods on every version to test."""
    found = []
    for version in wanted():
        table = versions.find(version)
        if "admissionregistration.k8s.io/v1/mutatingadmissionpolicies" in table.serves:
            found.append(Setting(version, Pin.MUTATING_POLICY))
            continue
        found.append(Setting(version, Pin.POD_NODE_SELECTOR, plugins=(PLUGIN,)))
        if BETA in table.features:
            found.append(Setting(version, Pin.MUTATING_POLICY, features=(BETA,)))
        if version == versions.OLDEST:
            found.append(Setting(version, Pin.REFUSE))
    return found


@pytest.fixture(scope="module", params=settings(), ids=str)
def setting(request: pytest.FixtureRequest) -> Setting:
    """One way to pin pods."""
    found: Setting = request.param
    return found


@pytest.fixture(scope="module")
def pinned_world(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat on it."""
    raised = raise_world(
        unique("pins"),
        tmp_path_factory.mktemp("operator"),
        say=lambda line: None,
        kubernetes=setting.version,
        features=setting.features,
        admission_plugins=setting.plugins,
    )
    yield raised
    if not os.environ.get("DAULAT_KEEP_CLUSTER"):
        lower(raised)


def annotation(world: World, namespace: str) -> str:
    return str(world.get("namespace", namespace)["metadata"].get("annotations", {}).get(PLUGINS_ANNOTATION, ""))


def dry_run(world: World, manifest: Manifest) -> Manifest:
    """Return an object as it would be stored."""
    made: Manifest = json.loads(
        world.admin.run("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(manifest))
    )
    return made


def test_the_policy_is_enforced_and_says_what_pins_pods(pinned_world: World, setting: Setting) -> None:
    with pinned_world.governed() as (policy, _):
        poll(
            "the pin to be told",
            lambda: pinned_world.get("sovereigntypolicy", policy)["status"].get("pin") == str(setting.pin),
        )
        message = pinned_world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")["message"]
        pinned_world.wait_condition("sovereigntypolicy", policy, "Ready", "True")
    match setting.pin:
        case Pin.MUTATING_POLICY:
            assert "pods are pinned by a MutatingAdmissionPolicy" in message
        case Pin.REFUSE:
            assert f"lacks {eligible_label(policy)}: eligible are refused" in message
        case _:
            assert f"pods are pinned by PodNodeSelector, with annotation {PLUGINS_ANNOTATION}" in message


def test_a_plain_pod_is_pinned_or_refused_with_the_line_to_add(pinned_world: World, setting: Setting) -> None:
    with pinned_world.governed() as (policy, namespace):
        label = eligible_label(policy)
        if setting.pin is Pin.REFUSE:
            refusal = pinned_world.refusal(pod_manifest("plain", namespace))
            assert "USE-01 spec.nodeSelector" in refusal
            assert f"{label}: eligible" in refusal
            pinned_world.admin.apply([pod_manifest("plain", namespace, nodeSelector={label: "eligible"})])
        else:
            pinned = lambda: not pinned_world.refusal(pod_manifest("plain", namespace))  # noqa: E731
            poll("a plain pod to be taken", pinned)
        pod = pinned_world.get("pod", "plain", namespace=namespace)
        assert pod["spec"]["nodeSelector"] == {label: "eligible"}
        poll(
            "the pod to have a node",
            lambda: bool(pinned_world.get("pod", "plain", namespace=namespace)["spec"].get("nodeName")),
        )
        node = pinned_world.get("pod", "plain", namespace=namespace)["spec"]["nodeName"]
        assert pinned_world.get("node", node)["metadata"]["labels"][label] == "eligible"


def test_a_model_runs_and_a_pod_that_names_its_node_doesnt(pinned_world: World) -> None:
    with pinned_world.governed() as (policy, namespace):
        pinned_world.admin.apply([model_manifest("m", namespace)])
        pinned_world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = pinned_world.pods(namespace)
        assert pod["spec"]["nodeSelector"][eligible_label(policy)] == "eligible"
        selector = {eligible_label(policy): "eligible"}
        refusal = pinned_world.refusal(pod_manifest("named", namespace, nodeName="h100-sg-1", nodeSelector=selector))
        assert "USE-04 spec.nodeName" in refusal


def test_a_node_that_leaves_its_zone_loses_its_pods(pinned_world: World) -> None:
    with pinned_world.governed(drift={"gracePeriod": "1s", "limit": "100%"}) as (policy, namespace):
        label = eligible_label(policy)
        pinned_world.admin.apply([pod_manifest("plain", namespace, nodeSelector={label: "eligible"})])
        poll(
            "the pod to have a node",
            lambda: bool(pinned_world.get("pod", "plain", namespace=namespace)["spec"].get("nodeName")),
        )
        node = pinned_world.get("pod", "plain", namespace=namespace)["spec"]["nodeName"]
        site = "daulat.node-restriction.kubernetes.io/site"
        before = pinned_world.get("node", node)["metadata"]["labels"][site]
        pinned_world.admin.run("label", "node", node, f"{site}-")
        try:
            poll("the pod to be evicted", lambda: not pinned_world.exists("pod", "plain", namespace))
            assert label not in pinned_world.get("node", node)["metadata"]["labels"]
        finally:
            pinned_world.admin.run("label", "node", node, f"{site}={before}")


def test_the_annotation_is_kept_and_only_policy_admins_change_it(pinned_world: World, setting: Setting) -> None:
    if not setting.pin.annotation:
        with pinned_world.governed() as (_, namespace):
            # Where the plugin is off the annotation does nothing, and only a dry run shows that it is.
            by_plugin = setting.pin is Pin.REFUSE
            assert bool(annotation(pinned_world, namespace)) is by_plugin
        return
    with pinned_world.governed() as (policy, namespace):
        entry = f"{eligible_label(policy)}=eligible"
        poll("the annotation", lambda: annotation(pinned_world, namespace) == entry)
        name = unique("tenant")
        rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "update", "patch"]}
        tenant = pinned_world.grant(name, rule)
        with pytest.raises(ClusterError, match=f'MGD-13 metadata.annotations.*user "{name}" changed an entry'):
            tenant.run("annotate", "namespace", namespace, f"{PLUGINS_ANNOTATION}-")
        with pytest.raises(ClusterError, match="MGD-13"):
            tenant.run("annotate", "namespace", namespace, "--overwrite", f"{PLUGINS_ANNOTATION}=disk=ssd")
        tenant.run("annotate", "namespace", namespace, "--overwrite", f"{PLUGINS_ANNOTATION}=disk=ssd,{entry}")
        # Administrators have every verb: what they take away comes back, and what isn't Daulat's stays.
        pinned_world.admin.run("annotate", "namespace", namespace, "--overwrite", f"{PLUGINS_ANNOTATION}=disk=ssd")
        poll("the entry to be back", lambda: annotation(pinned_world, namespace) == f"disk=ssd,{entry}")
        pinned_world.admin.run("delete", "sovereigntypolicy", policy)
        poll("the entry to go with the policy", lambda: annotation(pinned_world, namespace) == "disk=ssd")


def test_the_operator_can_change_nothing_else_of_a_namespace(pinned_world: World, setting: Setting) -> None:
    with pinned_world.governed() as (_, namespace):
        operator = pinned_world.as_operator()
        changes = (("label", "x=y"), ("annotate", "x=y"), ("label", "daulat.dev/scope-"))
        for verb, change in changes:
            with pytest.raises(ClusterError) as refused:
                operator.run(verb, "namespace", namespace, change)
            by_rbac = setting.version in ("1.36", "1.37")
            assert ("cannot patch resource" if by_rbac else "may only change") in str(refused.value)
