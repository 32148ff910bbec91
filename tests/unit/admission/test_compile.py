"""A policy compiles to the same bytes each time, and to manifests that say what the policy says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.policy import CompiledPolicy, PolicyError, compile_policy
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators
from daulat.catalog.kubernetes import DEFAULT, Capabilities, Pin, of_version
from daulat.cel.evaluator import Request, evaluate, evaluate_all
from daulat.controls import library
from tests.requests import merge
from tests.strategies import TEXT
from tests.unit.world import exemption

FULL = library.base()["policy"]
BASE = library.base()["objects"]


def spec(**changes: Any) -> SovereigntyPolicySpec:
    return SovereigntyPolicySpec.model_validate(merge(FULL, changes))


def compiled(exemptions: Sequence[SovereigntyExemptionSpec] = (), **changes: Any) -> CompiledPolicy:
    return compile_policy("confidential", spec(**changes), accelerators.shipped(), exemptions)


def exempt(**changes: Any) -> SovereigntyExemptionSpec:
    return SovereigntyExemptionSpec.model_validate(exemption(**changes)["spec"])


def manifest(policy: CompiledPolicy, name: str, kind: str = "ValidatingAdmissionPolicy") -> dict[str, Any]:
    return next(m for m in policy.manifests if (m["kind"], m["metadata"]["name"]) == (kind, name))


def pod(namespace: str = "treasury", created: str = "2026-01-01T00:00:00Z", **changes: Any) -> Request:
    stored = {"metadata": {"creationTimestamp": created, "name": "p"}}
    return Request(object=merge(merge(BASE["pods"], stored), changes), namespace=namespace)


def messages(policy: CompiledPolicy, request: Request) -> str:
    return " ".join(v.message for v in evaluate_all(policy.manifests, request))


def shuffled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(v) for v in value] if isinstance(value, list) else value


def test_the_same_policy_compiles_to_the_same_bytes() -> None:
    assert json.dumps(compiled().manifests) == json.dumps(compiled().manifests)


def test_the_order_of_fields_makes_no_difference() -> None:
    labels = {"matchLabels": {"daulat.dev/a": "1", "daulat.dev/b": "2"}}
    one = compiled(namespaceSelector=labels, controls={"USE-04": "Warn", "USE-01": "Audit"})
    raw = shuffled(merge(FULL, {"namespaceSelector": labels, "controls": {"USE-04": "Warn", "USE-01": "Audit"}}))
    profiles = dict(reversed(list(accelerators.shipped().items())))
    other = compile_policy("confidential", SovereigntyPolicySpec.model_validate(raw), profiles)
    assert json.dumps(one.manifests, sort_keys=True) == json.dumps(other.manifests, sort_keys=True)
    assert one.revision == other.revision


def test_the_order_of_what_is_approved_makes_no_difference() -> None:
    accel = FULL["accelerators"]["profiles"]
    assert compiled(accelerators={"profiles": accel[::-1]}).revision == compiled().revision
    assert compiled(models={"licenses": FULL["models"]["licenses"][::-1]}).revision == compiled().revision


def test_another_policy_has_another_revision() -> None:
    revisions = [
        compiled(),
        compiled(zones={"countries": ["SG"]}, images={"registries": ["other.example/"]}),
        compiled([exempt()]),
        compiled(action="Warn"),
    ]
    assert len({c.revision for c in revisions}) == len(revisions)


def test_every_manifest_carries_the_revision_and_the_policy() -> None:
    result = compiled()
    for m in result.manifests:
        assert m["metadata"]["annotations"] == {"daulat.dev/revision": result.revision}
        assert m["metadata"]["labels"]["daulat.dev/policy"] == "confidential"


def references(policy: Mapping[str, Any]) -> list[str]:
    seen: set[str] = set()
    undeclared = []
    for variable in policy["spec"]["variables"]:
        undeclared += [r for r in refers(variable["expression"]) if r not in seen]
        seen.add(variable["name"])
    for validation in policy["spec"]["validations"]:
        undeclared += [r for e in ("expression", "messageExpression") for r in refers(validation[e]) if r not in seen]
    return undeclared


def refers(expression: str) -> list[str]:
    return re.findall(r"\bvariables\.(\w+)", re.sub(r'"(\\.|[^"\\])*"' + r"|'(\\.|[^'\\])*'", "", expression))


@pytest.mark.parametrize(
    "changes", [{}, {"images": None, "models": None}, {"controls": {"USE-01": "Off", "USE-04": "Audit"}}]
)
def test_only_declared_variables_are_referred_to_and_declared_before_use(changes: dict[str, Any]) -> None:
    found = [*compiled([exempt()], **changes).manifests, *compile_cluster_guards()]
    assert [references(m) for m in found if m["kind"] == "ValidatingAdmissionPolicy" and references(m)] == []


def test_kube_system_is_never_governed() -> None:
    selectors = [
        m["spec"]["matchResources"]["namespaceSelector"] for m in compiled().manifests if m["kind"].endswith("Binding")
    ]
    assert selectors
    never = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}
    assert all(never in s["matchExpressions"] and s["matchLabels"] for s in selectors)


def test_the_users_expressions_are_kept_beside_the_exclusion() -> None:
    own = {"key": "daulat.dev/a", "operator": "Exists"}
    result = compile_policy(
        "p", spec(namespaceSelector={"matchExpressions": [own]}), accelerators.shipped(), (), ("kube-system", "own")
    )
    selector = result.manifests[0]["spec"]["matchResources"]["namespaceSelector"]
    assert selector["matchExpressions"][0] == own
    assert selector["matchExpressions"][-1]["values"] == ["kube-system", "own"]


def test_controls_are_gathered_by_action() -> None:
    result = compiled(controls={"USE-04": "Warn", "SUP-01": "Audit"})
    name = "confidential.pods{}.daulat.dev"
    actions = {
        n: manifest(result, name.format(n), "ValidatingAdmissionPolicyBinding")["spec"]["validationActions"]
        for n in ("", ".warn", ".audit")
    }
    assert actions == {"": ["Deny"], ".warn": ["Warn", "Audit"], ".audit": ["Audit"]}
    variables = {v["name"] for v in manifest(result, name.format(".warn"))["spec"]["variables"]}
    assert "USE_04" in variables
    assert "USE_01" not in variables
    assert not any("warn" in m["metadata"]["name"] or "audit" in m["metadata"]["name"] for m in result.refusing)


def test_a_control_that_is_off_is_nowhere() -> None:
    result = compiled(controls={"USE-04": "Off"})
    assert "USE_04" not in json.dumps(result.manifests)
    assert messages(result, pod(spec={"nodeName": "gpu-7"})) == ""
    assert "USE-04" in messages(compiled(), pod(spec={"nodeName": "gpu-7"}))


def test_pods_are_pinned_by_admission_unless_that_is_off() -> None:
    kinds = [m["kind"] for m in compiled().manifests]
    assert kinds.count("MutatingAdmissionPolicy") == kinds.count("MutatingAdmissionPolicyBinding") == 1
    assert not any("Mutating" in m["kind"] for m in compiled(controls={"USE-01": "Off"}).manifests)


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_a_policy_that_only_warns_refuses_nothing(action: str) -> None:
    result = compiled(action=action)
    assert not result.enforces
    assert result.refusing == ()


def test_a_policy_comes_right_after_the_binding_that_says_where_it_holds() -> None:
    result = compiled(controls={"USE-04": "Warn"}).manifests
    for binding, policy in zip(result[::2], result[1::2], strict=True):
        assert (binding["kind"], binding["spec"]["policyName"]) == (
            f"{policy['kind']}Binding",
            policy["metadata"]["name"],
        )
        assert "namespaceSelector" in binding["spec"]["matchResources"]


def test_every_policy_has_its_binding() -> None:
    result = compiled(controls={"USE-04": "Warn"}).manifests
    names = {m["metadata"]["name"] for m in result if not m["kind"].endswith("Binding")}
    assert {m["spec"]["policyName"] for m in result if m["kind"].endswith("Binding")} == names


def test_an_unknown_control_is_refused_by_name() -> None:
    with pytest.raises(PolicyError, match=r"spec\.controls: XXX-99 is not a control; known are"):
        compiled(controls={"XXX-99": "Off"})


def test_a_profile_that_doesnt_exist_is_told() -> None:
    assert compiled(accelerators={"profiles": ["acme", "nvidia-h20"]}).missing_profiles == ("acme",)


TAGGED: dict[str, Any] = {"spec": {"containers": [{"name": "c", "image": "registry.example.my/vllm:v1"}]}}


def test_an_exemption_holds_in_its_namespaces_until_it_expires_and_for_its_control_alone() -> None:
    result = compiled([exempt(controls=["SUP-01"], expiresAt="2026-06-01T08:00:00+08:00")])
    assert "SUP-01" in messages(compiled(), pod(**TAGGED))
    assert messages(result, pod(**TAGGED)) == ""
    assert "SUP-01" in messages(result, pod("elsewhere", **TAGGED))
    assert messages(result, pod(created="2026-05-31T23:59:59Z", **TAGGED)) == ""
    assert "SUP-01" in messages(result, pod(created="2026-06-01T00:00:00Z", **TAGGED))
    assert "USE-04" in messages(result, pod(**merge(TAGGED, {"spec": {"nodeName": "x"}})))


def test_an_object_without_a_creation_time_is_not_exempt() -> None:
    request = pod(**TAGGED)
    assert request.object is not None
    del request.object["metadata"]["creationTimestamp"]
    assert "SUP-01" in messages(compiled([exempt()]), request)


def test_two_exemptions_add_up() -> None:
    result = compiled([exempt(namespaces=["a"]), exempt(namespaces=["b"])])
    assert [messages(result, pod(n, **TAGGED)) == "" for n in ("a", "b", "c")] == [True, True, False]


def test_an_exemption_from_another_policy_changes_nothing() -> None:
    assert compiled([exempt(policy="other")]).revision == compiled().revision


@pytest.mark.parametrize("name", ["variables.evil", "variables.violations", "violations"])
def test_names_that_look_like_variables_are_only_names(name: str) -> None:
    result = compiled(
        [exempt(namespaces=[name])],
        models={"developers": [name]},
        images={"registries": [f"{name}/"]},
        schedulers=[name],
    )
    assert messages(result, pod()).startswith("STO-07")
    assert [references(m) for m in result.manifests if m["kind"] == "ValidatingAdmissionPolicy" and references(m)] == []


@settings(max_examples=25)
@given(TEXT.filter(lambda t: len(t) > 0))
def test_any_developers_name_compiles_and_is_matched_exactly(name: str) -> None:
    guard = manifest(compiled(models={"developers": [name]}), "confidential.models.daulat.dev")
    ask = [{"spec": {"model": {"developer": d}}} for d in (name, name + "x")]
    verdicts = [
        evaluate(guard, Request(merge(BASE["models"], a), resource="sovereignmodels", group="daulat.dev")) for a in ask
    ]
    assert verdicts[0].allowed
    assert not verdicts[1].allowed
    assert not verdicts[1].error


@pytest.mark.parametrize("letter", ["a", "é", "界", "😀"])
def test_a_message_stays_under_the_limit_of_the_api_server(letter: str) -> None:
    long = letter * 6000
    message = messages(compiled(), pod(spec={"nodeName": long}))
    assert message.startswith("USE-04 spec.nodeName")
    assert message.endswith("...")
    assert len(message.encode()) <= 5 * 1024


def test_a_message_that_fits_is_told_in_full() -> None:
    long = "界" * 1200
    assert long in messages(compiled(), pod(spec={"nodeName": long}))


def test_a_pod_hears_all_violations_at_once_and_in_order() -> None:
    message = messages(compiled(), pod(spec={**TAGGED["spec"], "nodeName": "x", "nodeSelector": None}))
    assert [i for i in ("SUP-01 ", "USE-01 ", "USE-04 ") if i in message] == ["SUP-01 ", "USE-01 ", "USE-04 "]
    assert message.index("SUP-01 ") < message.index("USE-01 ") < message.index("USE-04 ")


def test_a_resource_that_several_containers_ask_for_is_told_once() -> None:
    wanted = {"amd.com/gpu": "1"}
    containers = [
        {
            "name": name,
            "image": TAGGED["spec"]["containers"][0]["image"],
            "resources": {"limits": wanted, "requests": wanted},
        }
        for name in ("a", "b")
    ]
    message = messages(compiled(), pod(spec={"containers": containers, "resources": {"limits": wanted}}))
    assert message.count('"amd.com/gpu" was requested') == 1


def test_a_canary_hears_the_revision_and_is_refused() -> None:
    result = compiled()
    canary = pod(metadata={"annotations": {"daulat.dev/canary": "confidential"}})
    assert f"revision {result.revision}" in messages(result, canary)
    assert messages(result, pod(metadata={"annotations": {"daulat.dev/canary": "other"}})) == ""


def test_a_canary_of_another_policy_lets_no_real_pod_in() -> None:
    canary = pod(metadata={"annotations": {"daulat.dev/canary": "other"}}, spec={"nodeName": "x"})
    assert "USE-04" in messages(compiled(), canary)


def test_the_clusters_guards_are_the_same_bytes_and_refuse_but_for_advice() -> None:
    assert json.dumps(compile_cluster_guards()) == json.dumps(compile_cluster_guards())
    bindings = [m for m in compile_cluster_guards() if m["kind"].endswith("Binding")]
    assert bindings
    warn = {b["metadata"]["name"] for b in bindings if b["spec"]["validationActions"] != ["Deny"]}
    assert warn == {"exemption-advice.cluster.daulat.dev"}


@pytest.mark.parametrize("name", ["zone", "site", "Upper", "a.b", "x" * 51])
def test_a_policy_whose_name_cant_be_a_label_of_its_own_is_not_compiled(name: str) -> None:
    spec = SovereigntyPolicySpec.model_validate(library.base()["policy"])
    with pytest.raises(PolicyError, match=r"metadata\.name"):
        compile_policy(name, spec, accelerators.shipped())


def test_a_policy_on_trial_pins_nothing() -> None:
    for action in ("Warn", "Audit"):
        spec = SovereigntyPolicySpec.model_validate({**library.base()["policy"], "action": action})
        kinds = {m["kind"] for m in compile_policy("trial", spec, accelerators.shipped()).manifests}
        assert kinds == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def test_a_section_that_approves_nothing_calls_for_its_controls() -> None:
    ids = {(c.control.id, c.control.guard) for c in compiled(storage={}, access={"users": [], "groups": []}).controls}
    assert {("STO-02", "volumeclaims"), ("MGD-05", "sessions")} <= ids
    left_out = {c.control.guard for c in compiled(storage=None, access=None, egress=None).controls}
    assert not {"volumeclaims", "volumes", "storageclasses", "sessions"} & left_out
    assert {"networkpolicies", "clusternetworkpolicies"} <= left_out


def test_an_empty_list_and_a_switch_that_is_off_call_for_nothing() -> None:
    ids = {c.control.id for c in compiled(models={"requireDigest": False}, images={"requireDigest": False}).controls}
    assert "SUP-01" not in ids
    assert "EXP-05" not in {c.control.id for c in compiled(accelerators={"requireAcknowledgement": []}).controls}


def test_the_guard_that_the_canary_proves_is_made_last_and_pods_are_pinned_before() -> None:
    """The API server takes policies up in the order in which they are made: a refused canary then stands for all of them."""
    manifests = compiled(controls={"SUP-01": "Warn", "SUP-08": "Audit"}).manifests
    assert [m["metadata"]["name"] for m in manifests[-4:]] == [
        "confidential.pin.daulat.dev",
        "confidential.pin.daulat.dev",
        "confidential.pods.daulat.dev",
        "confidential.pods.daulat.dev",
    ]
    assert {m["metadata"]["name"] for m in manifests[:-4]} > {
        "confidential.pods.warn.daulat.dev",
        "confidential.services.daulat.dev",
        "confidential.volumeclaims.daulat.dev",
    }


def test_a_version_of_kubernetes_decides_what_a_policy_compiles_to() -> None:
    def of(cluster: Capabilities) -> dict[str, str]:
        found = compile_policy("confidential", spec(), accelerators.shipped(), capabilities=cluster).manifests
        return {f"{m['kind']} {m['metadata']['name']}": m["apiVersion"] for m in found}

    newest, beta, old = of(DEFAULT), of(of_version("1.34", Pin.MUTATING_POLICY)), of(of_version("1.30"))
    pins = {name for name in newest if name.startswith("Mutating")}
    assert {newest[name] for name in pins} == {"admissionregistration.k8s.io/v1"}
    assert {beta[name] for name in pins} == {"admissionregistration.k8s.io/v1beta1"}
    assert old.keys() == newest.keys() - pins
    assert old == of(of_version("1.30", Pin.POD_NODE_SELECTOR))


@pytest.mark.parametrize(("version", "judged"), [("1.30", False), ("1.34", False), ("1.35", True), ("1.37", True)])
def test_regions_of_bindings_are_judged_where_the_api_server_tells_them(version: str, judged: bool) -> None:
    policy = compile_policy("confidential", spec(), accelerators.shipped(), capabilities=of_version(version))
    assert ("MGD-01" in {c.control.id for c in policy.controls if c.control.guard == "bindings"}) is judged
    assert policy.left_out == (() if judged else ("MGD-01.bindings",))
