"""What the operator logs, and what it never does."""

from __future__ import annotations

import json

from dev.deployment import poll

from .world import World, model_manifest, unique


def test_the_log_is_json_and_tells_no_secret(world: World) -> None:
    secret, value = unique("s3cr3t-of-a-secret"), unique("s3cr3t-of-a-model")
    with world.namespace() as namespace:
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": namespace}}
        world.admin.apply([{**head, "stringData": {"token": secret}}])
        manifest = model_manifest("m", namespace)
        for choice in manifest["spec"]["accelerators"]:
            choice["env"] = {"MY_TOKEN": value}
        world.admin.apply([manifest])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        pods = world.pods(namespace)
        assert {"name": "MY_TOKEN", "value": value} in pods[0]["spec"]["containers"][0]["env"]
        # The log speaks of the model, so its silence about the value means something.
        assert any(namespace in json.dumps(line) for line in world.operator.lines())
    text = world.operator.log.read_text()
    assert secret not in text
    assert value not in text
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in world.operator.lines())
    assert not [line for line in world.operator.lines() if line["level"] in ("ERROR", "CRITICAL")]


def test_the_log_stays_free_of_secrets_when_the_workload_is_refused(world: World) -> None:
    value = unique("s3cr3t-of-a-model")
    with world.namespace() as namespace:
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": namespace}}
        world.admin.apply([{**quota, "spec": {"hard": {"count/deployments.apps": "0"}}}])
        poll(
            "the quota to be counted",
            lambda: "hard" in world.get("quota", "none", namespace=namespace).get("status", {}),
        )
        manifest = model_manifest("m", namespace)
        for choice in manifest["spec"]["accelerators"]:
            choice["env"] = {"MY_TOKEN": value}
        world.admin.apply([manifest])
        poll(
            "the refusal to be told",
            lambda: world.condition("sovereignmodel", "m", "WorkloadReady", namespace).get("reason") == "QuotaExceeded",
        )
    text = world.operator.log.read_text()
    assert "exceeded quota: none" in text
    assert value not in text
