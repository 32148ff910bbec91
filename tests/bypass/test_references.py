"""Ways for a reference to be compared as one location and fetched as another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.corpus.server import Server
from tests.e2e.world import Manifest, World, model_manifest, policy_manifest, unique

from .attack import DIGEST, Attacker, Ground, refused, taken


@pytest.fixture(scope="module")
def team(world: World, server: Server) -> Iterator[Ground]:
    """A namespace whose images and weights come from one team's part of the registry."""
    models = {
        "sources": ["oci://registry.example.my/team-a/", "s3://models/team-a/", "hf://team-a/"],
        "requireDigest": True,
        "licenses": ["MIT", "Apache-2.0"],
    }
    with world.governed(models=models, images={"registries": ["registry.example.my/team-a/"]}) as (policy, namespace):
        tenant = unique("tenant")
        world.make_admin(tenant, namespace)
        yield Ground(world, server, policy, namespace, Attacker(server, tenant))


def model(ground: Ground, uri: str, **accelerator: str) -> Manifest:
    manifest = model_manifest(unique("m"), ground.namespace)
    manifest["spec"]["model"]["uri"] = uri
    for choice in manifest["spec"]["accelerators"]:
        choice["image"] = f"registry.example.my/team-a/vllm{DIGEST}"
        choice.update(accelerator)
    return manifest


OTHERS = [
    "team-a/../team-b/m",
    "team-a/./../team-b/m",
    "team-a/..",
    "team-a//../../team-b/m",
    "team-a/%2e%2e/team-b/m",
    "team-a/x@example.sg/m",
]


@pytest.mark.parametrize("path", OTHERS)
@pytest.mark.parametrize("head", ["oci://registry.example.my/", "s3://models/", "hf://"])
def test_more_weights_beside_the_prefix_that_is_approved(team: Ground, head: str, path: str) -> None:
    models = team.within("daulat.dev/v1alpha1", "sovereignmodels")
    refused(team.tenant.create(models, model(team, f"{head}{path}{DIGEST}")), "spec.model.uri")


def test_more_weights_of_the_approved_prefix_are_taken(team: Ground) -> None:
    models = team.within("daulat.dev/v1alpha1", "sovereignmodels")
    taken(team.tenant.create(models, model(team, f"oci://registry.example.my/team-a/m_1/v1.0:rc--2{DIGEST}")))


@pytest.mark.parametrize("path", OTHERS)
def test_more_an_image_beside_the_prefix_that_is_approved(team: Ground, path: str) -> None:
    image = f"registry.example.my/{path}{DIGEST}"
    refused(team.tenant.create(team.pods, team.container(image=image)), "STO-07 ")
    models = team.within("daulat.dev/v1alpha1", "sovereignmodels")
    uri = f"oci://registry.example.my/team-a/m{DIGEST}"
    refused(team.tenant.create(models, model(team, uri, image=image)), r"spec.accelerators\[0\].image")


@pytest.mark.needs("image-volumes")
@pytest.mark.parametrize("path", OTHERS)
def test_more_an_image_volume_beside_the_prefix_that_is_approved(team: Ground, path: str) -> None:
    volume = {"name": "w", "image": {"reference": f"registry.example.my/{path}{DIGEST}"}}
    pod = team.pod(containers=[{"name": "main", "image": f"registry.example.my/team-a/vllm{DIGEST}"}], volumes=[volume])
    refused(team.tenant.create(team.pods, pod), "STO-07 ")


@pytest.mark.parametrize("path", OTHERS)
def test_more_a_hub_beside_the_prefix_that_is_approved(team: Ground, path: str) -> None:
    """The variable is compared with the registries, which may serve as mirrors of a hub."""
    if "@" in path:
        path = "team-a/%40example.sg"
    environment = [{"name": "HF_ENDPOINT", "value": f"https://registry.example.my/{path}"}]
    image = f"registry.example.my/team-a/vllm{DIGEST}"
    refused(team.tenant.create(team.pods, team.container(image=image, env=environment)), "USE-07 ")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("images", {"registries": ["https://registry.example.my/"]}, "images name no scheme"),
        ("images", {"registries": ["registry.example.my/team-a/../"]}, "no segment that is empty or begins with a dot"),
        ("images", {"registries": ["registry.example.my//"]}, "no segment that is empty or begins with a dot"),
        (
            "models",
            {"sources": ["oci://registry.example.my/team-a/../"]},
            "no segment that is empty or begins with a dot",
        ),
        ("models", {"sources": ["oci://admin@registry.example.my/"]}, "no % and no @"),
    ],
)
def test_more_a_prefix_that_approves_something_else(
    world: World, server: Server, field: str, value: Manifest, said: str
) -> None:
    """An admin's own mistake: what nothing matches, or what approves more than it says."""
    manifest = policy_manifest(unique("p"), **{field: value})
    path = "/apis/daulat.dev/v1alpha1/sovereigntypolicies?dryRun=All"
    refused(server.ask("POST", path, manifest), said)


@pytest.mark.parametrize(
    "text", ["()", "(AND)", "( )", "AND", "MIT AND", "(MIT", "MIT WITH ISC", "ISC", "(MIT OR ISC)"]
)
def test_more_a_licence_that_is_none(team: Ground, text: str) -> None:
    models = team.within("daulat.dev/v1alpha1", "sovereignmodels")
    manifest = model(team, f"oci://registry.example.my/team-a/m{DIGEST}")
    manifest["spec"]["model"]["license"] = text
    refused(team.tenant.create(models, manifest), "a licence is SPDX ids", "SUP-04 ")


@pytest.mark.parametrize("text", ["mit", "MIT OR ISC", "(apache-2.0 OR MIT) AND MIT"])
def test_more_a_licence_in_any_letter_case(team: Ground, text: str) -> None:
    models = team.within("daulat.dev/v1alpha1", "sovereignmodels")
    manifest = model(team, f"oci://registry.example.my/team-a/m{DIGEST}")
    manifest["spec"]["model"]["license"] = text
    taken(team.tenant.create(models, manifest))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("podMetadata", {"labels": {"app": "web"}}, "keys need a prefix of your own"),
        ("podMetadata", {"labels": {"daulat.dev/model": "other"}}, "keys need a prefix of your own"),
        ("podMetadata", {"annotations": {"cdi.k8s.io/gpu": "nvidia.com/gpu=all"}}, "keys need a prefix of your own"),
        ("podMetadata", {"annotations": {"k8s.v1.cni.cncf.io/networks": "outside"}}, "USE-05 "),
        ("podMetadata", {"annotations": {"tailscale.com/expose": "true"}}, "USE-05 "),
        ("podMetadata", {"labels": {"sidecar.istio.io/inject": "true"}}, "USE-05 "),
        ("podMetadata", {"annotations": {"huawei.com/Ascend910": "Ascend910-0"}}, "USE-20 "),
        ("tolerations", [{"key": "daulat.dev/undecided", "operator": "Exists"}], "can't be tolerated"),
        ("tolerations", [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}], "can't be tolerated"),
        ("tolerations", [{"operator": "Exists"}], "key: Required value"),
        ("priorityClassName", "system-node-critical", "the cluster's own"),
        ("volumes", [{"name": "a", "mountPath": "/models", "emptyDir": {}}], "mounted under /mnt"),
        ("volumes", [{"name": "a", "mountPath": "/mnt/../etc", "configMap": {"name": "a"}}], "mounted under /mnt"),
        ("volumes", [{"name": "a", "mountPath": "/mnt/a", "hostPath": {"path": "/dev"}}], "hostPath"),
        (
            "volumes",
            [{"name": "a", "mountPath": "/mnt/a", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
            "serviceAccountToken",
        ),
        ("volumes", [{"name": "a", "mountPath": "/mnt/a", "persistentVolumeClaim": {"claimName": "a"}}], "STO-07 "),
        ("resources", {"limits": {"nvidia.com/gpu": 8}}, "nvidia.com/gpu"),
    ],
)
def test_more_what_a_model_says_of_its_pods(team: Ground, field: str, value: Any, said: str) -> None:
    models = f"{team.within('daulat.dev/v1alpha1', 'sovereignmodels')}?fieldValidation=Strict"
    manifest = model(team, f"oci://registry.example.my/team-a/m{DIGEST}")
    manifest["spec"][field] = value
    refused(team.tenant.create(models, manifest), said)
