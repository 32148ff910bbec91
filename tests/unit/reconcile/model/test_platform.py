"""What the operator was told of the platform is in the manifests of every model: where DNS is, and who chooses the pods' user."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.frozen import FrozenDict
from daulat.api.names import REVISION_ANNOTATION
from daulat.facts.platform import Dns, Platform
from daulat.reconcile.result import Apply
from tests.unit.reconcile.model.test_reconciler import run
from tests.unit.world import ASCEND, H20, Raw, World, choice, model

OPENSHIFT = Platform(
    dns=Dns("openshift-dns", FrozenDict({"dns.operator.openshift.io/daemonset-dns": "default"}), 5353), any_user=True
)
FIXED = {"runAsUser", "runAsGroup", "fsGroup"}


def made(platform: Platform, profile: str = ASCEND, count: int = 2, **more: Any) -> list[Raw]:
    world = World(models=[model(accelerators=[choice(profile, count, **more)], replicas=1)], platform=platform)
    return [effect.manifest for effect in run(world).effects if isinstance(effect, Apply)]


def pods(manifests: list[Raw]) -> list[Raw]:
    """Return the pod templates of whatever runs the model."""
    kinds = ("Deployment", "StatefulSet", "LeaderWorkerSet")
    found: list[Raw] = []
    for spec in (m["spec"] for m in manifests if m["kind"] in kinds):
        group = spec.get("leaderWorkerTemplate")
        found += [group["leaderTemplate"], group["workerTemplate"]] if group else [spec["template"]]
    return found


def dns_rule(manifests: list[Raw], name: str = "deepseek") -> Raw:
    (found,) = [m for m in manifests if m["kind"] == "NetworkPolicy" and m["metadata"]["name"] == name]
    rule: Raw = found["spec"]["egress"][0]
    return rule


def contexts(pod: Raw) -> list[Raw]:
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    return [pod["spec"]["securityContext"], *(c["securityContext"] for c in containers)]


@pytest.mark.parametrize(
    ("asked", "templates"),
    [({"profile": ASCEND}, 1), ({"profile": H20}, 1), ({"profile": ASCEND, "count": 16, "nodes": 2}, 2)],
    ids=["Ascend", "NVIDIA", "two nodes"],
)
def test_where_the_platform_chooses_the_user_no_pod_has_one(asked: dict[str, Any], templates: int) -> None:
    found = pods(made(OPENSHIFT, **asked))
    assert len(found) == templates
    for pod in found:
        assert not [c for c in contexts(pod) if FIXED & c.keys()]
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert "daulat.dev/passwd" not in pod["metadata"]["annotations"], "the name would be of another user"
        assert "/etc/passwd" not in [m["mountPath"] for m in pod["spec"]["containers"][0]["volumeMounts"]]


def test_pods_have_a_fixed_user_unless_the_platform_chooses_it() -> None:
    (pod,) = pods(made(Platform()))
    assert pod["spec"]["securityContext"].keys() >= FIXED
    (chosen,) = pods(made(OPENSHIFT))
    revisions = {p["metadata"]["annotations"][REVISION_ANNOTATION] for p in (pod, chosen)}
    assert len(revisions) == 2, "pods are replaced where the setting changes"


def test_groups_of_device_files_stay_where_the_platform_chooses_the_user() -> None:
    (pod,) = pods(made(OPENSHIFT))
    assert pod["spec"]["securityContext"]["supplementalGroups"] == [1000]


def test_dns_is_allowed_to_the_pods_and_the_port_that_the_platform_has() -> None:
    rule = dns_rule(made(OPENSHIFT))
    assert rule == {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}},
                "podSelector": {"matchLabels": {"dns.operator.openshift.io/daemonset-dns": "default"}},
            }
        ],
        "ports": [{"protocol": "UDP", "port": 5353}, {"protocol": "TCP", "port": 5353}],
    }


def test_dns_without_labels_is_any_pod_of_its_namespace() -> None:
    rule = dns_rule(made(Platform(dns=Dns("dns", FrozenDict({})))))
    assert rule["to"][0]["podSelector"] == {}
    assert rule["ports"][0]["port"] == 53
