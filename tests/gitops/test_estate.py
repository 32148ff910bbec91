"""Chart and kinds from Git: applied in order, without a diff afterwards, kept, pruned, reverted, by exactly the rights needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from dev.deployment import ROOT, poll
from dev.gitops.repository import Repository
from tests.e2e.world import pod_manifest

from . import account, estate
from .conftest import Landed

KINDS = (
    "sovereignzones,acceleratorprofiles,sovereigntypolicies,sovereigntyexemptions,sovereignmodels,namespaces,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings,"
    "customresourcedefinitions,clusterroles,clusterrolebindings,deployments,services,serviceaccounts,poddisruptionbudgets,"
    "networkpolicies,roles,rolebindings"
)
RECONCILIATIONS = 10
# The model's images are in these, and that of a plain pod isn't.
NARROWER = [f"registry.example.my/{name}/" for name in ("ascend", "vllm", "daulat")]
BINDING = "validatingadmissionpolicybinding"


def generations(landed: Landed) -> dict[str, Any]:
    """Return of each object that the engine applied its generation and what it says that it has applied."""
    found = json.loads(landed.world.admin.run("get", KINDS, "-A", "-o", "json", "--show-managed-fields"))["items"]
    return {
        f"{o['kind']} {o['metadata'].get('namespace', '')}/{o['metadata']['name']}": (
            o["metadata"].get("generation"),
            [f["time"] for f in _fields(o) if f["manager"].startswith(landed.engine.manager)],
        )
        for o in found
        if any(f["manager"].startswith(landed.engine.manager) for f in _fields(o))
    }


def _fields(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [f for f in manifest["metadata"].get("managedFields", []) if f.get("subresource") != "status"]


def test_models_wait_until_their_policy_is_in_force(landed: Landed) -> None:
    assert not landed.model_came_early
    assert landed.before_operator
    assert landed.world.condition("smodel", estate.MODEL, "Ready", estate.TREASURY)["status"] == "True"


def test_ten_more_reconciliations_change_nothing(landed: Landed) -> None:
    before = generations(landed)
    for kind in (
        "SovereigntyPolicy",
        "SovereignModel",
        "ValidatingAdmissionPolicy",
        "Deployment",
        "CustomResourceDefinition",
    ):
        assert any(name.startswith(f"{kind} ") for name in before), kind
    for _ in range(RECONCILIATIONS):
        landed.engine.reconcile()
        assert landed.engine.healthy(landed.engine.sovereignty), landed.engine.message(landed.engine.sovereignty)
    assert generations(landed) == before
    for policy in (estate.POLICY, estate.BY_GITOPS):
        assert landed.world.condition("sovereigntypolicy", policy, "Enforced")["status"] == "True"
    assert landed.world.condition("sovereigntypolicy", estate.BY_GITOPS, "Compiled")["reason"] == "InSync"


def test_labels_of_the_engine_dont_reach_what_the_operator_makes(landed: Landed) -> None:
    model = landed.world.get("smodel", estate.MODEL, namespace=estate.TREASURY)
    of_engine = set(model["metadata"]["labels"]) | {"argocd.argoproj.io/instance"}
    assert "app.kubernetes.io/instance" in of_engine
    made = landed.world.get(
        "deployments,services,pods,networkpolicies,serviceaccounts,poddisruptionbudgets",
        *("-n", estate.TREASURY, "-l", f"daulat.dev/model={estate.MODEL}"),
    )["items"]
    assert {o["kind"] for o in made} >= {"Deployment", "Pod", "Service"}
    for o in made:
        engines = ("argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "example.my/")
        labels = {*o["metadata"].get("labels", {}), *o["metadata"].get("annotations", {})}
        assert not [key for key in labels if key.startswith(engines)], o["metadata"]
        assert o["metadata"].get("labels", {}).get("app.kubernetes.io/instance") != "estate"


def test_what_is_loosened_or_deleted_beside_git_comes_back(landed: Landed) -> None:
    world, admin = landed.world, landed.world.admin
    bad = pod_manifest("p", estate.VAULT, nodeName="sg-gpu-1")
    name = f"{estate.BY_GITOPS}.pods.daulat.dev"
    admin.run("delete", "sovereignzone", "cyberjaya-1")
    for loosened in ("", "Audit", "Warn"):
        if loosened:
            patch = json.dumps({"spec": {"validationActions": [loosened]}})
            admin.run("patch", BINDING, name, "--type=merge", f"--patch={patch}")
        else:
            admin.run("delete", BINDING, name)
        landed.engine.reconcile()

        def restored() -> bool:
            there = world.exists(BINDING, name)
            return there and world.get(BINDING, name)["spec"]["validationActions"] == ["Deny"]

        poll(f"the binding to come back from {loosened or 'its deletion'}", restored, pause=1)
    poll("the zone to come back", lambda: world.exists("sovereignzone", "cyberjaya-1"))
    poll("the policy to refuse again", lambda: "USE-04 " in world.refusal(bad, "--dry-run=server"))
    world.wait_condition("sovereigntypolicy", estate.BY_GITOPS, "Enforced", "True")


def test_a_reverted_commit_takes_back_what_it_brought_and_prunes_what_it_added(landed: Landed) -> None:
    world, repository = landed.world, landed.repository
    stricter = estate.policy()
    stricter["spec"]["images"]["registries"] = NARROWER
    repository.write(f"{estate.SOVEREIGNTY}/policy.yaml", stricter)
    second = {**estate.profile(), "metadata": {"name": "another-gaudi3"}}
    repository.write(f"{estate.SOVEREIGNTY}/another.yaml", second)
    revision = repository.commit("Narrow the registries, and add a profile")
    pod = pod_manifest("p", estate.TREASURY)
    landed.engine.fetch()
    poll("the policy to be narrower", lambda: "STO-07 " in world.refusal(pod, "--dry-run=server"), pause=1)
    assert world.exists("acceleratorprofile", "another-gaudi3")
    assert repository.revision == revision
    repository.revert()
    landed.engine.fetch()
    poll("the policy to be as before", lambda: not world.refusal(pod, "--dry-run=server"), pause=1)
    poll("the profile to be pruned", lambda: not world.exists("acceleratorprofile", "another-gaudi3"))
    landed.engine.settled(repository.revision)


def test_the_pipeline_the_api_server_and_the_engine_refuse_in_the_same_words(landed: Landed) -> None:
    world, repository = landed.world, landed.repository
    bad = estate.wave(estate.model(), 1)
    bad["spec"]["model"]["uri"] = "oci://elsewhere.example.com/models/m@sha256:" + "1a" * 32
    repository.write(f"{estate.MODELS}/model.yaml", bad)
    repository.commit("Take weights from elsewhere")
    words = in_the_pipeline(repository)
    assert words in world.refusal(bad, "--dry-run=server", verb="apply")
    landed.engine.fetch()
    poll("the refusal", lambda: words in landed.engine.message(landed.engine.models), pause=1)
    stored = world.get("smodel", estate.MODEL, namespace=estate.TREASURY)
    assert stored["spec"]["model"]["uri"] != bad["spec"]["model"]["uri"]
    repository.revert()
    assert not in_the_pipeline(repository)
    landed.engine.settled(repository.revision)


def in_the_pipeline(repository: Repository) -> str:
    """Return what `daulat check` says of the weights in the repository, as a step of a pipeline runs it; empty where it passes."""
    command = [sys.executable, "-m", "daulat.cli.main", "check", estate.MODELS, "--policy-dir", estate.SOVEREIGNTY]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [*command, "--output=json"],
        check=False,
        capture_output=True,
        text=True,
        cwd=repository.directory,
        env=environment,
    )
    found = [f for o in json.loads(done.stdout)["objects"] for f in o["findings"] if f["level"] == "error"]
    assert done.returncode == (1 if found else 0), done.stderr
    return next((f["message"] for f in found if f["field"] == "spec.model.uri"), "")


def test_an_exemption_from_git_is_requested_by_the_engine_and_approved_by_a_person(landed: Landed) -> None:
    found = landed.world.get("sexempt", estate.EXEMPTION)["spec"]
    assert found["requestedBy"] == landed.engine.user
    assert [a["user"] for a in found["approvals"]] == ["data-protection-officer"]
    assert landed.world.condition("sexempt", estate.EXEMPTION, "Active")["status"] == "True"


@pytest.mark.parametrize(
    ("verb", "resource", "path"),
    [("govern", "sovereigntypolicies", "policy"), ("certify", "acceleratorprofiles", "profile")],
)
def test_without_its_verb_the_engine_changes_nothing_and_names_the_verb(
    landed: Landed, verb: str, resource: str, path: str
) -> None:
    repository, admin = landed.repository, landed.world.admin
    role = account.roles()[account.ROLES[0]]
    without = {**role, "rules": [r for r in role["rules"] if verb not in r["verbs"]]}
    admin.run("replace", "-f", "-", stdin=json.dumps(without))
    try:
        changed = estate.policy() if path == "policy" else estate.profile()
        changed["spec"].update({"images": {"registries": NARROWER}} if path == "policy" else {"devicesPerNode": 4})
        repository.write(f"{estate.SOVEREIGNTY}/{path}.yaml", changed)
        repository.commit("Change what needs a verb")
        landed.engine.fetch()
        words = f"only principals with the verb {verb} on {resource} may"
        poll("the refusal", lambda: words in landed.engine.message(landed.engine.sovereignty), pause=1)
    finally:
        admin.run("replace", "-f", "-", stdin=json.dumps(role))
        repository.revert()
        landed.engine.settled(repository.revision)


def test_replicas_that_an_autoscaler_sets_stay(landed: Landed) -> None:
    world, repository = landed.world, landed.repository
    scaled = estate.wave(estate.model(), 1)
    del scaled["spec"]["replicas"]
    repository.write(f"{estate.MODELS}/model.yaml", scaled)
    repository.commit("Leave the replicas to an autoscaler")
    landed.engine.settled(repository.revision)
    # As a HorizontalPodAutoscaler does.
    scaled_to = ["--type=merge", '--patch={"spec": {"replicas": 2}}', "--field-manager=kube-controller-manager"]
    world.admin.run("patch", "smodel", estate.MODEL, "-n", estate.TREASURY, "--subresource=scale", *scaled_to)
    for _ in range(3):
        landed.engine.reconcile()
        assert world.get("smodel", estate.MODEL, namespace=estate.TREASURY)["spec"]["replicas"] == 2
    repository.revert()
    landed.engine.settled(repository.revision)
