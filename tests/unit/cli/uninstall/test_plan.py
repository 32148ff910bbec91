"""What ``daulat uninstall`` removes, in which order, and what it keeps."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import MANAGED_BY, MODEL_LABEL, NODE_PREFIX, UNDECIDED_TAINT
from daulat.cli.uninstall.plan import Choice, Inventory, Plan, Step, plan, running
from daulat.kube.reported import REPORT_APIS
from daulat.kube.resources import REGISTRY

NAMESPACE = "daulat-system"
PIN = f"{NODE_PREFIX}confidential"
OURS = {MANAGED_BY: "daulat"}
HELM = {MANAGED_BY: "Helm", "app.kubernetes.io/name": "daulat"}
Raw = dict[str, Any]


def item(name: str, namespace: str = "", labels: dict[str, str] | None = None, **more: Any) -> Raw:
    meta = {"name": name, "uid": f"uid-{name}", "labels": labels or {}, **more.pop("metadata", {})}
    return {"metadata": {**meta, **({"namespace": namespace} if namespace else {})}, **more}


def made(name: str, model: str = "") -> Raw:
    return item(name, "treasury", {**OURS, **({MODEL_LABEL: model} if model else {})})


def everything() -> dict[str, list[Raw]]:
    """Return one of each that Daulat makes, beside what is others'."""
    found = {
        r.kind: [made(f"m-{r.kind}", "m"), item("theirs", "treasury")] for r in REGISTRY if r.labels and r.namespaced
    }
    guards = ["confidential.pods.daulat.dev", "confidential.models.daulat.dev", "ungoverned.cluster.daulat.dev"]
    found["NetworkPolicy"].append(made("default-deny.daulat.dev"))
    found["Deployment"].append(item("daulat", NAMESPACE, HELM, spec={"replicas": 0}))
    found["ValidatingAdmissionPolicy"] = [item(g, labels=OURS) for g in [*guards[2:], *guards[:2]]]
    found["ValidatingAdmissionPolicy"] += [item("nodes.cluster.daulat.dev", labels=HELM), item("other.example.my")]
    found["ValidatingAdmissionPolicyBinding"] = [item(g, labels=OURS) for g in [*guards[2:], *guards[:2]]]
    applied: Raw = {"metadata": {"annotations": {"daulat.dev/source": "GitOps"}}}
    found["MutatingAdmissionPolicy"] = [item("confidential.pin.daulat.dev", labels=OURS)]
    found["MutatingAdmissionPolicyBinding"] = [item("confidential.pin.daulat.dev", labels=OURS, **applied)]
    record = {PIN: "eligible", f"{NODE_PREFIX}zone": "z", f"{NODE_PREFIX}site": "s"}
    taints = [{"key": UNDECIDED_TAINT, "effect": "NoSchedule"}]
    found["Node"] = [item("a1", labels=record), item("a2", labels=record, spec={"taints": taints})]
    notes = {"annotations": {"openshift.io/node-selector": f"region=east,{PIN}=eligible"}}
    found["Namespace"] = [item("treasury", metadata=notes), item("free")]
    found["Lease"] = [item("daulat-operator", NAMESPACE, spec={"holderIdentity": ""}), item("other", NAMESPACE)]
    found["CustomResourceDefinition"] = [item("sovereignmodels.daulat.dev"), item("others.example.my")]
    return found


def planned(lists: dict[str, list[Raw]], **choice: bool) -> Plan:
    return plan(Inventory(lists), Choice(**choice), NAMESPACE)


def names(found: Plan) -> list[str]:
    return [str(r) for r in found.removals]


def test_what_runs_and_what_users_made_is_kept_and_named() -> None:
    found = planned(everything())
    kinds = {r.resource.kind for r in found.removals if r.deletes}
    admission = {f"{kind}AdmissionPolicy{what}" for kind in ("Validating", "Mutating") for what in ("", "Binding")}
    assert kinds == {*admission, "NetworkPolicy", "Lease"}
    assert "NetworkPolicy treasury/default-deny.daulat.dev" in names(found)
    kept = "\n".join(found.kept)
    for flag in ("--models", "--weights", "--crds", "helm uninstall daulat --namespace daulat-system"):
        assert flag in kept
    assert not [name for name in names(found) if "theirs" in name or "other" in name or "nodes.cluster" in name]


def test_with_every_flag_nothing_of_daulat_is_left_but_what_helm_installed() -> None:
    lists = everything()
    found = planned(lists, models=True, weights=True, definitions=True)
    left = {
        (kind, i["metadata"]["name"])
        for kind, items in lists.items()
        for i in items
        if not any(r.deletes and (r.resource.kind, r.name) == (kind, i["metadata"]["name"]) for r in found.removals)
    }
    theirs = {(kind, "theirs") for kind in lists if (kind, "theirs") in left}
    assert left - theirs == {
        ("Deployment", "daulat"),
        ("ValidatingAdmissionPolicy", "nodes.cluster.daulat.dev"),
        ("ValidatingAdmissionPolicy", "other.example.my"),
        *(("Node", name) for name in ("a1", "a2")),
        *(("Namespace", name) for name in ("treasury", "free")),
        ("Lease", "other"),
        ("CustomResourceDefinition", "others.example.my"),
    }
    assert found.kept == ("what the chart installed, with 1 guards: helm uninstall daulat --namespace daulat-system",)


def test_guards_go_after_all_that_they_guard_and_the_one_of_closed_namespaces_last() -> None:
    found = planned(everything(), models=True, weights=True, definitions=True).removals
    assert [r.step for r in found] == sorted(r.step for r in found)
    assert {r.step for r in found if r.resource.kind.startswith("Mutating")} == {Step.PINS}
    guards = [r for r in found if r.step is Step.GUARDS]
    kinds = [r.resource.kind for r in guards]
    assert kinds[:6] == ["ValidatingAdmissionPolicyBinding"] * 3 + ["ValidatingAdmissionPolicy"] * 3
    assert [r.name.split(".")[1] for r in guards[:3]] == ["models", "pods", "cluster"]
    assert set(kinds[6:]) == {"NetworkPolicy", "Node"}


def test_labels_of_sites_are_a_zone_administrators_and_stay() -> None:
    taken = {r.name: r.labels for r in planned(everything()).removals if r.labels}
    assert taken == {"a1": (PIN, f"{NODE_PREFIX}zone"), "a2": (PIN, f"{NODE_PREFIX}zone")}


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "LeaderWorkerSet"])
def test_a_label_to_which_pods_are_pinned_stays_and_is_named(kind: str) -> None:
    """A kubelet that restarts would end these pods, and a Deployment would wait for a node for ever."""
    lists, spec = everything(), {"nodeSelector": {PIN: "eligible"}}
    by_kind = {
        "Pod": spec,
        "Deployment": {"template": {"spec": spec}},
        "LeaderWorkerSet": {"leaderWorkerTemplate": {"workerTemplate": {"spec": spec}}},
    }
    pinned = item("p", "treasury", OURS, spec=by_kind[kind])
    lists[kind] = [*lists.get(kind, []), pinned]
    found = planned(lists)
    assert {r.labels for r in found.removals if r.labels} == {(f"{NODE_PREFIX}zone",)}
    assert any(f"the node labels {PIN}, to which pods are pinned" in kept for kept in found.kept)


def test_of_an_annotation_only_the_entries_of_daulat_are_taken() -> None:
    (found,) = [r for r in planned(everything()).removals if r.annotations]
    assert (found.name, found.annotations, found.step) == ("treasury", ("openshift.io/node-selector",), Step.LABELS)


def test_what_gitops_applied_is_removed_and_named_as_such() -> None:
    expected = "MutatingAdmissionPolicyBinding confidential.pin.daulat.dev (applied by GitOps: remove it there as well)"
    assert expected in names(planned(everything()))


def test_guards_without_labels_that_something_else_than_helm_applied_are_found_by_name() -> None:
    found = planned({"ValidatingAdmissionPolicy": [item("nodes.cluster.daulat.dev"), item("other.example.my")]})
    assert names(found) == ["ValidatingAdmissionPolicy nodes.cluster.daulat.dev"]


def test_where_daulat_never_was_there_is_nothing_to_remove() -> None:
    assert planned({"Node": [item("a1", labels={"topology.kubernetes.io/zone": "eligible"})]}) == Plan((), ())


@pytest.mark.parametrize(
    ("lease", "replicas", "runs"),
    [
        ({"holderIdentity": "operator-0", "renewTime": "2027-01-15T08:00:00.5Z", "leaseDurationSeconds": 20}, 0, True),
        ({"holderIdentity": "operator-0", "renewTime": "2027-01-15T07:00:00.5Z", "leaseDurationSeconds": 20}, 0, False),
        ({"holderIdentity": "", "renewTime": "2027-01-15T08:00:00.5Z", "leaseDurationSeconds": 1}, 0, False),
        ({"holderIdentity": ""}, 1, True),
    ],
)
def test_an_operator_that_runs_is_noticed_by_its_lease_or_its_deployment(lease: Raw, replicas: int, runs: bool) -> None:
    lists = everything()
    lists["Lease"] = [item("daulat-operator", NAMESPACE, spec=lease)]
    lists["Deployment"].append(item("daulat", NAMESPACE, HELM, spec={"replicas": replicas}))
    lists["Deployment"].append(item("m", NAMESPACE, {**OURS, "app.kubernetes.io/name": "daulat"}, spec={"replicas": 3}))
    assert bool(running(Inventory(lists), NAMESPACE, 1_800_000_010.0)) is runs


def test_the_reporters_reports_go_and_those_of_other_tools_stay() -> None:
    resources = {r.kind: r for api in REPORT_APIS for r in (api.of_namespace, api.of_cluster)}
    lists = {kind: [item("daulat", labels=OURS), item("daulat"), item("kyverno", labels=OURS)] for kind in resources}
    found = plan(Inventory(lists, resources), Choice(), NAMESPACE)
    assert sorted(names(found)) == sorted(f"{kind} daulat" for kind in resources)
