"""What a cluster needs is listed from what is in it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from daulat.cli.main import main

from .world import IMAGE, World, model_manifest, pod_manifest


def test_models_and_pods_of_the_cluster_are_listed(world: World) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([model_manifest("small", namespace), pod_manifest("plain", namespace)])
        environment = {"KUBECONFIG": str(world.cluster.kubeconfig())}
        done = CliRunner().invoke(main, ["images", "--cluster", "-o", "json"], env=environment)
    found = json.loads(done.stdout)["artifacts"]
    named = {(each["kind"], place["object"]): each["reference"] for each in found for place in each["namedBy"]}
    model = model_manifest("small", namespace)["spec"]
    assert named["weights", f"SovereignModel {namespace}/small"] == model["model"]["uri"]
    assert ("engine", f"SovereignModel {namespace}/small") in named
    assert named["workload", f"Pod {namespace}/plain"] == IMAGE
    assert {each["file"] for a in found for each in a["namedBy"] if each["object"].startswith("Pod ")} >= {
        f"cluster: Pod {namespace}/plain"
    }
