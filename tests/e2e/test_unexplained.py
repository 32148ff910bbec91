"""Pods that say they are a model's, and that no model explains, are evicted as drift is."""

from __future__ import annotations

from dev.deployment import poll

from .world import World, model_manifest, pod_manifest


def test_a_pod_that_carries_a_models_label_is_evicted_where_the_model_did_not_make_it(world: World) -> None:
    """Admission refuses one of a tenant. This one is of somebody who may, as one that is older than the guard."""
    with world.governed(drift={"action": "Evict", "gracePeriod": "1s", "limit": "100%"}) as (policy, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        for of in ("m", "never"):
            pod = pod_manifest(f"foreign-{of}", namespace)
            pod["metadata"]["labels"] = {"app.kubernetes.io/name": "sovereignmodel", "daulat.dev/model": of}
            world.admin.apply([pod])
        poll("the foreign pods to be evicted", lambda: len(world.pods(namespace)) == 1)
        assert world.pods(namespace)[0]["metadata"]["name"].startswith("m-")
        world.wait_condition("sovereigntypolicy", policy, "Upheld", "True")
