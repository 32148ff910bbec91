"""Static manifests are what the policy compiles to under names that the API refuses; the anchor judges who writes what."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission.anchor import NAME, OPERATOR, anchor
from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.policy import compile_policy
from daulat.admission.static import SUFFIX, admission_configuration, static, static_name
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, Verdict, evaluate
from daulat.controls import library

ADMIN = "kubernetes-admin"
RESOURCES = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}


def compiled() -> tuple[dict[str, Any], ...]:
    spec = SovereigntyPolicySpec.model_validate(library.base()["policy"])
    return compile_policy("confidential", spec, accelerators.shipped()).manifests


def test_each_plugin_gets_its_own_kinds_under_static_names_with_the_same_spec() -> None:
    before = {m["metadata"]["name"]: m for m in compiled() if not m["kind"].endswith("Binding")}
    folders = static(compiled())
    after = [m for items in folders.values() for m in items]
    assert len(after) == len(compiled())
    for m in after:
        assert m["metadata"]["name"].endswith(SUFFIX)
        if m["kind"].endswith("Binding"):
            assert m["spec"]["policyName"] == m["metadata"]["name"]
        else:
            assert before[m["metadata"]["name"].replace(".daulat.static.k8s.io", ".daulat.dev")]["spec"] == m["spec"]
    assert {m["kind"] for m in folders["mutating"]} == {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
    assert all(m["kind"].startswith("Validating") for m in folders["validating"])


def test_the_order_of_the_input_makes_no_difference() -> None:
    assert static(compiled()) == static(reversed(compiled()))


def test_names_of_policies_of_one_word_stay_apart() -> None:
    names = [m["metadata"]["name"] for m in [*compiled(), *compile_cluster_guards()]]
    assert len({static_name(n) for n in names}) == len({*names})
    assert static_name("a.pods.daulat.dev") == "a.pods.daulat.static.k8s.io"
    assert static_name(NAME) == NAME


def test_the_configuration_names_both_directories_by_absolute_paths() -> None:
    plugins = admission_configuration("/etc/daulat/")["plugins"]
    found = {p["name"]: p["configuration"] for p in plugins}
    assert found["ValidatingAdmissionPolicy"]["staticManifestsDir"] == "/etc/daulat/validating"
    assert found["MutatingAdmissionPolicy"]["kind"] == "MutatingAdmissionPolicyConfiguration"


def judged(
    operation: str, before: dict[str, Any] | None, after: dict[str, Any] | None, user: str = ADMIN, **more: Any
) -> Verdict:
    subject = after or before or {}
    resource = RESOURCES.get(subject["kind"], "customresourcedefinitions")
    group = str(subject["apiVersion"]).partition("/")[0]
    request = Request(after, before, operation, resource, group, user=user, **more)
    return evaluate(anchor()[0], request)


def changed(manifest: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], **meta}}


@pytest.mark.parametrize(
    "manifest", [*compiled(), *compile_cluster_guards()], ids=lambda m: f"{m['kind']} {m['metadata']['name']}"
)
def test_nobody_but_the_operator_creates_changes_or_deletes_what_is_daulats(manifest: dict[str, Any]) -> None:
    looser = {**manifest, "spec": {**manifest["spec"], "failurePolicy": "Ignore"}}
    for operation, before, after, did in (
        ("CREATE", None, manifest, "created"),
        ("UPDATE", manifest, looser, "changed"),
        ("DELETE", manifest, None, "deleted"),
    ):
        verdict = judged(operation, before, after)
        assert not verdict.allowed
        assert not verdict.error
        name = manifest["metadata"]["name"]
        assert verdict.message.startswith(
            f'MGD-08 metadata.name: user "{ADMIN}" {did} "{name}"; the anchor allows only'
        )
        assert judged(operation, before, after, OPERATOR).allowed


def test_taking_labels_off_or_putting_owners_or_finalizers_on_is_a_change() -> None:
    (manifest, *_) = compiled()
    changes: tuple[dict[str, Any], ...] = (
        {"labels": {}},
        {"annotations": {}},
        {"ownerReferences": [{"uid": "x"}]},
        {"finalizers": ["x/y"]},
    )
    for meta in changes:
        assert not judged("UPDATE", manifest, changed(manifest, **meta)).allowed


def test_a_label_of_daulats_can_not_be_taken_by_another_object() -> None:
    other = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "spec": {}}
    plain = {**other, "metadata": {"name": "team-policy"}}
    for labels in ({"app.kubernetes.io/managed-by": "daulat"}, {"daulat.dev/policy": "confidential"}):
        assert not judged("CREATE", None, changed(plain, labels=labels)).allowed
        assert not judged("UPDATE", plain, changed(plain, labels=labels)).allowed
    assert not judged("CREATE", None, changed(plain, name="team.daulat.dev")).allowed


def test_what_is_others_and_writes_that_change_nothing_are_left_alone() -> None:
    other = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "spec": {"a": 1}}
    plain = {**other, "metadata": {"name": "team-policy", "labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    assert judged("CREATE", None, plain).allowed
    assert judged("UPDATE", plain, {**plain, "spec": {"a": 2}}).allowed
    assert judged("DELETE", plain, None).allowed
    (manifest, *_) = compiled()
    assert judged("UPDATE", manifest, changed(manifest, managedFields=[{"manager": "x"}], resourceVersion="7")).allowed


def test_the_kinds_of_daulat_can_not_be_taken_away() -> None:
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"served": True}}
    crd = {**crd, "metadata": {"name": "sovereigntypolicies.daulat.dev"}}
    assert not judged("DELETE", crd, None).allowed
    assert not judged("UPDATE", crd, {**crd, "spec": {"served": False}}).allowed
    assert judged("DELETE", changed(crd, name="rollouts.argoproj.io"), None).allowed


def test_a_deletion_of_a_collection_names_no_object_and_is_refused_all_the_same() -> None:
    (manifest, *_) = compiled()
    assert manifest["metadata"]["name"] in judged("DELETE", manifest, None, name="").message


def test_users_may_be_others_and_are_the_same_bytes_in_any_order() -> None:
    assert anchor(["b", "a", "a"]) == anchor(["a", "b"])
    (policy, binding) = anchor(["a", 'q"uote'])
    assert '["a", "q\\"uote"]' in policy["spec"]["matchConditions"][0]["expression"]
    assert binding["spec"]["validationActions"] == ["Deny"]
