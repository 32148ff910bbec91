"""Volumes are judged as they are bound, and those that are bound already are reported."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.kube.ref import Ref
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import Apply, ApplyStatus, Delete, Result
from tests.unit.world import Raw, World, ascend, child, exemption, namespace, policy, zone

REF = Ref("SovereigntyPolicy", "", "confidential")
NOW = 1_800_000_000.0
GUARD = "confidential.boundvolumes.daulat.dev"
NFS: Raw = {"csi": None, "nfs": {"server": "nfs.example.sg", "path": "/"}}


def volume(name: str = "pv-1", claim: str = "treasury/data", phase: str = "Bound", **spec: Any) -> Raw:
    where, _, of = claim.partition("/")
    body: Raw = {"storageClassName": "encrypted-cyberjaya", "csi": {"driver": "csi.example.my"}, **spec}
    body = {key: value for key, value in body.items() if value is not None}
    body["claimRef"] = {"namespace": where, "name": of}
    meta = {"name": name, "resourceVersion": "7"}
    return {"kind": "PersistentVolume", "metadata": meta, "spec": body, "status": {"phase": phase}}


def world(*volumes: Raw, **spec: Any) -> World:
    said = policy(**{"storage": {}, **spec})
    zones = [zone(storageClasses=["encrypted-cyberjaya"])]
    return World(nodes=[ascend("a1")], zones=zones, models=[], policies=[said], volumes=list(volumes))


def run(world: World) -> Result:
    return reconcile_policy(REF, world.snapshot(), NOW)


def guard_of(result: Result) -> Raw | None:
    found = [e.manifest for e in result.apply if isinstance(e, Apply) and e.manifest["metadata"]["name"] == GUARD]
    return next((m for m in found if m["kind"] == "ValidatingAdmissionPolicy"), None)


def governed(result: Result) -> str:
    guard = guard_of(result)
    assert guard is not None
    return " ".join(v["expression"] for v in guard["spec"]["variables"] if v["name"].startswith("governedNamespaces"))


def upheld(result: Result) -> tuple[str, str, str]:
    (written,) = (e for e in result.effects if isinstance(e, ApplyStatus))
    found = next(c for c in written.status["conditions"] if c["type"] == "Upheld")
    return found["status"], found["reason"], found["message"]


def test_the_names_of_governed_namespaces_stand_in_the_guard() -> None:
    there = world()
    assert '"treasury"' in governed(run(there))
    there.namespaces = [namespace("treasury"), namespace("vault"), {"metadata": {"name": "free", "labels": {}}}]
    found = governed(run(there))
    assert '"treasury"' in found
    assert '"vault"' in found
    assert '"free"' not in found


def test_another_namespace_changes_the_guard_and_not_the_revision() -> None:
    there = world()
    before = there.snapshot()
    there.namespaces = [namespace("treasury"), namespace("vault")]
    results = [reconcile_policy(REF, s, NOW) for s in (before, there.snapshot())]
    revisions = {e.status["revision"] for r in results for e in r.effects if isinstance(e, ApplyStatus)}
    assert len(revisions) == 1
    assert governed(results[0]) != governed(results[1])


def test_names_of_many_namespaces_are_divided_so_that_an_api_server_takes_each_expression() -> None:
    there = world()
    there.namespaces = [namespace(f"{'n' * 55}-{i:05}") for i in range(1201)]
    guard = guard_of(run(there))
    assert guard is not None
    expressions = [v["expression"] for v in guard["spec"]["variables"]]
    assert len([e for e in expressions if "nnnnn" in e]) == 3
    assert max(map(len, expressions)) < 100_000


def test_a_policy_that_says_nothing_of_storage_has_no_such_guard() -> None:
    assert guard_of(run(world(storage=None))) is None


def test_under_gitops_the_operator_writes_no_guard_and_reports_what_is_bound() -> None:
    result = run(world(volume(**NFS), enforcement={"source": "GitOps"}))
    assert guard_of(result) is None
    assert upheld(result)[:2] == ("False", "VolumeNotAccepted")


def test_the_guard_goes_with_its_last_namespace() -> None:
    there = world()
    there.namespaces = []
    there.children = [child("ValidatingAdmissionPolicy", GUARD, policy="confidential")]
    assert [e.ref.name for e in run(there).sweep if isinstance(e, Delete)] == [GUARD]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (volume(storageClassName="slow"), 'StorageClass "slow"'),
        (volume(storageClassName=None), "no class"),
        (volume(**NFS), "spec.nfs"),
    ],
)
def test_a_claim_with_a_volume_that_would_be_refused_today_is_reported(bad: Raw, says: str) -> None:
    status, reason, message = upheld(run(world(bad)))
    assert (status, reason) == ("False", "VolumeNotAccepted")
    assert "PersistentVolume pv-1" in message
    assert 'claim "treasury/data"' in message
    assert says in message


def test_all_claims_are_counted_and_three_more_are_named() -> None:
    message = upheld(run(world(*(volume(f"pv-{i}", f"treasury/data-{i}", **NFS) for i in range(5)))))[2]
    assert "4 more claims: treasury/data-1, treasury/data-2, treasury/data-3 and others" in message


@pytest.mark.parametrize(
    "fine",
    [
        volume(),
        volume(claim="elsewhere/data", **NFS),
        volume(phase="Released", **NFS),
        volume(phase="Available", **NFS),
    ],
)
def test_a_volume_that_no_governed_claim_has_or_that_is_accepted_is_no_news(fine: Raw) -> None:
    assert upheld(run(world(fine)))[1] == "AllPodsOnEligibleNodes"


def test_a_class_in_the_old_annotation_goes_before_the_field() -> None:
    old = volume()
    old["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "slow"}
    assert upheld(run(world(old)))[1] == "VolumeNotAccepted"


def test_an_exemption_of_the_namespace_holds_for_what_its_claims_are_bound_to() -> None:
    there = world(volume(storageClassName="slow"))
    there.exemptions = [exemption(controls=["STO-01", "STO-02"], namespaces=["treasury"])]
    assert upheld(run(there))[1] == "AllPodsOnEligibleNodes"


def test_a_volume_that_is_bound_wakes_the_policies_that_govern_the_claim() -> None:
    there = world()
    assert REF in there.woken("PersistentVolume", volume())
    assert there.woken("PersistentVolume", volume(claim="elsewhere/data")) == []


def test_a_volume_that_changes_is_judged_anew_and_one_that_goes_is_forgotten() -> None:
    there = world(volume(**NFS))
    store = there.store()
    assert upheld(reconcile_policy(REF, store.snapshot(), NOW))[1] == "VolumeNotAccepted"
    freed = volume(phase="Released", **NFS)
    freed["metadata"]["resourceVersion"] = "8"
    store.apply("PersistentVolume", freed)
    assert upheld(reconcile_policy(REF, store.snapshot(), NOW))[1] == "AllPodsOnEligibleNodes"
    again = volume(storageClassName="slow")
    again["metadata"]["resourceVersion"] = "9"
    store.apply("PersistentVolume", again)
    assert upheld(reconcile_policy(REF, store.snapshot(), NOW))[1] == "VolumeNotAccepted"
    store.delete("PersistentVolume", {**again, "metadata": {"name": "pv-1", "resourceVersion": "10"}})
    assert upheld(reconcile_policy(REF, store.snapshot(), NOW))[1] == "AllPodsOnEligibleNodes"
