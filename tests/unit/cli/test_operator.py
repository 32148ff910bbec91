"""What the operator is told of the platform is checked before it starts."""

from __future__ import annotations

from unittest.mock import AsyncMock

import pytest
from click.testing import CliRunner

from daulat.api.frozen import FrozenDict
from daulat.cli import operator as command
from daulat.facts.platform import Dns, Platform


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, Platform | None]:
    """Return the exit status, what is printed, and what the process would have been told."""
    run = AsyncMock(return_value=0)
    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(command, "configure", lambda level, form: None)
    result = CliRunner().invoke(command.operator, arguments)
    return result.exit_code, result.output, run.call_args.args[0].platform if run.called else None


def test_nothing_is_known_of_the_platform_unless_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch) == (0, "", Platform())


def test_a_prometheus_is_known_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = '--pod-monitor-labels={"release": "p"}'
    code, _, platform = started(monkeypatch, "--prometheus=http://p.my:9090", "--wake-query=sum(x)", labels)
    assert platform is not None
    assert (code, platform.prometheus, platform.wake_query) == (0, "http://p.my:9090", "sum(x)")
    assert dict(platform.pod_monitor_labels) == {"release": "p"}


def test_dns_and_the_user_of_models_are_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    dns = '{"namespace": "openshift-dns", "podLabels": {"a": "b"}, "port": 5353}'
    code, _, platform = started(monkeypatch, f"--dns={dns}", "--any-user")
    assert platform is not None
    assert (code, platform.any_user) == (0, True)
    assert platform.dns == Dns("openshift-dns", FrozenDict({"a": "b"}), 5353)
    _, _, short = started(monkeypatch, '--dns={"namespace": "dns"}')
    assert short is not None
    assert short.dns == Dns("dns", FrozenDict({}), 53)


def test_the_chart_tells_them_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAULAT_ANY_USER", "true")
    monkeypatch.setenv("DAULAT_DNS", '{"namespace": "dns"}')
    _, _, platform = started(monkeypatch)
    assert platform is not None
    assert (platform.any_user, platform.dns.namespace) == (True, "dns")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prometheus=p.my:9090"], "--prometheus, --wake-query: address"),
        (["--prometheus=http://user:password@p.my"], "--prometheus, --wake-query: address"),
        (["--prometheus=http://p.my", "--wake-query=" + "x" * 1025], "wake_query: String should have at most"),
        (["--wake-query=up"], "Error: --wake-query requires --prometheus\n"),
        (["--pod-monitor-labels={"], "--pod-monitor-labels: "),
        (["--pod-monitor-labels=[1]"], "must be a JSON object with string values"),
        (['--pod-monitor-labels={"a": 1}'], "must be a JSON object with string values"),
        (["--dns={"], "--dns: it: Invalid JSON"),
        (["--dns={}"], "--dns: namespace is required"),
        (['--dns={"port": 5353, "addresses": ["169.254.20.10"]}'], "--dns: namespace is required"),
        (['--dns={"addresses": ["node-local"]}'], "--dns: addresses.0: value is not a valid"),
        (['--kubernetes-api={"cidrs": []}'], "--kubernetes-api: cidrs: List should have at least 1 item"),
        (['--kubernetes-api={"cidrs": ["10.0.0.1/99"]}'], "--kubernetes-api: cidrs.0: value is not a valid"),
        (['--dns={"namespace": "dns", "port": 0}'], "--dns: port: Input should be greater than or equal to 1"),
        (['--dns={"namespace": "dns", "labels": {}}'], "--dns: labels: Extra inputs are not permitted"),
    ],
)
def test_what_cant_be_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str) -> None:
    code, said, platform = started(monkeypatch, *arguments)
    assert (code, platform) == (2, None)
    assert words in said
    assert "password" not in said
