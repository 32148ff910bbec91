"""`daulat check --cluster` says of a manifest what the cluster's API server says of it, and only reads there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from daulat.cli.check.command import check
from dev.cluster.kubectl import Kubectl
from dev.deployment import kubectl

from .world import Manifest, World, model_manifest, pod_manifest, unique


def checked(kubeconfig: Path, *manifests: Manifest, code: int) -> dict[str, Any]:
    text = "\n---\n".join(json.dumps(m) for m in manifests)
    environment = {"KUBECONFIG": str(kubeconfig)}
    done = CliRunner().invoke(check, ["-", "--cluster", "-o", "json"], env=environment, input=text)
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def reader(world: World) -> tuple[Path, Kubectl]:
    """Return a user who may only read what objects are judged by."""
    user = unique("reader")
    own = ["sovereigntypolicies", "sovereignzones", "acceleratorprofiles", "sovereigntyexemptions"]
    rules = [
        {"apiGroups": ["daulat.dev"], "resources": own, "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
    ]
    return world.cluster.kubeconfig(user), world.grant(user, *rules)


def test_it_says_what_the_api_server_says(world: World) -> None:
    with world.governed() as (policy, namespace):
        bad = [
            pod_manifest("node", namespace, nodeName="gpu-7"),
            pod_manifest("privileged", namespace, hostPID=True, hostIPC=True),
            model_manifest("model", namespace, replicas=2),
        ]
        bad[2]["spec"]["model"]["license"] = "Proprietary"
        good = pod_manifest("good", namespace)
        told = checked(reader(world)[0], *bad, good, code=1)
        assert policy in told["policies"]
        assert [o["result"] for o in told["objects"]] == ["refused", "refused", "refused", "allowed"]
        for manifest, judged in zip(bad, told["objects"], strict=False):
            answer = world.refusal(manifest)
            assert judged["findings"]
            assert all(f["message"] in answer for f in judged["findings"] if f["policy"] == policy), answer
        assert world.refusal(good, "--dry-run=server") == ""


def test_a_cluster_that_refuses_is_told(world: World) -> None:
    stranger = unique("stranger")
    kubectl(world.cluster, stranger, ())
    told = checked(world.cluster.kubeconfig(stranger), pod_manifest("p", "default"), code=2)
    (problem,) = told["problems"]
    assert problem["file"] == "--cluster"
    assert f'User "{stranger}" cannot list resource "sovereigntypolicies"' in problem["message"]


def test_a_cluster_that_isnt_there_is_told(tmp_path: Path, world: World) -> None:
    config = world.cluster.kubeconfig().read_text()
    away = tmp_path / "config"
    server = next(line for line in config.splitlines() if "server:" in line)
    away.write_text(config.replace(server, server.rpartition(":")[0] + ":1"))
    told = checked(away, pod_manifest("p", "default"), code=2)
    assert "unable to connect to the API server" in told["problems"][0]["message"]
