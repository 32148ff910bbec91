"""What is already there gets the verdict that ``daulat check`` gives: the text of a control is the compiled policy's."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission.policy import compile_policy
from daulat.api.names import MANAGED_BY, MODEL_LABEL
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, Verdict
from daulat.controls import library
from daulat.facts.snapshot import Snapshot
from daulat.kube.reported import JUDGED
from daulat.kube.resources import Resource
from daulat.reports.judging import Judge
from daulat.reports.result import Outcome, Result
from daulat.reports.standing import standing
from daulat.reports.writers import ORDINARY_USER, kept
from tests.requests import EXAMPLES, merge, request_of
from tests.unit.world import IMAGE, Raw, World, exemption, namespace, policy, zone

NOW = 1_767_261_600.0
BY_KIND = {resource.kind: resource for resource in JUDGED}
POD = BY_KIND["Pod"]


def snapshot(*policies: Raw, **more: Any) -> Snapshot:
    return World(policies=list(policies), models=[], **more).snapshot()


def a_pod(image: str = IMAGE, on: str = "", **spec: Any) -> Raw:
    """Return a pod as a list has it: without apiVersion and kind."""
    meta = {"name": "old", "namespace": "treasury", "uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z"}
    body = {"containers": [{"name": "main", "image": image}], **({"nodeName": on} if on else {}), **spec}
    return {"metadata": meta, "spec": body}


def judged(snapshot: Snapshot, item: Raw, resource: Resource = POD, now: float = NOW) -> list[Result]:
    return [r for r in Judge(snapshot, now).judge(item, resource, "treasury", namespace()) if r is not None]


def rules(found: list[Result]) -> dict[str, str]:
    return {result.rule: str(result.outcome) for result in found}


IMAGES: dict[str, Any] = {"images": {"registries": ["registry.example.my/"]}}
ELSEWHERE = "docker.io/vllm:latest"


@pytest.mark.parametrize(
    ("action", "outcome", "severity"),
    [("Enforce", "fail", "high"), ("Warn", "warn", "medium"), ("Audit", "warn", "low")],
)
def test_a_pod_older_than_the_policy_is_reported_by_the_policys_action(
    action: str, outcome: str, severity: str
) -> None:
    found = judged(snapshot(policy(action=action, **IMAGES)), a_pod(ELSEWHERE))
    (image,) = (r for r in found if r.rule == "STO-07")
    assert (str(image.outcome), image.policy, image.action) == (outcome, "confidential", action)
    told = image.manifest()
    assert (told["severity"], told["category"], told["scored"]) == (severity, "Stored", action == "Enforce")
    assert told["resources"] == [
        {"apiVersion": "v1", "kind": "Pod", "namespace": "treasury", "name": "old", "uid": "u"}
    ]
    assert told["message"].startswith('STO-07 spec.containers["main"].image: "docker.io/vllm:latest"')


def test_a_pod_that_breaks_nothing_is_a_pass_under_each_policy() -> None:
    pins: dict[str, Any] = {
        "nodeSelector": {f"daulat.node-restriction.kubernetes.io/{n}": "eligible" for n in ("a", "b")}
    }
    judge = Judge(snapshot(policy("a", **IMAGES), policy("b", **IMAGES)), NOW)
    assert list(judge.judge(a_pod(on="a1", **pins), POD, "treasury", namespace())) == [None, None]


def test_the_schedulers_node_name_isnt_the_users() -> None:
    assert "USE-04" not in rules(judged(snapshot(policy(action="Audit")), a_pod(on="a1")))


def test_what_kubernetes_writes_into_a_claim_isnt_the_users() -> None:
    notes = {"pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/storage-provisioner": "csi.example.my"}
    claim = {
        "metadata": {"name": "c", "namespace": "treasury", "annotations": notes},
        "spec": {"volumeName": "pvc-1", "storageClassName": "s"},
    }
    found = judged(snapshot(policy(storage={"storageClasses": ["s"]})), claim, BY_KIND["PersistentVolumeClaim"])
    assert "STO-10" not in rules(found)


def test_an_exempted_object_is_skipped_with_the_exemptions_name() -> None:
    exempted = snapshot(policy(**IMAGES), exemptions=[exemption("mirror", controls=["STO-07"])])
    (image,) = (r for r in judged(exempted, a_pod(ELSEWHERE)) if r.rule == "STO-07")
    assert (image.outcome, image.exemption) == (Outcome.SKIP, "mirror")
    assert image.manifest()["properties"]["exemption"] == "mirror"


def test_an_exemption_that_is_over_or_of_another_namespace_skips_nothing() -> None:
    others: tuple[Raw, ...] = ({"expiresAt": "2025-01-01T00:00:00Z"}, {"namespaces": ["elsewhere"]}, {"approvals": []})
    for other in others:
        left = snapshot(policy(**IMAGES), exemptions=[exemption("mirror", controls=["STO-07"], **other)])
        assert rules(judged(left, a_pod(ELSEWHERE)))["STO-07"] == "fail"


OPEN: Raw = {"metadata": {"name": "open", "namespace": "treasury"}, "spec": {"podSelector": {}, "egress": [{}]}}
POD_ADDRESS: Raw = {"ip": "10.0.0.7", "targetRef": {"kind": "Pod", "namespace": "knative-serving", "name": "activator"}}


def a_slice(by: str, service: str = "web") -> Raw:
    labels = {"endpointslice.kubernetes.io/managed-by": by, "kubernetes.io/service-name": service}
    meta = {"name": "web-1", "namespace": "treasury", "labels": labels}
    return {"metadata": meta, "addressType": "IPv4", "endpoints": [{"addresses": ["203.0.113.7"]}]}


def endpoints(name: str = "web", **meta: Any) -> Raw:
    return {"metadata": {"name": name, "namespace": "treasury", **meta}, "subsets": [{"addresses": [POD_ADDRESS]}]}


def test_what_a_policy_admin_may_have_written_is_a_warning_though_the_control_is_enforced() -> None:
    found = judged(snapshot(policy(egress={"allow": []})), OPEN, BY_KIND["NetworkPolicy"])
    assert [(r.rule, r.outcome, r.action) for r in found] == [("USE-05", Outcome.WARN, "Enforce")]
    found = judged(snapshot(policy()), a_slice("me"), BY_KIND["EndpointSlice"])
    assert [(r.rule, r.outcome) for r in found] == [("USE-05", Outcome.WARN)]


def test_a_network_policy_that_closes_is_a_pass() -> None:
    closing = {"metadata": OPEN["metadata"], "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
    assert judged(snapshot(policy(egress={"allow": []})), closing, BY_KIND["NetworkPolicy"]) == []


def test_knatives_endpoints_of_pods_are_its_controllers_and_those_of_other_addresses_are_not() -> None:
    owner = {"apiVersion": "networking.internal.knative.dev/v1alpha1", "kind": "ServerlessService", "name": "web"}
    owned = endpoints(ownerReferences=[{**owner, "uid": "1", "controller": True}])
    elsewhere = {**owned, "subsets": [{"addresses": [{"ip": "203.0.113.7"}]}]}
    knative = policy(exposure={"knativeControllers": ["system:serviceaccount:knative-serving:controller"]})
    kind = BY_KIND["Endpoints"]
    assert judged(snapshot(knative), owned, kind) == []
    assert rules(judged(snapshot(knative), elsewhere, kind)) == {"USE-05": "warn"}
    assert rules(judged(snapshot(policy()), owned, kind)) == {"USE-05": "warn"}
    assert rules(judged(snapshot(knative), endpoints(), kind)) == {"USE-05": "warn"}


@pytest.mark.parametrize(
    ("kind", "item", "ours"),
    [
        ("EndpointSlice", a_slice("endpointslice-controller.k8s.io"), True),
        ("EndpointSlice", a_slice("endpointslicemirroring-controller.k8s.io", "external"), True),
        # A user's slice is served beside the controller's.
        ("EndpointSlice", a_slice("me"), False),
        # No controller looks after the slices of a Service without a selector, whoever their label names.
        ("EndpointSlice", a_slice("endpointslice-controller.k8s.io", "external"), False),
        ("Endpoints", endpoints(), True),
        ("Endpoints", endpoints("external"), False),
        ("Endpoints", {"metadata": {"name": "kubernetes", "namespace": "default"}}, True),
        ("Endpoints", {"metadata": {"name": "kubernetes", "namespace": "treasury"}}, False),
        ("NetworkPolicy", OPEN, False),
        ("NetworkPolicy", {"metadata": {"name": "egress.daulat.dev", "labels": {MANAGED_BY: "daulat"}}}, True),
        ("NetworkPolicy", {"metadata": {"name": "m", "labels": {MANAGED_BY: "daulat", MODEL_LABEL: "m"}}}, True),
        ("NetworkPolicy", {"metadata": {"name": "other", "labels": {MANAGED_BY: "daulat"}}}, False),
        ("Service", {"metadata": {"name": "web", "namespace": "treasury"}}, False),
    ],
)
def test_what_controllers_keep_is_told_apart_by_what_they_enforce(kind: str, item: Raw, ours: bool) -> None:
    assert kept(item, BY_KIND[kind], {"web"}) is ours


def test_a_pod_on_a_node_that_isnt_eligible_any_more_is_drift() -> None:
    drifting = policy()
    drifting["status"] = {"drift": [{"node": "a1", "reason": "zone singapore-1 is outside MY", "pods": 1}]}
    (drift,) = (r for r in judged(snapshot(drifting), a_pod(on="a1")) if r.rule == "drift")
    assert (drift.outcome, "zone singapore-1 is outside MY" in drift.message) == (Outcome.FAIL, True)
    assert "drift" not in rules(judged(snapshot(drifting), a_pod(on="a2")))


def test_an_object_that_cant_be_judged_is_an_error_and_never_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(policies: list[Raw], request: Request) -> list[tuple[Raw, Verdict]]:
        return [(policies[0], Verdict(False, "the policy could not be evaluated: no such key", error=True))]

    monkeypatch.setattr("daulat.reports.judging.evaluate_each", failing)
    (found,) = judged(snapshot(policy()), a_pod())
    assert (found.outcome, found.message) == (Outcome.ERROR, "the policy could not be evaluated: no such key")


def test_a_kind_that_cant_be_listed_is_an_error_under_each_policy() -> None:
    judge = Judge(snapshot(policy("a"), policy("b")), NOW)
    found = list(judge.unread(POD, "treasury", "forbidden"))
    assert [(r.policy, r.outcome) for r in found] == [("a", Outcome.ERROR), ("b", Outcome.ERROR)]


def test_a_policy_that_cant_be_compiled_is_an_error_of_the_cluster() -> None:
    broken = policy("zone")
    judge = Judge(snapshot(broken), NOW)
    assert [(r.policy, r.outcome) for r in judge.problems] == [("zone", Outcome.ERROR)]
    assert judge.namespaces == []


def test_zones_and_policies_that_arent_ready_are_warnings_of_the_cluster() -> None:
    not_ready = zone()
    not_ready["status"] = {
        "conditions": [{"type": "Ready", "status": "False", "reason": "NoNodes", "message": "no node"}]
    }
    (found,) = standing(snapshot(policy(), zones=[not_ready]))
    assert (found.outcome, found.subject.name, found.message) == (Outcome.WARN, "cyberjaya-1", "NoNodes: no node")


def test_namespaces_on_their_way_out_and_without_a_policy_have_no_report() -> None:
    spaces = [namespace(), namespace("leaving", terminating=True), namespace("free", team="x")]
    assert Judge(snapshot(policy(), namespaces=spaces), NOW).namespaces == ["treasury"]


def _shared() -> list[tuple[library.Control, library.Example]]:
    """Return one refused and one passing example of each control, of those that are objects of a kind that is judged."""
    found: dict[tuple[str, str, bool], tuple[library.Control, library.Example]] = {}
    for control, example in EXAMPLES:
        guard = library.guards()[control.guard]
        resource = (example.resource or guard.resources[0].resources[0], guard.resources[0].group)
        # What Kubernetes writes later isn't looked at.
        later = any(field in str(example.object) for field in ("nodeName", "volumeName", "kubernetes.io/"))
        # Of what an admin or a controller may write, the writer isn't on record.
        ordinary = example.user == "tenant"
        as_made = ordinary and not (example.allowed or example.setup or example.profiles or later)
        if guard.scope == "policy" and example.operation == "CREATE" and resource in PLURALS and as_made:
            found.setdefault((control.id, control.guard, bool(example.violations)), (control, example))
    return list(found.values())


PLURALS = {(resource.plural, resource.group): resource for resource in JUDGED}
SHARED = _shared()


@pytest.mark.parametrize(("control", "example"), SHARED, ids=[f"{c.id}.{c.guard}-{e.name}" for c, e in SHARED])
def test_the_corpus_gets_the_same_verdict_as_a_request(control: library.Control, example: library.Example) -> None:
    request = request_of(control, example)
    resource = PLURALS[request.resource, request.group]
    spec = merge(library.base()["policy"], example.policy)
    raw = {"metadata": policy()["metadata"], "spec": {**spec, "namespaceSelector": {}}}
    zones = [{"metadata": {"name": n}, "spec": s} for n, s in merge(library.base()["zones"], example.zones).items()]
    world = snapshot(raw, zones=zones, profiles=list(accelerators.manifests()))
    of = request.namespace_object
    found = Judge(world, NOW).judge(dict(request.object or {}), resource, "treasury", of)
    messages = sorted(r.message.replace(ORDINARY_USER, example.user) for r in found if r is not None)
    assert messages == sorted(example.violations)


def test_every_kind_that_is_judged_is_one_that_a_control_judges_on_create() -> None:
    spec = SovereigntyPolicySpec.model_validate(policy()["spec"])
    assert compile_policy("p", spec, {}).manifests
    on_create = {
        (rule.group, plural)
        for guard in library.guards().values()
        if guard.scope == "policy"
        for rule in guard.resources
        if "CREATE" in rule.operations
        for plural in rule.resources
    }
    assert {(r.group, r.plural) for r in JUDGED} <= on_create
