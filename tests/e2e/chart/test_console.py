"""The console in the chart: what its values render, where it listens, and that its account only reads."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.cli.console.command import console
from tests.rights import CONSOLE_MAY, SIMULATION_MAY, flat, granted

from .world import CHART, Helm, rendered

ON = "--set=console.enabled=true"
TLS = "--set=console.tls.secretName=console-tls"


def objects(helm: Helm, *values: str) -> dict[tuple[str, str], Any]:
    found = (d for d in rendered(helm, ON, *values) if "console" in d["metadata"]["name"])
    return {(d["kind"], d["metadata"]["name"]): d for d in found}


def arguments(helm: Helm, *values: str) -> list[str]:
    spec = objects(helm, *values)["Deployment", "daulat-console"]["spec"]["template"]["spec"]
    return list(spec["containers"][0]["args"])


def test_it_is_off_unless_it_is_turned_on(helm: Helm) -> None:
    assert not [d for d in rendered(helm) if "console" in d["metadata"]["name"]]
    assert sorted(kind for kind, _ in objects(helm)) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ]


def test_without_a_certificate_it_listens_on_the_pods_loopback_and_has_no_service(helm: Helm) -> None:
    assert "--listen=127.0.0.1:8765" in arguments(helm)
    assert ("Service", "daulat-console") not in objects(helm)


def test_with_a_certificate_it_has_a_service(helm: Helm) -> None:
    values = (TLS, "--set=console.hostNames={console.example.my},console.title=my-cluster")
    assert {
        "--listen=0.0.0.0:8443",
        "--tls-certificate=/etc/daulat/tls/tls.crt",
        "--host-name=console.example.my",
        "--title=my-cluster",
    } <= set(arguments(helm, *values))
    (port,) = objects(helm, *values)["Service", "daulat-console"]["spec"]["ports"]
    assert port["targetPort"] == "https"


def test_a_proxy_needs_a_certificate_and_an_authority(helm: Helm) -> None:
    proxy = "--set=console.proxy.names={oauth2-proxy}"
    without = helm.run("template", "daulat", str(CHART), ON, proxy)
    assert "console.proxy needs console.tls.secretName" in without.stderr
    without = helm.run("template", "daulat", str(CHART), ON, TLS, proxy)
    assert "console.proxy.clientCAConfigMap is required" in without.stderr
    values = (TLS, proxy, "--set=console.proxy.clientCAConfigMap=proxy-ca")
    assert {"--client-ca=/etc/daulat/proxy/ca.crt", "--proxy-name=oauth2-proxy"} <= set(arguments(helm, *values))


LOG = "--set=console.log.existingClaim=daulat-recorder"
RECORDER = "--set=recorder.enabled=true,recorder.key.secretName=log-key"
KEYS = (
    "--set=console.log.keys={log.example.my+1a2b3c4d+Aabc=},console.log.witnesses={witness.example.my+5e6f7a8b+Adef=}"
)


def test_it_reads_the_log_of_a_volume_and_nothing_else_of_it(helm: Helm) -> None:
    values = (LOG, KEYS, RECORDER, "--set=recorder.storage.accessModes={ReadWriteMany}")
    found = objects(helm, *values)["Deployment", "daulat-console"]["spec"]["template"]["spec"]
    (container,) = found["containers"]
    assert {
        "--log=/var/lib/daulat/log",
        "--log-key=log.example.my+1a2b3c4d+Aabc=",
        "--log-witness=witness.example.my+5e6f7a8b+Adef=",
    } <= set(container["args"])
    (mount,) = (m for m in container["volumeMounts"] if m["name"] == "log")
    assert mount == {"name": "log", "mountPath": "/var/lib/daulat/log", "subPath": "log", "readOnly": True}
    (volume,) = (v for v in found["volumes"] if v["name"] == "log")
    assert volume["persistentVolumeClaim"]["claimName"] == "daulat-recorder"
    # The recorder writes to that folder of that volume.
    (recorder,) = (
        d for d in rendered(helm, *values) if (d["kind"], d["metadata"]["name"]) == ("Deployment", "daulat-recorder")
    )
    spec = recorder["spec"]["template"]["spec"]
    (written,) = (a.removeprefix("--log=") for a in spec["containers"][0]["args"] if a.startswith("--log="))
    (mount,) = (m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "log")
    assert written == f"{mount['mountPath']}/log"
    assert {"name": "log", "persistentVolumeClaim": {"claimName": "daulat-recorder"}} in spec["volumes"]


def test_without_a_volume_it_shows_no_log(helm: Helm) -> None:
    assert not [a for a in arguments(helm) if a.startswith("--log")]
    refused = helm.run("template", "daulat", str(CHART), ON, KEYS)
    assert "need console.log.existingClaim" in refused.stderr


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((), "has to be ReadWriteMany then"),
        (("--set=recorder.bucket.name=logs", "--set=recorder.storage.accessModes={ReadWriteMany}"), "has no log"),
        (("--set=console.log.path=../salts",), "console.log.path"),
    ],
)
def test_a_volume_that_would_hold_up_the_recorder_or_has_no_log_is_refused(
    helm: Helm, values: tuple[str, ...], why: str
) -> None:
    refused = helm.run("template", "daulat", str(CHART), ON, LOG, RECORDER, *values)
    assert why in refused.stderr.replace("/", "."), refused.stderr
    # A copy of the log in a volume of its own is anybody's.
    assert "--log=/var/lib/daulat/log" in arguments(helm, RECORDER, "--set=console.log.existingClaim=copy")


@pytest.mark.parametrize("values", [(), (TLS, "--set=console.title=x,console.hostNames={a}"), (LOG, KEYS)])
def test_its_arguments_are_those_that_the_command_has(helm: Helm, values: tuple[str, ...]) -> None:
    options = {name for p in console.params for name in p.opts}
    assert {a.partition("=")[0] for a in arguments(helm, *values)[1:]} <= options


def test_its_roles_grant_exactly_what_is_listed(helm: Helm) -> None:
    made = objects(helm)
    found = granted(made["ClusterRole", "daulat-console"]["rules"])
    assert found == {(group, resource, verb) for group, resource, verb, _ in flat(CONSOLE_MAY)}
    assert {verb for group, _, verb in found if group not in ("authentication.k8s.io", "authorization.k8s.io")} == {
        "list"
    }
    (rule,) = made["Role", "daulat-console"]["rules"]
    assert (rule["resources"], rule["verbs"]) == (["leases"], ["list"])


def test_it_lists_what_a_simulation_depends_on_where_that_is_turned_on(helm: Helm) -> None:
    name = "daulat-console-what-if"
    assert ("ClusterRole", name) not in objects(helm)
    made = objects(helm, "--set=console.whatIf=true")
    assert granted(made["ClusterRole", name]["rules"]) == {(g, r, verb) for g, r, verb, _ in flat(SIMULATION_MAY)}
    (subject,) = made["ClusterRoleBinding", name]["subjects"]
    assert (made["ClusterRoleBinding", name]["roleRef"]["name"], subject["name"]) == (name, "daulat-console")


def test_its_pod_runs_as_restricted_as_the_operators(helm: Helm) -> None:
    spec = objects(helm)["Deployment", "daulat-console"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
