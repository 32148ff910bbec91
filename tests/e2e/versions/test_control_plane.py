"""Each whole control plane: its controllers and scheduler run pods on simulated nodes."""

from __future__ import annotations

from dev.deployment import kubectl, poll
from tests.e2e.racks import RACK, Racks, ready
from tests.e2e.test_control_plane import deployment_manifest
from tests.e2e.world import pod_manifest, unique


def test_every_component_runs(racks: Racks) -> None:
    status = racks.cluster.status()
    assert status.ready
    assert [part.name for part in status.components if part.pid is None] == []
    assert len(status.components) == 5


def test_the_pods_of_a_deployment_become_ready(racks: Racks) -> None:
    """Its controller makes the pod, the scheduler binds it, KWOK reports it."""
    with racks.namespace() as namespace:
        racks.admin.apply([deployment_manifest("web", namespace)])

        def runs() -> bool:
            pods = list(racks.objects("pods", namespace).values())
            return len(pods) == 1 and ready(pods[0])

        poll("the pod to be Ready", runs)


def test_a_pinned_pod_goes_where_it_is_pinned_to(racks: Racks) -> None:
    with racks.namespace() as namespace:
        racks.admin.apply([pod_manifest("p", namespace, nodeSelector={RACK: "b"})])
        poll("the pod to be Ready", lambda: ready(racks.objects("pods", namespace)["p"]))
        assert racks.rack_of(racks.objects("pods", namespace)["p"]) == "b"


def test_an_administrator_of_a_namespace_may_make_pods(racks: Racks) -> None:
    """The role is aggregated from others by a controller."""
    user = unique("tenant")
    with racks.namespace() as namespace:
        racks.admin.run("create", "rolebinding", user, "--clusterrole=admin", f"--user={user}", "-n", namespace)
        who = kubectl(racks.cluster, user)
        allowed = ("get", "--raw", f"/api/v1/namespaces/{namespace}/pods")
        poll(f"{user} to be known", lambda: user in racks.admin.run("get", "rolebinding", "-n", namespace))
        poll("the right", lambda: "yes" in who.run("auth", "can-i", "create", "pods", "-n", namespace))
        assert '"items":[]' in who.run(*allowed).replace(" ", "")
