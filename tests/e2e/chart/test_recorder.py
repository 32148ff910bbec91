"""The recorder in the chart: what its values render, and that its pod may run where pods are restricted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dev.deployment import poll

from .world import CHART, Helm, World, rendered

ON = ("--set=recorder.enabled=true", "--set=recorder.key.secretName=log-key")


def deployment(helm: Helm, *values: str) -> dict[str, Any]:
    (found,) = (
        d
        for d in rendered(helm, *ON, *values)
        if d["kind"] == "Deployment" and d["metadata"]["name"] == "daulat-recorder"
    )
    return dict(found["spec"])


def arguments(helm: Helm, *values: str) -> list[str]:
    return list(deployment(helm, *values)["template"]["spec"]["containers"][0]["args"])


def test_it_is_off_unless_it_is_turned_on(helm: Helm) -> None:
    assert not [d for d in rendered(helm) if "recorder" in d["metadata"]["name"]]
    kinds = sorted(d["kind"] for d in rendered(helm, *ON) if "recorder" in d["metadata"]["name"])
    assert kinds == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ]


def test_a_volume_of_one_node_has_one_replica_and_a_shared_one_two(helm: Helm) -> None:
    alone, shared = deployment(helm), deployment(helm, "--set=recorder.storage.accessModes={ReadWriteMany}")
    assert (alone["replicas"], alone["strategy"]) == (1, {"type": "Recreate"})
    assert (shared["replicas"], shared.get("strategy")) == (2, None)


def test_a_log_without_a_key_is_refused(helm: Helm) -> None:
    result = helm.run("template", "daulat", str(CHART), "--set=recorder.enabled=true")
    assert result.returncode != 0
    assert "recorder.key.secretName is required" in result.stderr


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), {"--log=/var/lib/daulat/log", "--key=/etc/daulat/key/log.key"}),
        (
            (
                "--set=recorder.bucket.name=evidence,recorder.bucket.prefix=my,recorder.bucket.endpoint=https://s3.example.my",
            ),
            {"--log=s3://evidence/my", "--s3-endpoint=https://s3.example.my", "--s3-region=us-east-1"},
        ),
        (
            ("--set=recorder.witnesses={w+1+abc https://witness.example.my},recorder.quorum=0",),
            {"--witness=w+1+abc https://witness.example.my", "--quorum=0"},
        ),
        (
            ("--set=recorder.auditWebhook.enabled=true,recorder.auditWebhook.secretName=audit",),
            {"--audit-webhook=8443", "--audit-client-ca=/etc/daulat/audit/ca.crt"},
        ),
        (("--set=recorder.key.formerNames={old.key}",), {"--former-key=/etc/daulat/key/old.key"}),
    ],
)
def test_values_become_arguments(helm: Helm, values: tuple[str, ...], expected: set[str]) -> None:
    assert expected <= set(arguments(helm, *values))


def test_a_bucket_takes_the_place_of_the_volume_for_the_log_alone(helm: Helm) -> None:
    found = arguments(helm, "--set=recorder.bucket.name=evidence")
    assert [a for a in found if a.startswith("--log=")] == ["--log=s3://evidence"]
    assert "--salts=/var/lib/daulat/salts.sqlite" in found


def test_every_argument_is_one_that_the_command_has(helm: Helm) -> None:
    from daulat.cli.recorder import recorder  # noqa: PLC0415 - importing it needs no cluster, and takes a while

    options = {name for p in recorder.params for name in p.opts}
    everything = arguments(
        helm,
        "--set=recorder.bucket.name=b,recorder.bucket.endpoint=https://s,recorder.quorum=1",
        "--set=recorder.witnesses={w+1+abc https://w},recorder.key.formerNames={old.key}",
        "--set=recorder.auditWebhook.enabled=true,recorder.auditWebhook.secretName=a,recorder.auditWebhook.clientNames={x}",
    )
    assert everything[0] == "recorder"
    assert {a.partition("=")[0] for a in everything[1:]} <= options


@pytest.mark.parametrize(
    "values", [(), ("--set=recorder.auditWebhook.enabled=true,recorder.auditWebhook.secretName=a",)]
)
def test_its_pod_meets_the_restricted_standard(world: World, values: tuple[str, ...]) -> None:
    template = deployment(world.helm, *values)["template"]
    namespace = "recorder-restricted"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    meta = {"name": namespace, "labels": labels}
    world.kubectl().apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": meta}])
    spec = {**template["spec"], "serviceAccountName": "default", "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": spec}
    accounts = ("get", "serviceaccounts", "-n", namespace, "-o", "name")
    poll("the default ServiceAccount", lambda: "default" in world.kubectl().run(*accounts))
    done = world.kubectl().run("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    assert "created" in done
