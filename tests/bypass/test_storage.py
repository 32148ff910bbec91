"""Ways to a volume that the policy doesn't accept, by the binding of a claim rather than by its class."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.deployment import poll
from tests.corpus.server import Answer
from tests.e2e.world import Manifest, unique

from .attack import Attacker, Ground, annotated, refused, respecified, rule, taken

VOLUMES = "/api/v1/persistentvolumes"
BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


def claim(name: str = "", **spec: object) -> Manifest:
    """Return a claim of the class that the policy approves."""
    body = {"storageClassName": "encrypted-cyberjaya", "accessModes": ["ReadWriteMany"]}
    return {
        "metadata": {"name": name or unique("claim")},
        "spec": {**body, "resources": {"requests": {"storage": "1Gi"}}, **spec},
    }


def volume(name: str, **spec: object) -> Manifest:
    """Return an NFS export of another class, which fits such a claim."""
    body: Manifest = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "slow"}
    source = {"nfs": {"server": "nfs.example.sg", "path": "/export"}}
    return {"metadata": {"name": name}, "spec": {**body, **source, **spec}}


@pytest.fixture
def abroad(ground: Ground) -> Iterator[str]:
    """The name of an NFS export of another class that nothing has claimed."""
    name = unique("abroad")
    ground.server.must("POST", VOLUMES, volume(name))
    yield name
    ground.server.ask("PATCH", f"{VOLUMES}/{name}", {"metadata": {"finalizers": None}})
    ground.server.ask("DELETE", f"{VOLUMES}/{name}")


def claims(ground: Ground) -> str:
    return ground.within("v1", "persistentvolumeclaims")


def test_more_a_claim_that_says_it_is_bound(ground: Ground, abroad: str) -> None:
    """The controller of volumes compares classes only for claims that it finds a volume for itself."""
    path = claims(ground)
    said = claim(volumeName=abroad)
    said["metadata"]["annotations"] = BOUND
    refused(ground.tenant.create(path, said), "STO-10 ")
    refused(ground.tenant.create(path, claim(volumeName=abroad)), "STO-10 ")
    plain = claim()
    taken(ground.tenant.create(path, plain))
    mine = f"{path}/{plain['metadata']['name']}"
    refused(ground.tenant.change(mine, respecified(volumeName=abroad)), "STO-10 ")
    refused(ground.tenant.change(mine, annotated(BOUND)), "STO-10 ")
    refused(ground.tenant.change(mine, annotated({"volume.kubernetes.io/selected-node": "sg-gpu-1"})), "STO-10 ")
    rights = [rule("", "persistentvolumeclaims/status", "update"), rule("", "persistentvolumeclaims", "get")]
    status = ground.with_rights("status", *rights)
    refused(status.change(mine, annotated(BOUND), "status"), "STO-10 ")
    taken(ground.tenant.change(mine, lambda c: c["metadata"].update(labels={"team": "ml"})))
    assert "claimRef" not in ground.server.must("GET", f"{VOLUMES}/{abroad}")["spec"]
    taken(ground.tenant.ask("DELETE", mine))


def test_more_an_ephemeral_volume_that_says_it_is_bound(ground: Ground, abroad: str) -> None:
    """A controller makes its claim, and that may have the same identity as the controller that binds."""
    template = {"spec": claim(volumeName=abroad)["spec"], "metadata": {"annotations": BOUND}}
    pod = ground.pod(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}])
    refused(ground.tenant.create(ground.pods, pod), "STO-10 ")
    said = {**claim(volumeName=abroad), "metadata": {"name": unique("claim"), "annotations": BOUND}}
    for user in ("system:serviceaccount:kube-system:ephemeral-volume-controller", "system:kube-controller-manager"):
        refused(Attacker(ground.server, user).create(claims(ground), said), "STO-10 ", "cannot create")
