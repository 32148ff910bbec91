"""The chart with the values that docs/how-to/openshift.md gives: in the SCC restricted-v2, and with DNS where OpenShift has it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from daulat.cli import operator as command
from daulat.facts.platform import Platform
from dev.cluster import build
from dev.deployment import ROOT
from dev.pages import page

CHART = ROOT / "charts" / "daulat"
PAGE = ROOT / page("openshift")
FIXED = {"runAsUser", "runAsGroup", "fsGroup"}
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""The kinds of volumes that restricted-v2 allows."""
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def helm() -> str:
    """The real helm."""
    return build.ensure(lambda _message: None)["helm"]


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The values of the page, in a file."""
    (block,) = re.findall(r"^```yaml\n(# openshift-values.yaml\n.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    path = tmp_path_factory.mktemp("openshift") / "openshift-values.yaml"
    path.write_text(block)
    return path


def _template(helm: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [helm, "template", "daulat", str(CHART), "--namespace", "daulat-system", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def rendered(helm: str, *arguments: str) -> list[Manifest]:
    result = _template(helm, *arguments)
    assert result.returncode == 0, result.stderr
    return [d for d in yaml.safe_load_all(result.stdout) if d]


def named(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [m for m in manifests if (m["kind"], m["metadata"]["name"]) == (kind, "daulat")]
    return found


def environment(manifests: list[Manifest]) -> dict[str, str]:
    (container,) = named(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {e["name"]: e.get("value", "") for e in container["env"]}


def security_contexts(value: Any) -> Iterator[Manifest]:
    """Yield every securityContext, however deep it is."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "securityContext":
                yield inner
            yield from security_contexts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from security_contexts(inner)


def test_no_pod_of_the_chart_has_a_user_or_a_group(helm: str, values: Path) -> None:
    found = [c for m in rendered(helm, "--values", str(values)) for c in security_contexts(m)]
    assert found
    assert not [c for c in found if FIXED & c.keys()]


def test_the_operator_is_within_restricted_v2(helm: str, values: Path) -> None:
    spec = named(rendered(helm, "--values", str(values)), "Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        context = container["securityContext"]
        assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]})
        assert not {"privileged", "seLinuxOptions"} & context.keys()
        assert not [p for p in container.get("ports", []) if "hostPort" in p]
    assert {kind for v in spec["volumes"] for kind in v.keys() - {"name"}} <= VOLUMES
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


def test_the_operator_starts_with_what_the_chart_tells_it(
    helm: str, values: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(rendered(helm, "--values", str(values))).items():
        if name in ("DAULAT_DNS", "DAULAT_ANY_USER"):
            monkeypatch.setenv(name, value)
    told: list[Platform] = []

    async def run(options: Any) -> int:
        told.append(options.platform)
        return 0

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(command, "configure", lambda _level, _format: None)
    result = CliRunner().invoke(command.operator, [])
    assert result.exit_code == 0, result.output
    (platform,) = told
    assert platform.any_user
    assert (platform.dns.namespace, platform.dns.port) == ("openshift-dns", 5353)
    assert dict(platform.dns.pod_labels) == {"dns.operator.openshift.io/daemonset-dns": "default"}


def test_the_operators_own_network_policy_lets_its_queries_through(helm: str, values: Path) -> None:
    rule = named(rendered(helm, "--values", str(values)), "NetworkPolicy")["spec"]["egress"][-1]
    assert rule["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}}]
    assert rule["ports"] == [{"protocol": "UDP", "port": 5353}, {"protocol": "TCP", "port": 5353}]


def test_without_such_values_nothing_of_it_is_rendered(helm: str) -> None:
    manifests = rendered(helm)
    assert not {"DAULAT_DNS", "DAULAT_ANY_USER"} & environment(manifests).keys()
    assert "5353" not in json.dumps(named(manifests, "NetworkPolicy"))
    assert named(manifests, "Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 65532


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("dns.port=5353", "/dns"),
        ("kubernetesAPI.port=6443", "/kubernetesAPI"),
        ("dns.labels.a=b", "additional properties 'labels' not allowed"),
        ("models.fixedUser=maybe", "/models/fixedUser"),
    ],
)
def test_values_that_mean_nothing_are_refused(helm: str, value: str, said: str) -> None:
    result = _template(helm, "--set", value)
    assert result.returncode != 0
    assert said in result.stderr


def test_dns_on_the_nodes_and_the_api_servers_are_told(helm: str) -> None:
    local = ("--set", "dns.addresses={169.254.20.10,fd00::10}", "--set", "kubernetesAPI.cidrs={10.0.0.10/32}")
    manifests = rendered(helm, *local)
    told = environment(manifests)
    assert json.loads(told["DAULAT_DNS"]) == {"addresses": ["169.254.20.10", "fd00::10"]}
    assert json.loads(told["DAULAT_KUBERNETES_API"]) == {"cidrs": ["10.0.0.10/32"]}
    rule = named(manifests, "NetworkPolicy")["spec"]["egress"][-1]
    assert [peer["ipBlock"]["cidr"] for peer in rule["to"]] == ["169.254.20.10/32", "fd00::10/128"]
    assert {port["port"] for port in rule["ports"]} == {53}
