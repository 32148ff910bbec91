"""Each check says nothing in a cluster without a weakness, and names the one that a test makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daulat.admission.boundvolumes import compile_bound_volumes
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog.kubernetes import Pin, of_version
from daulat.doctor.catalog import checks
from daulat.doctor.enforcement import KINDS
from daulat.doctor.examine import RUNS, examine
from daulat.doctor.finding import Finding, Severity
from tests.unit.world import Raw, exemption, policy, zone
from tests.unit.world import namespace as governed_namespace

from .clusters import Lists, binding, cluster, daemons, pod, role, rule, strong

Weaken = Callable[[Lists], Any]
ADMISSION = "admissionregistration.k8s.io"
VENDOR = "ServiceAccount:gpu/vendor"


def grant(rules: Raw, subject: str = VENDOR, namespace: str = "") -> Weaken:
    """Return what gives a subject a right, everywhere or in one namespace."""

    def weaken(lists: Lists) -> None:
        lists["clusterroles"].append(role("extra", rules))
        lists["rolebindings" if namespace else "clusterrolebindings"].append(
            binding("extra", subject, "extra", namespace)
        )

    return weaken


def put(key: str, *items: Raw) -> Weaken:
    """Return what adds objects to a list."""
    return lambda lists: lists.setdefault(key, []).extend(items)


def drop(key: str, name: str) -> Weaken:
    """Return what removes an object from a list."""
    return lambda lists: lists.update({key: [i for i in lists[key] if i["metadata"]["name"] != name]})


def change(key: str, name: str, *path: str, to: Any) -> Weaken:
    """Return what sets one field of an object."""

    def weaken(lists: Lists) -> None:
        item: Any = next(i for i in lists[key] if i["metadata"]["name"] == name)
        for part in path[:-1]:
            item = item.setdefault(part, {})
        item[path[-1]] = to

    return weaken


def _schema(lists: Lists, plural: str) -> Raw:
    """Return the fields that a CustomResourceDefinition of Daulat's declares."""
    found = next(i for i in lists["customresourcedefinitions"] if i["metadata"]["name"] == f"{plural}.daulat.dev")
    fields: Raw = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return fields


def several(*all_of: Weaken) -> Weaken:
    """Return what weakens in several places."""
    return lambda lists: [weaken(lists) for weaken in all_of]


def named(name: str, **more: Any) -> Raw:
    """Return an object with a name."""
    return {"metadata": {"name": name}, **more}


def webhook(resources: list[str], failure: str = "Fail") -> Raw:
    """Return a webhook configuration of somebody else."""
    rules = [{"apiGroups": [""], "operations": ["CREATE"], "resources": resources}]
    return named("theirs", webhooks=[{"name": "theirs.example.org", "failurePolicy": failure, "rules": rules}])


NFD_CONFIG = {"metadata": {"name": "nfd", "namespace": "nfd"}, "data": {"nfd-master.conf": "extraLabelNs: []\n"}}
FOREIGN_NODE = {"metadata": {"name": "sg-1", "labels": {}}, "status": {"nodeInfo": {"kubeletVersion": "v1.37.2"}}}
MAP_ON_PODS = named(
    "sidecars",
    spec={
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}]}
    },
)

WEAK: list[tuple[str, Weaken, Severity, str]] = [
    (
        "DOC-01",
        grant(rule("*", "*", "*")),
        Severity.HIGH,
        "ServiceAccount gpu/vendor may do everything, by ClusterRoleBinding extra",
    ),
    ("DOC-01", grant(rule("*", "*", "*"), "Group:admins"), Severity.MEDIUM, "Group admins may do everything"),
    (
        "DOC-02",
        grant(rule("nodes", "get patch")),
        Severity.MEDIUM,
        "ServiceAccount gpu/vendor may patch nodes, by ClusterRoleBinding extra",
    ),
    ("DOC-02", grant(rule("nodes/status", "update", "", "ascend-1")), Severity.MEDIUM, "may update nodes/status"),
    ("DOC-02", grant(rule("nodes", "delete"), "Group:system:authenticated"), Severity.HIGH, "may delete nodes"),
    (
        "DOC-03",
        grant(rule("pods/binding", "create"), namespace="treasury"),
        Severity.MEDIUM,
        "may create pods/binding, by RoleBinding treasury/extra",
    ),
    ("DOC-03", grant(rule("bindings", "create")), Severity.MEDIUM, "may create bindings"),
    ("DOC-04", grant(rule("nodes/proxy", "get")), Severity.HIGH, "may get nodes/proxy"),
    ("DOC-04", grant(rule("*/proxy", "get")), Severity.HIGH, "may get nodes/proxy"),
    (
        "DOC-43",
        put(
            "apiservices",
            {
                "metadata": {"name": "v1alpha1.daulat.dev"},
                "spec": {"group": "daulat.dev", "service": {"namespace": "team-a", "name": "other"}},
            },
        ),
        Severity.HIGH,
        "APIService v1alpha1.daulat.dev leads requests for the group daulat.dev to Service team-a/other",
    ),
    (
        "DOC-06",
        grant(rule("validatingadmissionpolicybindings", "patch", ADMISSION)),
        Severity.HIGH,
        "patch validatingadmissionpolicybindings",
    ),
    (
        "DOC-07",
        grant(rule("customresourcedefinitions", "delete", "apiextensions.k8s.io")),
        Severity.HIGH,
        "delete customresourcedefinitions",
    ),
    (
        "DOC-08",
        grant(rule("sovereignzones", "certify", "daulat.dev"), "User:zoe"),
        Severity.LOW,
        "User zoe may certify sovereignzones",
    ),
    (
        "DOC-08",
        grant(rule("authorities", "administer", "daulat.dev", "national"), "User:zoe"),
        Severity.LOW,
        "User zoe may administer authorities",
    ),
    (
        "DOC-09",
        grant(rule("clusterroles", "escalate", "rbac.authorization.k8s.io")),
        Severity.HIGH,
        "may escalate clusterroles",
    ),
    ("DOC-09", grant(rule("users", "impersonate")), Severity.HIGH, "may impersonate users"),
    (
        "DOC-10",
        grant(rule("serviceaccounts/token", "create", "", "daulat"), namespace="daulat-system"),
        Severity.HIGH,
        "create serviceaccounts/token",
    ),
    (
        "DOC-11",
        grant(rule("pods", "create"), namespace="daulat-system"),
        Severity.HIGH,
        "may create pods, by RoleBinding daulat-system/extra",
    ),
    (
        "DOC-11",
        grant(rule("leases", "update", "coordination.k8s.io", "daulat-operator"), namespace="daulat-system"),
        Severity.HIGH,
        "may update leases, by RoleBinding daulat-system/extra",
    ),
    ("DOC-12", grant(rule("deviceclasses", "create", "resource.k8s.io")), Severity.MEDIUM, "may create deviceclasses"),
    (
        "DOC-13",
        grant(rule("configmaps", "*")),
        Severity.LOW,
        "ClusterRole extra has a wildcard and is bound to ServiceAccount gpu/vendor",
    ),
    (
        "DOC-14",
        put("daemonsets", daemons("toolkit", "nvcr.io/nvidia/k8s/container-toolkit:v1.18.0")),
        Severity.MEDIUM,
        "DaemonSet gpu/toolkit sets up a runtime",
    ),
    (
        "DOC-14",
        put("daemonsets", daemons("plugin", "nvcr.io/nvidia/k8s-device-plugin:v0.17.1")),
        Severity.MEDIUM,
        "DEVICE_LIST_STRATEGY is envvar",
    ),
    (
        "DOC-14",
        put("daemonsets", daemons("ascend", "ascend-k8sdeviceplugin:v7")),
        Severity.MEDIUM,
        "ASCEND_VISIBLE_DEVICES",
    ),
    (
        "DOC-14",
        put("runtimeclasses", named("fast", handler="nvidia")),
        Severity.LOW,
        "RuntimeClass fast selects the device runtime nvidia",
    ),
    (
        "DOC-15",
        put("daemonsets", daemons("agent", "example.org/agent:1", privileged=True)),
        Severity.LOW,
        "runs example.org/agent:1 as a privileged container",
    ),
    (
        "DOC-16",
        several(put("nodefeatures"), put("nfdconfig", NFD_CONFIG)),
        Severity.MEDIUM,
        "ConfigMap nfd/nfd sets no restrictions",
    ),
    ("DOC-16", put("nodefeatures"), Severity.MEDIUM, "no configuration of nfd-master was found"),
    (
        "DOC-17",
        put("deviceclasses", named("other", spec={"extendedResourceName": "nvidia.com/gpu"})),
        Severity.HIGH,
        "DeviceClass other answers for nvidia.com/gpu",
    ),
    (
        "DOC-18",
        change("nodes", "ascend-1", "metadata", "annotations", to={"kwok.x-k8s.io/node": "fake"}),
        Severity.MEDIUM,
        "devices are offered by 1 node made up by KWOK: ascend-1",
    ),
    (
        "DOC-18",
        change("nodes", "ascend-1", "metadata", "labels", "type", to="virtual-kubelet"),
        Severity.MEDIUM,
        "of virtual-kubelet",
    ),
    (
        "DOC-19",
        put(
            "sovereignzones",
            zone(
                "loose",
                nodeSelector={"matchLabels": {"daulat.node-restriction.kubernetes.io/site": None, "region": "my"}},
            ),
        ),
        Severity.HIGH,
        "SovereignZone loose selects nodes by region",
    ),
    (
        "DOC-23",
        change("nodes", "ascend-1", "status", "nodeInfo", "kubeletVersion", to="v1.30.2"),
        Severity.MEDIUM,
        "kubelet v1.30.2 on 1 node is too old for v1.37.2: ascend-1",
    ),
    (
        "DOC-24",
        put(
            "daemonsets",
            daemons(
                "toolkit",
                "nvcr.io/nvidia/k8s/container-toolkit:v1.17.5-ubuntu20.04",
                {"ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED": "false"},
            ),
        ),
        Severity.HIGH,
        "CVE-2025-23266 (a crafted image runs code on the node; mended in 1.17.8, which is not verified)",
    ),
    (
        "DOC-25",
        drop("validatingadmissionpolicies", "nodes.cluster.daulat.dev"),
        Severity.HIGH,
        "ValidatingAdmissionPolicy nodes.cluster.daulat.dev is missing",
    ),
    (
        "DOC-25",
        change(
            "validatingadmissionpolicybindings",
            "namespaces.cluster.daulat.dev",
            "spec",
            "validationActions",
            to=["Audit"],
        ),
        Severity.HIGH,
        "Binding namespaces.cluster.daulat.dev differs",
    ),
    (
        "DOC-25",
        drop("validatingadmissionpolicies", "operator.cluster.daulat.dev"),
        Severity.MEDIUM,
        "the operator's ServiceAccount may start pods",
    ),
    (
        "DOC-25",
        put(
            "deployments",
            named(
                "daulat",
                spec={
                    "template": {"spec": {"containers": [{"name": "operator", "image": "evil.example.org/daulat:1"}]}}
                },
            ),
        ),
        Severity.HIGH,
        "Deployment daulat runs evil.example.org/daulat:1",
    ),
    ("DOC-26", lambda lists: lists["leases"].clear(), Severity.MEDIUM, "no operator leads"),
    (
        "DOC-26",
        change("leases", "daulat-operator", "spec", "renewTime", to="2026-11-24T05:50:00.000000Z"),
        Severity.MEDIUM,
        "was renewed 600 s ago",
    ),
    (
        "DOC-27",
        change(
            "sovereigntypolicies",
            "confidential",
            "status",
            to={
                "conditions": [
                    {
                        "type": "Enforced",
                        "status": "False",
                        "observedGeneration": 1,
                        "reason": "CanaryAdmitted",
                        "message": "let in",
                    }
                ]
            },
        ),
        Severity.HIGH,
        "Enforced is False: let in",
    ),
    (
        "DOC-27",
        change("sovereigntypolicies", "confidential", "metadata", "generation", to=2),
        Severity.HIGH,
        "has not observed its newest generation",
    ),
    (
        "DOC-27",
        change(
            "sovereigntypolicies",
            "confidential",
            "status",
            to={
                "conditions": [
                    {
                        "type": "Enforced",
                        "status": "Unknown",
                        "observedGeneration": 1,
                        "reason": "NoGovernedNamespace",
                        "message": "nowhere",
                    }
                ]
            },
        ),
        Severity.LOW,
        "nowhere",
    ),
    (
        "DOC-28",
        drop("validatingadmissionpolicybindings", "confidential.pods.daulat.dev"),
        Severity.HIGH,
        "Binding confidential.pods.daulat.dev of policy confidential is missing",
    ),
    (
        "DOC-28",
        change("validatingadmissionpolicies", "confidential.pods.daulat.dev", "spec", "failurePolicy", to="Ignore"),
        Severity.HIGH,
        "confidential.pods.daulat.dev was changed",
    ),
    (
        "DOC-28",
        drop("validatingadmissionpolicies", "ungoverned.cluster.daulat.dev"),
        Severity.HIGH,
        "which all policies share, is missing",
    ),
    (
        "DOC-28",
        put(
            "mutatingadmissionpolicies",
            {
                "metadata": {
                    "name": "gone.pin.daulat.dev",
                    "labels": {"app.kubernetes.io/managed-by": "daulat", "daulat.dev/policy": "gone"},
                },
                "spec": {},
            },
        ),
        Severity.LOW,
        "is left over of policy gone",
    ),
    (
        "DOC-29",
        put("mutatingwebhookconfigurations", webhook(["pods"])),
        Severity.LOW,
        "webhook theirs.example.org may change pods",
    ),
    (
        "DOC-29",
        put("mutatingwebhookconfigurations", webhook(["pods/binding"])),
        Severity.MEDIUM,
        "may change pods/binding",
    ),
    (
        "DOC-29",
        put("mutatingadmissionpolicies", MAP_ON_PODS),
        Severity.LOW,
        "MutatingAdmissionPolicy sidecars may change pods",
    ),
    (
        "DOC-30",
        put("validatingwebhookconfigurations", webhook(["*"], "Ignore")),
        Severity.LOW,
        "has failurePolicy Ignore",
    ),
    (
        "DOC-34",
        change("namespaces", "treasury", "metadata", "labels", "pod-security.kubernetes.io/enforce", to="privileged"),
        Severity.MEDIUM,
        "namespace treasury enforces privileged",
    ),
    (
        "DOC-34",
        change("namespaces", "treasury", "metadata", "labels", "pod-security.kubernetes.io/enforce", to="baseline"),
        Severity.LOW,
        "enforces baseline",
    ),
    ("DOC-35", put("pods", pod("old", hostNetwork=True)), Severity.HIGH, "pod treasury/old: USE-18 spec.hostNetwork"),
    ("DOC-35", put("pods", pod("unpinned", nodeSelector={})), Severity.HIGH, "pod treasury/unpinned: USE-01 "),
    (
        "DOC-36",
        several(put("nodes", FOREIGN_NODE), put("pods", pod("away", node="sg-1"))),
        Severity.HIGH,
        "1 pod on node sg-1, which stands in no zone of record",
    ),
    ("DOC-36", put("pods", pod("lost", node="gone")), Severity.HIGH, "on node gone, which doesn't exist"),
    (
        "DOC-37",
        put(
            "pods",
            {
                **pod("static", "other"),
                "metadata": {
                    "name": "static",
                    "namespace": "other",
                    "annotations": {"kubernetes.io/config.mirror": "x"},
                },
            },
        ),
        Severity.MEDIUM,
        "pod other/static is the mirror of a static pod on certified node ascend-1",
    ),
    (
        "DOC-38",
        put("secrets", {"metadata": {"name": "s", "namespace": "treasury"}, "data": {"NVIDIA_VISIBLE_DEVICES": ""}}),
        Severity.MEDIUM,
        'Secret treasury/s: USE-16 data["NVIDIA_VISIBLE_DEVICES"]',
    ),
    (
        "DOC-39",
        put("sovereigntyexemptions", exemption("old", expiresAt="2026-01-01T00:00:00Z")),
        Severity.LOW,
        "expired at 2026-01-01T00:00:00Z",
    ),
    (
        "DOC-39",
        put("sovereigntyexemptions", exemption("own", approvals=[{"user": "alice", "reference": "x"}])),
        Severity.LOW,
        "approved only by the requester alice",
    ),
    (
        "DOC-40",
        several(
            change(
                "sovereigntypolicies",
                "confidential",
                "spec",
                "preset",
                to={"name": "my-nccp", "dataClass": "confidential"},
            ),
            change("sovereigntypolicies", "confidential", "spec", "zones", "countries", to=["MY", "SG"]),
        ),
        Severity.INFO,
        'sets zones.countries to ["MY", "SG"]; preset my-nccp says ["MY"]',
    ),
    (
        "DOC-48",
        change("sovereigntypolicies", "confidential", "spec", "zones", "operatorCountries", to=["MY", "UK"]),
        Severity.MEDIUM,
        'SovereigntyPolicy confidential: spec.zones.operatorCountries is "UK", which isn\'t a country code of ISO 3166-1',
    ),
    (
        "DOC-48",
        put(
            "sovereignmodels",
            {"metadata": {"name": "m", "namespace": "treasury"}, "spec": {"model": {"originCountry": "XX"}}},
        ),
        Severity.MEDIUM,
        'SovereignModel treasury/m: spec.model.originCountry is "XX", which isn\'t a country code of ISO 3166-1',
    ),
    (
        "DOC-44",
        change("sovereigntypolicies", "confidential", "spec", "egress", to={"allow": []}),
        Severity.MEDIUM,
        "namespace treasury: only the egress of models' pods is closed, by confidential",
    ),
    (
        "DOC-44",
        change("sovereigntypolicies", "confidential", "spec", "controls", to={"USE-05": "Warn"}),
        Severity.MEDIUM,
        "namespace treasury: only the egress of models' pods is closed, by confidential",
    ),
    (
        "DOC-46",
        put(
            "networkpolicies",
            {"metadata": {"name": "old", "namespace": "treasury"}, "spec": {"podSelector": {}, "ingress": [{}]}},
        ),
        Severity.MEDIUM,
        "NetworkPolicy treasury/old: USE-05 spec.ingress: ",
    ),
    (
        "DOC-47",
        lambda lists: _schema(lists, "sovereigntypolicies")["status"]["properties"].pop("drift"),
        Severity.MEDIUM,
        "CustomResourceDefinition sovereigntypolicies.daulat.dev lacks status.drift",
    ),
    (
        "DOC-47",
        lambda lists: _schema(lists, "sovereignzones")["spec"]["properties"].update(later={"type": "string"}),
        Severity.LOW,
        "is newer than this daulat: it has spec.later",
    ),
    (
        "DOC-47",
        several(
            drop("customresourcedefinitions", "sovereigntyexemptions.daulat.dev"),
            lambda lists: lists.pop("sovereigntyexemptions"),
        ),
        Severity.HIGH,
        "sovereigntyexemptions.daulat.dev isn't installed",
    ),
    (
        "DOC-47",
        drop("customresourcedefinitions", "acceleratorinventories.daulat.dev"),
        Severity.LOW,
        "the operator does without objects of that kind",
    ),
    (
        "DOC-45",
        drop("daemonsets", "calico-node"),
        Severity.LOW,
        "no network plugin is known to enforce NetworkPolicies",
    ),
]


def found(lists: Lists, check: str, **more: Any) -> list[Finding]:
    """Return what one check finds."""
    return [f for f in examine(cluster(lists, **more)).findings if f.check == check]


def test_nothing_is_found_where_nothing_weakens_enforcement() -> None:
    report = examine(cluster(strong()))
    assert report.findings == ()
    assert [(u.check, u.rights) for u in report.unchecked] == [("DOC-32", False), ("DOC-45", False)]
    assert report.worst() is None


def test_every_check_is_made() -> None:
    assert set(checks()) == set(RUNS) | {c.id for c in checks().values() if c.rights}
    assert not set(RUNS) & {c.id for c in checks().values() if c.rights}


def test_every_check_has_a_case_here_or_says_why_not() -> None:
    elsewhere = {
        "DOC-05",  # below: the same right with and without spec.access
        "DOC-20",  # below: it needs a policy of its own
        "DOC-21",  # below: by version
        "DOC-22",  # below: by what the cluster offers
        "DOC-41",  # below: by what the cluster offers
        "DOC-31",  # below: by probe
        "DOC-32",  # nobody can see it
        "DOC-33",  # below: by probe
    }
    assert {check for check, *_ in WEAK} | elsewhere == set(checks())


@pytest.mark.parametrize(("check", "weaken", "severity", "told"), WEAK, ids=[f"{c[0]}-{c[3][:40]}" for c in WEAK])
def test_a_weakness_is_named(check: str, weaken: Weaken, severity: Severity, told: str) -> None:
    lists = strong()
    weaken(lists)
    findings = [f for f in found(lists, check) if told in f.what]
    assert [f.severity for f in findings] == [severity], [f.what for f in found(lists, check)]
    assert findings[0].why
    assert findings[0].remedy


@pytest.mark.parametrize(
    "weaken",
    [
        grant(rule("nodes", "patch"), "Group:system:masters"),
        grant(rule("pods/binding", "create"), namespace="other"),
        grant(rule("pods", "create"), namespace="treasury"),
        grant(rule("nodes", "get list watch")),
        grant(rule("customresourcedefinitions", "update", "apiextensions.k8s.io", "theirs.example.org")),
        grant(rule("serviceaccounts/token", "create", "", "theirs"), namespace="daulat-system"),
        grant(rule("leases", "update", "coordination.k8s.io", "daulat-recorder"), namespace="daulat-system"),
        grant(rule("persistentvolumes", "create", "", "pv-1")),
        grant(rule("nodes", "patch", "example.org")),
        grant(rule("nodes", "patch"), namespace="treasury"),
        put(
            "daemonsets",
            daemons("plugin", "nvcr.io/nvidia/k8s-device-plugin:v0.17.1", {"DEVICE_LIST_STRATEGY": "cdi-cri"}),
        ),
        put("deviceclasses", named("other", spec={"extendedResourceName": "example.org/thing"})),
        put("validatingwebhookconfigurations", webhook(["deployments"], "Ignore")),
        put("pods", pod("finished", hostNetwork=True) | {"status": {"phase": "Succeeded"}}),
        put("pods", pod("elsewhere", "other", hostNetwork=True)),
        put("secrets", {"metadata": {"name": "s", "namespace": "treasury"}, "data": {"password": ""}}),
    ],
)
def test_what_weakens_nothing_is_not_named(weaken: Weaken) -> None:
    lists = strong()
    weaken(lists)
    assert [f.what for f in examine(cluster(lists)).findings] == []


def test_reaching_into_pods_is_named_only_where_the_policy_leaves_it_to_rbac() -> None:
    lists = strong()
    grant(rule("pods/exec", "create"), namespace="treasury")(lists)
    assert found(lists, "DOC-05") == []
    change("sovereigntypolicies", "confidential", "spec", "access", to=None)(lists)
    assert [f.what for f in found(lists, "DOC-05")] == [
        "ServiceAccount gpu/vendor may create pods/exec, by RoleBinding treasury/extra"
    ]


def test_a_policy_by_an_open_label_is_named() -> None:
    lists = strong()
    lists["sovereigntypolicies"].append(
        policy("loose", namespaceSelector={"matchLabels": {"daulat.dev/data-class": None, "team": "ml"}})
    )
    assert [f.what for f in found(lists, "DOC-20")] == ["SovereigntyPolicy loose selects namespaces by team"]


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("v1.37.2", []),
        ("v1.36.0-eks-1", []),
        ("v1.33.4", []),
        ("v1.33.3", ["CVE-2025-5187"]),
        ("v1.32.5", ["CVE-2025-4563", "CVE-2025-5187"]),
        ("v1.29.9", ["Daulat needs 1.30 or later", "CVE-2025-4563", "CVE-2025-5187"]),
        ("v1.38.0", ["tested up to 1.37"]),
    ],
)
def test_old_api_servers_are_named_by_what_they_lack(version: str, told: list[str]) -> None:
    findings = found(strong(), "DOC-21", version=version)
    assert len(findings) == len(told)
    assert all(any(text in f.what for f in findings) for text in told)


def test_a_policy_under_which_nothing_pins_pods_is_named() -> None:
    lists = strong()
    lists["sovereigntypolicies"][0].setdefault("status", {})["pin"] = "Refuse"
    (finding,) = found(lists, "DOC-22", capabilities=of_version("1.32"))
    assert (finding.severity, finding.what) == (
        Severity.MEDIUM,
        "SovereigntyPolicy confidential: nothing pins pods, so those without its nodeSelector are refused",
    )


def test_a_pin_by_annotation_is_told_and_weakens_nothing() -> None:
    (finding,) = found(strong(), "DOC-22", capabilities=of_version("1.32", Pin.POD_NODE_SELECTOR))
    assert finding.severity is Severity.INFO
    assert "PodNodeSelector, with annotation scheduler.alpha.kubernetes.io/node-selector" in finding.what


def test_what_a_version_lacks_is_told_with_what_holds_in_its_place() -> None:
    told = {f.what.partition(":")[0]: f for f in found(strong(), "DOC-41", capabilities=of_version("1.34"))}
    assert set(told) == {
        "The region of the node is checked when a pod is bound (MGD-01)",
        "Weights from an OCI registry as an image volume",
        "Devices have taints, and claims that tolerate all of them are refused",
        "A DeviceClass can define an extended resource, and only zone administrators may write it (SUP-08)",
        "Admission policies that no user of the API can change or delete (`compile --static`, `--anchor`)",
    }
    assert "--feature-gates=ImageVolume=true" in told["Weights from an OCI registry as an image volume"].remedy
    assert {f.severity for f in told.values()} == {Severity.INFO}


def test_a_cluster_without_daulat_says_so() -> None:
    lists = {k: v for k, v in strong().items() if not k.startswith(("sovereign", "accelerator"))}
    (finding,) = found(lists, "DOC-27")
    assert (finding.severity, finding.remedy) == (Severity.HIGH, "Install the chart.")


def test_static_pods_of_kube_system_are_expected_but_told() -> None:
    lists = strong()
    static = pod("kube-proxy", "kube-system")
    static["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    lists["pods"].append(static)
    assert [f.severity for f in found(lists, "DOC-37")] == [Severity.INFO]


def test_an_exemption_in_force_lifts_what_it_says_and_is_told() -> None:
    lists = strong()
    lists["sovereigntyexemptions"].append(exemption("now", controls=["USE-18"]))
    lists["pods"].append(pod("exempt", hostNetwork=True))
    assert found(lists, "DOC-35") == []
    (finding,) = found(lists, "DOC-39")
    assert finding.severity is Severity.INFO
    assert finding.what.endswith("until 2030-01-01T00:00:00Z; approved by ciso")


@pytest.mark.parametrize(
    ("namespaces", "said"),
    [
        (["tresury"], "in tresury has no effect: namespace tresury doesn't exist"),
        (["kube-system"], "has no effect: policy confidential doesn't govern namespace kube-system"),
        (["treasury", "tresury"], "approved by ciso; without effect: namespace tresury doesn't exist"),
    ],
)
def test_an_exemption_without_effect_is_a_mistake_to_correct(namespaces: list[str], said: str) -> None:
    lists = strong()
    lists["sovereigntyexemptions"].append(exemption("now", controls=["USE-18"], namespaces=namespaces))
    (finding,) = found(lists, "DOC-39")
    assert finding.severity is Severity.LOW
    assert finding.what.endswith(said)
    assert finding.remedy == "Correct spec.controls and spec.namespaces."


def test_an_older_revision_is_told_apart_from_a_changed_one() -> None:
    lists = strong()
    for item in lists["validatingadmissionpolicies"]:
        if item["metadata"]["name"] == "confidential.pods.daulat.dev":
            item["metadata"]["annotations"]["daulat.dev/revision"] = "older"
            item["spec"]["validations"] = []
    (finding,) = found(lists, "DOC-28")
    assert finding.severity is Severity.MEDIUM
    assert "is of revision older; this daulat compiles" in finding.what


def test_the_guard_of_bound_volumes_is_looked_for_under_the_names_of_governed_namespaces() -> None:
    lists = strong()
    (declared,) = lists["sovereigntypolicies"]
    declared["spec"]["storage"] = {}
    spec = SovereigntyPolicySpec.model_validate(declared["spec"])
    zones = {z["metadata"]["name"]: SovereignZoneSpec.model_validate(z["spec"]) for z in lists["sovereignzones"]}
    governed = [
        n["metadata"]["name"] for n in lists["namespaces"] if "daulat.dev/data-class" in n["metadata"]["labels"]
    ]
    for names, says in (
        (governed, []),
        ([], ["is missing"]),
        ([*governed, "more"], ["isn't what policy confidential compiles to"]),
    ):
        there = {**lists, **{plural: list(lists[plural]) for plural in KINDS.values()}}
        for manifest in compile_bound_volumes("confidential", spec, zones, names):
            there[KINDS[manifest["kind"]]].append(manifest)
        told = [f.what for f in found(there, "DOC-28") if "boundvolumes" in f.what]
        assert bool(told) is bool(says)
        assert all(any(words in what for what in told) for words in says)


def test_what_a_policy_that_governs_kube_system_left_behind_is_no_drift() -> None:
    lists = strong()
    lists["namespaces"][1]["metadata"]["labels"]["daulat.dev/data-class"] = "confidential"
    assert [f.what for f in found(lists, "DOC-28") if "left over" in f.what] == []


def test_a_namespace_by_its_terminating_is_not_governed_any_more() -> None:
    lists = strong()
    lists["namespaces"].append(governed_namespace("leaving", terminating=True))
    assert found(lists, "DOC-34") == []
