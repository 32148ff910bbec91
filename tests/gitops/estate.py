"""What a repository declares in these tests: Daulat's chart, and objects of all its kinds, in the order of the documentation."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import yaml
from click.testing import CliRunner

from daulat.cli.compile.command import compile_
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import CHART, NAMESPACE, ROOT
from dev.gitops.repository import Repository
from tests.e2e.world import SCENARIO, model_manifest, namespace_manifest, policy_manifest

Manifest = dict[str, Any]
POLICY, BY_GITOPS = "confidential", "restricted"
TREASURY, VAULT = "treasury", "vault"
MODEL, PROFILE, EXEMPTION = "assistant", "our-gaudi3", "registry-move"
ESTATE, SOVEREIGNTY, MODELS = "estate", "estate/sovereignty", "estate/models"
COMPILED, RENDERED = "compiled", "rendered"
# The operator is a process of this machine: the embedded control plane has no kubelet.
VALUES = {"replicas": 0}


def wave(manifest: Manifest, number: int) -> Manifest:
    """Return a manifest that Argo CD applies in this wave."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), "argocd.argoproj.io/sync-wave": str(number)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def policy() -> Manifest:
    """Return the policy that the operator applies."""
    manifest: Manifest = yaml.safe_load((ROOT / "examples" / "policy.yaml").read_text())
    return manifest


def by_gitops() -> Manifest:
    """Return the policy of which the engine applies the compiled objects."""
    return policy_manifest(BY_GITOPS, enforcement={"source": "GitOps"})


def namespaces() -> list[Manifest]:
    """Return the governed namespaces."""
    treasury = namespace_manifest(TREASURY, **{"daulat.dev/data-class": "confidential"})
    return [treasury, namespace_manifest(VAULT, BY_GITOPS)]


def profile() -> Manifest:
    """Return a profile of one's own."""
    documents = yaml.safe_load_all((ROOT / "examples" / "own-profile.yaml").read_text())
    return next(d for d in documents if d["kind"] == "AcceleratorProfile")


def exemption(requester: str) -> Manifest:
    """Return an exemption as the engine requests it: without an approval."""
    manifest: Manifest = yaml.safe_load((ROOT / "examples" / "exemption.yaml").read_text())
    manifest["spec"]["requestedBy"] = requester
    # Flux takes away what kubectl wrote beside Git, and with it an approval.
    manifest["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/ssa": "Merge"}
    return manifest


def model(**spec: Any) -> Manifest:
    """Return a model with the labels that both engines give what they apply, and with some of its owner's."""
    manifest = model_manifest(MODEL, TREASURY, **spec)
    manifest["metadata"]["labels"] = {"app.kubernetes.io/instance": "estate", "example.my/team": "treasury"}
    return manifest


def declare(repository: Repository, requester: str) -> str:
    """Write all of it into the repository, commit, and return the commit."""
    shutil.copytree(CHART, repository.directory / "chart")
    (repository.directory / "chart" / "values-site.yaml").write_text(yaml.safe_dump(VALUES))
    repository.write_text(f"{RENDERED}/daulat.yaml", rendered_chart())
    zones = zone_manifests(load(SCENARIO))
    repository.write(f"{SOVEREIGNTY}/zones.yaml", *zones)
    repository.write(f"{SOVEREIGNTY}/profile.yaml", profile())
    repository.write(f"{SOVEREIGNTY}/namespaces.yaml", *namespaces())
    repository.write(f"{SOVEREIGNTY}/policy.yaml", policy())
    repository.write(f"{SOVEREIGNTY}/policy-by-gitops.yaml", by_gitops())
    compile_into(repository)
    repository.write(f"{MODELS}/model.yaml", wave(model(), 1))
    repository.write(f"{MODELS}/exemption.yaml", wave(exemption(requester), 2))
    return repository.commit("Declare the estate")


def compile_into(repository: Repository) -> None:
    """Write what `daulat compile` prints for the policy with source GitOps."""
    inputs = [repository.directory / SOVEREIGNTY / f"{name}.yaml" for name in ("zones", "profile", "policy-by-gitops")]
    done = CliRunner().invoke(compile_, [str(path) for path in inputs])
    assert done.exit_code == 0, done.output
    repository.write_text(f"{COMPILED}/{BY_GITOPS}.yaml", done.stdout)


def rendered_chart() -> str:
    """Return the chart as `helm template` prints it for a repository, with its CRDs and its namespace."""
    command = [ensure(announce)["helm"], "template", "daulat", str(CHART), "--namespace", NAMESPACE, "--include-crds"]
    served = [f"--api-versions=admissionregistration.k8s.io/v1/{kind}" for kind in ("MutatingAdmissionPolicy",)]
    # Tests of the chart are ordinary objects for what doesn't know Helm's hooks.
    served.append("--skip-tests")
    settings = [f"--set={key}={value}" for key, value in VALUES.items()]
    done = subprocess.run(
        [*command, "--kube-version=1.37.2", *served, *settings], check=True, capture_output=True, text=True
    )
    return yaml.safe_dump(namespace_manifest(NAMESPACE)) + "---\n" + done.stdout
