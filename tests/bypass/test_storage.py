"""Ways to a volume that the policy doesn't accept, by the binding of a claim rather than by its class."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daulat.catalog.kubernetes import Minor
from dev.cluster.kubernetes import versions
from dev.deployment import poll
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


def named(claim_name: str, namespace: str, volume_name: str, **spec: object) -> Manifest:
    """Return a volume that names its claim."""
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim_name}
    return volume(volume_name, claimRef=reference, **spec)


def test_more_a_volume_that_names_its_claim(ground: Ground) -> None:
    """A volume's own word about its claim counts for more than the classes of the two."""
    path = claims(ground)
    asked = claim()
    taken(ground.tenant.create(path, asked))
    name = asked["metadata"]["name"]
    maker = ground.with_rights("maker", rule("", "persistentvolumes", "create get update"))
    for spec in ({}, {"storageClassName": ""}, {"storageClassName": "encrypted-cyberjaya"}):
        refused(maker.create(VOLUMES, named(name, ground.namespace, unique("given"), **spec)), "STO-02 ")
    host = named(name, ground.namespace, unique("given"), nfs=None, hostPath={"path": "/dev"})
    refused(maker.create(VOLUMES, host), "STO-02 ")
    # Given later, by the field or by the old annotation of its class.
    free = unique("later")
    taken(maker.create(VOLUMES, volume(free)))
    reference = named(name, ground.namespace, free)["spec"]["claimRef"]
    refused(maker.change(f"{VOLUMES}/{free}", respecified(claimRef=reference)), "STO-02 ")
    elsewhere = {**reference, "namespace": "default", "name": "none"}
    taken(maker.change(f"{VOLUMES}/{free}", respecified(claimRef=elsewhere)))
    refused(maker.change(f"{VOLUMES}/{free}", respecified(claimRef=reference)), "STO-02 ")
    found = ground.server.must("GET", f"{path}/{name}")
    assert found["status"]["phase"] == "Pending"
    assert "volumeName" not in found["spec"]
    for gone in (f"{VOLUMES}/{free}", f"{path}/{name}"):
        ground.server.must("DELETE", gone)


CSI = {
    "nfs": None,
    "csi": {"driver": "csi.example.my", "volumeHandle": "v1"},
    "storageClassName": "encrypted-cyberjaya",
}


def test_more_a_volume_that_the_controller_binds(ground: Ground, abroad: str) -> None:
    """The volume is judged by itself when the controller of volumes binds it, whatever the claim was let say."""
    storage = {"storageClasses": ["encrypted-cyberjaya"], "binders": ["velero"]}
    with ground.world.governed(storage=storage) as (_, there):
        path = f"/api/v1/namespaces/{there}/persistentvolumeclaims"
        velero = Attacker(ground.server, "velero", ("system:masters",))
        # The operator writes the namespace's name into the guard of volumes once it knows it.
        probe = named("probe", there, unique("probe"))
        poll("the volumes' guard", lambda: "STO-02 " in velero.create(f"{VOLUMES}?dryRun=All", probe).text)
        restored, honest = claim(volumeName=abroad), claim()
        restored["metadata"]["annotations"] = BOUND
        taken(velero.create(path, restored))
        good = unique("good")
        given = named(honest["metadata"]["name"], there, good, **CSI)
        taken(Attacker(ground.server, "provisioner", ("system:masters",)).create(VOLUMES, given))
        taken(velero.create(path, honest))
        mine, fine = (f"{path}/{c['metadata']['name']}" for c in (restored, honest))
        # What is accepted is bound, by the controller, after it has tried what isn't.
        poll("the other claim to be bound", lambda: ground.server.must("GET", fine)["status"]["phase"] == "Bound")
        assert "claimRef" not in ground.server.must("GET", f"{VOLUMES}/{abroad}")["spec"]
        reference = {**given["spec"]["claimRef"], "name": restored["metadata"]["name"]}
        for user in ("system:serviceaccount:kube-system:persistent-volume-binder", "system:kube-controller-manager"):
            binder = Attacker(ground.server, user, ("system:masters",))
            refused(binder.change(f"{VOLUMES}/{abroad}", respecified(claimRef=reference)), "STO-02 ")
        for gone in (mine, fine, f"{VOLUMES}/{good}"):
            ground.server.must("DELETE", gone)


def test_more_a_volume_that_was_bound_before(ground: Ground, abroad: str) -> None:
    """What a policy finds bound isn't taken away. It is reported, by the volume that the claim has."""
    world, namespace = ground.world, unique("older")
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    world.admin.run("create", "namespace", namespace)
    older = claim(volumeName=abroad)
    older["metadata"]["annotations"] = BOUND
    ground.server.must("POST", path, older)
    mine = f"{path}/{older['metadata']['name']}"
    poll("the claim to be bound", lambda: ground.server.must("GET", mine)["status"].get("phase") == "Bound")
    with world.governed(storage={"storageClasses": ["encrypted-cyberjaya"]}) as (policy, _):
        world.admin.run("label", "namespace", namespace, f"daulat.dev/scope={policy}")
        world.wait_condition("sovereigntypolicy", policy, "Upheld", "False")
        told = world.condition("sovereigntypolicy", policy, "Upheld")
        assert told["reason"] == "VolumeNotAccepted"
        assert abroad in told["message"]
        assert f'claim "{namespace}/{older["metadata"]["name"]}"' in told["message"]
        # It can still be labelled, and deleted.
        taken(
            ground.with_rights("owner", rule("", "persistentvolumeclaims", "get update")).change(
                mine, annotated({"a": "b"})
            )
        )
        ground.server.must("DELETE", mine)
        world.wait_condition("sovereigntypolicy", policy, "Upheld", "True")
    world.admin.run("delete", "namespace", namespace, "--wait=false")


@pytest.mark.skipif(versions.offered().version < Minor.of("1.34"), reason="the field is dropped before 1.34")
def test_more_attributes_of_a_volume(ground: Ground) -> None:
    """The class can be set, and changed, by the claim's owner."""
    path = claims(ground)
    refused(ground.tenant.create(path, claim(volumeAttributesClassName="geo-replicated")), "STO-11 ")
    plain = claim()
    taken(ground.tenant.create(path, plain))
    mine = f"{path}/{plain['metadata']['name']}"
    change = respecified(volumeAttributesClassName="geo-replicated")
    refused(ground.tenant.change(mine, change), "STO-11 ", "immutable|forbidden")
    ground.server.must("DELETE", mine)
