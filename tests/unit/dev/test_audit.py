"""The audit policy that a cluster of dev.cluster can be started with."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dev.cluster import EmbeddedCluster, audit


def test_only_the_requests_of_these_users_are_logged_and_only_once_answered() -> None:
    policy = audit.requests_of(["alice", "bob"])
    assert policy["rules"] == [{"level": "Metadata", "users": ["alice", "bob"]}, {"level": "None"}]
    assert policy["omitStages"] == ["RequestReceived"]


def test_the_policy_stands_where_the_arguments_say(tmp_path: Path) -> None:
    audit.write(tmp_path, audit.requests_of(["alice"]))
    arguments = dict(a.removeprefix("--").split("=", 1) for a in audit.arguments(tmp_path))
    assert yaml.safe_load(Path(arguments["audit-policy-file"]).read_text()) == audit.requests_of(["alice"])


def test_the_log_of_a_cluster_is_the_one_that_its_api_server_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    cluster = EmbeddedCluster("audited", audit_policy=audit.requests_of(["alice"]))
    assert f"--audit-log-path={cluster.audit_log}" in audit.arguments(cluster.audit_log.parent)
