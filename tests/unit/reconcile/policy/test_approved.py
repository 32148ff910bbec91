"""What a policy approves is in its status, and a change of it is never silent."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import NODE_PREFIX
from daulat.kube.ref import Ref
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import Apply, ApplyStatus, EmitEvent, Result
from tests.unit.world import H20, Raw, World, choice, model, node, policy

REF = Ref("SovereigntyPolicy", "", "confidential")
NOW = 1_800_000_000.0


def profile(name: str = "acme-npu", country: str = "MY", resource: str = "acme.example/npu", **spec: Any) -> Raw:
    body = {
        "vendor": {"name": "Acme", "country": country},
        "family": "NPU",
        "model": "1",
        "resources": [{"name": resource, "sharing": "Whole"}],
    }
    return {"metadata": {"name": name, "uid": f"uid-{name}", "generation": 1}, "spec": {**body, **spec}}


def world(*profiles: Raw, **spec: Any) -> World:
    selectors = {"accelerators": {"profiles": None, "vendorCountries": ["MY", "CN"]}}
    found = World(policies=[policy(**{**selectors, **spec})])
    found.profiles += profiles
    return found


def run(found: World) -> Result:
    return reconcile_policy(REF, found.snapshot(), NOW)


def status(result: Result) -> dict[str, Any]:
    (written,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return written


def told(result: Result) -> list[tuple[str, str]]:
    events = [e for e in result.effects if isinstance(e, EmitEvent) and e.reason == "AcceleratorsApproved"]
    return [(e.type, e.message) for e in events]


def settled(found: World) -> World:
    """Write the policy's status, as the API server would."""
    return found.with_status_of(run(found).effects)


def compiled(result: Result) -> tuple[str, str, str]:
    return _compiled(status(result))


def compiled_of(found: World) -> tuple[str, str, str]:
    return _compiled(found.policies[0]["status"])


def _compiled(written: Raw) -> tuple[str, str, str]:
    found = next(c for c in written["conditions"] if c["type"] == "Compiled")
    return found["status"], found["reason"], found["message"]


def test_status_names_what_is_approved_now() -> None:
    found = status(run(world(profile())))["accelerators"]
    assert found["count"] == 2
    assert found["profiles"] == ["acme-npu", "huawei-ascend-910b"]
    assert found["resources"] == ["acme.example/npu", "huawei.com/Ascend910"]
    assert found["deviceClasses"] == ["npu.huawei.com"]


def test_a_policy_with_selectors_tells_once_what_it_approves() -> None:
    found = world(profile())
    assert told(run(found)) == [("Normal", "2 AcceleratorProfiles are approved: acme-npu, huawei-ascend-910b")]
    assert told(run(settled(found))) == []


def test_a_policy_that_lists_names_has_them_in_its_status_without_an_event() -> None:
    result = run(World())
    assert status(result)["accelerators"]["profiles"] == ["huawei-ascend-910b", H20]
    assert told(result) == []


def test_a_new_profile_that_matches_is_told_in_status_and_as_a_warning() -> None:
    found = settled(world())
    found.profiles.append(profile())
    result = run(found)
    assert status(result)["accelerators"]["profiles"] == ["acme-npu", "huawei-ascend-910b"]
    assert told(result) == [
        (
            "Warning",
            "2 AcceleratorProfiles are approved; added AcceleratorProfile acme-npu, resource acme.example/npu. "
            "An AcceleratorProfile changed, not the policy",
        )
    ]
    assert told(run(found.with_status_of(result.effects))) == []


def test_a_new_profile_that_doesnt_match_is_not_told() -> None:
    found = settled(world())
    found.profiles.append(profile(country="SG"))
    assert told(run(found)) == []


def test_a_profile_that_is_deleted_is_told_as_taken_away() -> None:
    found = settled(world(profile()))
    found.profiles.pop()
    ((type_, message),) = told(run(found))
    assert type_ == "Warning"
    assert message.startswith("1 AcceleratorProfile is approved; removed AcceleratorProfile acme-npu, resource acme.")


def status_of(found: World) -> Raw:
    written: Raw = found.policies[0]["status"]
    return written


def test_a_deleted_profile_is_remembered_as_long_as_a_node_depends_on_it() -> None:
    labels = {NODE_PREFIX + "confidential": "eligible"}
    found = world(profile())
    found.nodes = [node("n1", devices={"acme.example/npu": "8"}, labels=labels)]
    settled(found).profiles.pop()
    result = run(found)
    assert status(result)["accelerators"]["missing"] == ["acme-npu"]
    assert compiled(result)[:2] == ("False", "ProfileNotFound")
    assert "AcceleratorProfile acme-npu doesn't exist any more, so nothing of it is approved" in compiled(result)[2]
    settled(found)
    settled(found)
    assert status_of(found)["accelerators"]["missing"] == ["acme-npu"]
    found.nodes = []
    settled(found)
    assert status_of(found)["accelerators"]["missing"] == []
    assert compiled_of(found)[:2] == ("True", "Applied")


def test_a_deleted_profile_is_remembered_as_long_as_a_governed_model_lists_it() -> None:
    found = world(profile())
    found.nodes = []
    found.models = [model(accelerators=[choice("acme-npu", 1)])]
    settled(found).profiles.pop()
    settled(found)
    assert status_of(found)["accelerators"]["missing"] == ["acme-npu"]
    found.namespaces[0]["metadata"]["labels"] = {"daulat.dev/data-class": "public"}
    settled(found)
    assert status_of(found)["accelerators"]["missing"] == []


def test_a_deleted_profile_on_which_nothing_depends_is_forgotten() -> None:
    found = settled(world(profile()))
    found.profiles.pop()
    assert status(run(found))["accelerators"]["missing"] == []
    assert compiled(run(found))[:2] == ("True", "Applied")


@pytest.mark.parametrize("by_name", [False, True])
def test_a_resource_that_is_added_to_an_approved_profile_is_told(by_name: bool) -> None:
    found = world(profile())
    if by_name:
        found.policies = [policy(accelerators={"profiles": ["acme-npu"]})]
    settled(found)
    found.profiles[-1] = profile(resourceFamilies=[{"pattern": "acme.example/part-#g", "sharing": "Partition"}])
    ((type_, message),) = told(run(found))
    assert type_ == "Warning"
    assert "; added resource acme.example/part-#g. An AcceleratorProfile changed, not the policy" in message


def test_a_change_of_the_policy_is_no_warning() -> None:
    found = settled(world(profile()))
    found.policies[0]["spec"]["accelerators"]["vendorCountries"] = ["MY"]
    found.policies[0]["metadata"]["generation"] = 2
    ((type_, message),) = told(run(found))
    assert type_ == "Normal"
    assert message.startswith("1 AcceleratorProfile is approved; removed AcceleratorProfile huawei-ascend-910b,")


def test_selectors_that_match_nothing_approve_nothing_and_the_policy_says_so() -> None:
    result = run(world(accelerators={"profiles": None, "vendors": ["Huwei"]}))
    assert status(result)["accelerators"]["count"] == 0
    assert compiled(result)[0] == "True"
    assert "no AcceleratorProfile matches all that is set, so none is approved" in compiled(result)[2]
    assert told(result) == [("Normal", "0 AcceleratorProfiles are approved: none")]


def test_a_profile_that_cant_be_read_and_may_match_is_told_as_unreadable() -> None:
    found = settled(world(profile()))
    found.profiles[-1] = profile(futureField=1)
    result = run(found)
    assert compiled(result)[:2] == ("False", "ProfileUnreadable")
    assert "AcceleratorProfile acme-npu can't be read" in compiled(result)[2]
    assert status(result)["accelerators"]["profiles"] == ["huawei-ascend-910b"]


def test_long_lists_are_cut_and_a_change_is_told_all_the_same() -> None:
    def numbered(count: int) -> list[Raw]:
        return [profile(f"p-{n:03}", resource=f"acme.example/npu-{n:03}") for n in range(count)]

    found = settled(world(*numbered(300)))
    listed = found.policies[0]["status"]["accelerators"]
    assert (listed["count"], len(listed["profiles"]), len(listed["resources"])) == (301, 128, 256)
    found.profiles.append(profile("zz-last", resource="zz.example/npu"))
    ((_, message),) = told(run(found))
    assert message.startswith(
        "302 AcceleratorProfiles are approved; the change is beyond what status.accelerators lists"
    )
    settled(found).profiles.append(profile("a-first", resource="a.example/npu"))
    ((_, message),) = told(run(found))
    assert "; added AcceleratorProfile a-first, resource a.example/npu. An" in message


def test_a_new_profile_that_matches_is_drift_where_gitops_applies_the_policy() -> None:
    found = world(enforcement={"source": "GitOps"})
    wanted = [e.manifest for e in run(world()).effects if isinstance(e, Apply)]
    for m in wanted:
        annotations = {**m["metadata"]["annotations"], "daulat.dev/source": "GitOps"}
        meta = {**m["metadata"], "annotations": annotations, "uid": f"uid-{m['metadata']['name']}", "generation": 1}
        found.children.append({**m, "metadata": meta})
    first = run(found)
    assert compiled(first)[:2] == ("True", "InSync")
    found.with_status_of(first.effects).profiles.append(profile())
    result = run(found)
    assert not [e for e in result.effects if isinstance(e, Apply)]
    state, reason, message = compiled(result)
    assert (state, reason) == ("False", "OutOfSync")
    assert "is of revision" in message
    ((type_, words),) = told(result)
    assert type_ == "Warning"
    assert words.endswith("not the policy; it is in force once the output of daulat compile is applied")
