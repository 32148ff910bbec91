"""A real API server with the audit policy and the kubeconfig of ``contrib/audit``: what reaches the log, by webhook and file."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from daulat.cli.main import main
from daulat.evidence.audit.acts import Reader
from daulat.evidence.draft import Draft
from daulat.evidence.personal import Pseudonyms, named
from daulat.ledger.entry import canonical
from daulat.ledger.keys import KeyType, generate
from daulat.recorder.audit.follow import AuditFile
from daulat.recorder.audit.intake import Intake
from daulat.recorder.audit.webhook import AuditWebhook, WebhookOptions
from daulat.recorder.salts import Salts
from dev.cluster import ClusterError, ports
from dev.cluster.pki import Authority
from dev.deployment import CHART, RECORDER, ROOT, RecorderProcess, helm, poll

from .listening import listens
from .test_recorder import once
from .world import World, lower, namespace_manifest, pod_manifest, policy_manifest, raise_world, unique

OPERATOR = "system:serviceaccount:daulat-system:daulat"
NAME = "daulat-recorder-audit.daulat-system.svc"
CONTRIB = ROOT / "contrib/audit"
# As fast as a test wants to be. Each batch has its whole path all the same.
FAST = {"audit-webhook-batch-max-wait": "1s", "audit-webhook-initial-backoff": "500ms"}


@dataclass
class Recorder:
    """Both ways into one list each, with the API that the recorder's process uses, on a thread of its own."""

    salts: Salts
    drafts: dict[str, list[Draft]] = field(default_factory=lambda: {"webhook": [], "file": []})
    full: bool = False
    refused: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def intake(self, way: str) -> Intake:
        async def accept(drafts: Sequence[Draft]) -> None:
            if self.full:
                self.refused += 1
                raise OSError("no space left on device")
            self.drafts[way] += drafts

        return Intake(Reader(Pseudonyms(self.salts.salt), OPERATOR), accept)

    def do(self, task: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(task, self.loop)

    def entries(self, way: str, kind: str) -> list[dict[str, Any]]:
        return [dict(d.data) for d in list(self.drafts[way]) if d.kind == kind]


@dataclass
class Audited:
    world: World
    recorder: Recorder

    def recorded(self, kind: str, so: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Wait until both ways have one such entry, and return the two."""
        found: dict[str, list[dict[str, Any]]] = {}

        def both() -> bool:
            found.update({way: [e for e in self.recorder.entries(way, kind) if so(e)] for way in ("webhook", "file")})
            return all(found.values())

        poll(f"{kind} by webhook and by file", both)
        return [found["webhook"][0], found["file"][0]]

    def by(self, user: str) -> str:
        person = self.recorder.salts.find(user)
        assert person is not None, f"{user} has no salt"
        return person.pseudonym


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    directory = tmp_path_factory.mktemp("audited")
    recorder = Recorder(Salts(directory / "salts.db", create=True))
    thread = threading.Thread(target=recorder.loop.run_forever, daemon=True)
    thread.start()
    authority = Authority.create("audit")
    (directory / "ca.crt").write_bytes(authority.pair.certificate)
    authority.server("recorder", [NAME]).write(directory, "server")
    authority.client("kube-apiserver").write(directory, "apiserver")
    options = WebhookOptions(
        directory / "server.crt",
        directory / "server.key",
        directory / "ca.crt",
        frozenset({"kube-apiserver"}),
        host="127.0.0.1",
        port=0,
    )
    webhook = AuditWebhook(recorder.intake("webhook"), options)
    port = recorder.do(webhook.start()).result(20)
    kubeconfig = (CONTRIB / "webhook.kubeconfig").read_text()
    kubeconfig = kubeconfig.replace("10.96.0.250:8443", f"127.0.0.1:{port}").replace(
        "/etc/kubernetes/audit", str(directory)
    )
    (directory / "webhook.kubeconfig").write_text(kubeconfig)
    world = raise_world(
        unique("audited"),
        directory,
        say=lambda line: None,
        audit_policy=yaml.safe_load((CONTRIB / "policy.yaml").read_text()),
        apiserver_args=_arguments(directory / "webhook.kubeconfig"),
    )
    file = AuditFile(recorder.intake("file"), world.cluster.audit_log, directory / "position.json", seconds=0.5)
    following = recorder.do(file.run())
    try:
        yield Audited(world, recorder)
    finally:
        lower(world)
        following.cancel()
        recorder.do(webhook.stop()).result(20)
        recorder.loop.call_soon_threadsafe(recorder.loop.stop)
        thread.join(20)
        recorder.salts.close()


@pytest.fixture(scope="module")
def governed(audited: Audited) -> Iterator[tuple[str, str]]:
    with audited.world.governed(access={"groups": ["cleared-operators"]}) as names:
        yield names


def test_a_refusal_by_a_compiled_policy_is_recorded(audited: Audited, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    name = unique("refused")
    assert "USE-04 " in audited.world.refusal(pod_manifest(name, namespace, nodeName="x"))
    for entry in audited.recorded("Refused", lambda e: e["on"].get("name") == name):
        assert (entry["policy"], entry["admission"]) == (policy, f"{policy}.pods.daulat.dev")
        assert entry["violations"] == ["USE-04 spec.nodeName"]
        assert entry["by"] == audited.by("kubernetes-admin")
        assert entry["groups"] == ["system:masters"]


def test_a_violation_that_a_policy_only_warns_of_is_recorded(audited: Audited) -> None:
    policy, namespace, name = unique("pol"), unique("ns"), unique("warned")
    world = audited.world
    world.admin.apply([policy_manifest(policy, action="Warn"), namespace_manifest(namespace, policy)])
    world.wait_reason("sovereigntypolicy", policy, "Enforced", "NotEnforcing")
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", namespace))
    ways = audited.recorder

    def warned() -> bool:
        # A compiled policy is in force a moment after it is written.
        world.admin.run("delete", "pod", name, "-n", namespace, "--ignore-not-found", "--now")
        assert world.refusal(pod_manifest(name, namespace, hostPID=True)) == ""
        return any(e["policy"] == policy for e in ways.entries("webhook", "ViolationAdmitted"))

    poll("the warning policy to be in force", warned)
    for entry in audited.recorded("ViolationAdmitted", lambda e: e["policy"] == policy):
        assert entry["admission"] == f"{policy}.pods.warn.daulat.dev"
        assert any(v.startswith("USE-") for v in entry["violations"])
    world.remove(namespace, policy)


@pytest.mark.parametrize("session", ["exec", "attach", "portforward"])
def test_a_session_that_a_policy_refuses_is_recorded_as_refused(
    audited: Audited, governed: tuple[str, str], session: str
) -> None:
    _, namespace = governed
    name = unique("served")
    user = unique("tenant")
    tenant = audited.world.make_admin(user, namespace)
    assert audited.world.refusal(pod_manifest(name, namespace)) == ""
    poll("the pod to run", lambda: audited.world.get("pod", name, namespace=namespace)["status"]["phase"] == "Running")
    command = {
        "exec": ["exec", "-n", namespace, name, "--", "echo", "hunter2"],
        "attach": ["attach", "-n", namespace, name],
        "portforward": ["port-forward", "-n", namespace, name, ":80"],
    }[session]
    with pytest.raises(ClusterError, match="MGD-05"):
        tenant.run(*command)
    for entry in audited.recorded("Refused", lambda e: e["on"] == _pod(namespace, name, session)):
        assert entry["violations"] == [f"MGD-05 pods/{session}"]
        assert entry["by"] == audited.by(user)


def test_a_session_that_is_let_in_is_recorded_from_its_beginning_to_its_end(audited: Audited) -> None:
    world, namespace, name = audited.world, unique("free"), unique("served")
    world.admin.apply([namespace_manifest(namespace)])
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", namespace))
    assert world.refusal(pod_manifest(name, namespace)) == ""
    poll("the pod to run", lambda: world.get("pod", name, namespace=namespace)["status"].get("phase") == "Running")
    # The simulated kubelet upgrades the connection, and ends it.
    with pytest.raises(ClusterError):
        world.admin.run("attach", name, "-n", namespace)
    opened = audited.recorded("SessionOpened", lambda e: e["on"] == _pod(namespace, name, "attach"))
    closed = audited.recorded("SessionClosed", lambda e: e["on"] == _pod(namespace, name, "attach"))
    assert {e["audit"] for e in opened} == {e["audit"] for e in closed}
    for before, after in zip(opened, closed, strict=True):
        assert after["began"] <= before["at"] <= after["at"]
        assert before["by"] == audited.by("kubernetes-admin")
        assert before["container"] == "main"
    with pytest.raises(ClusterError):
        world.admin.run("exec", "-n", namespace, name, "--", "echo", "hunter2")
    audited.recorded("SessionOpened", lambda e: e["on"] == _pod(namespace, name, "exec") and e["command"])
    world.remove(namespace)


def test_a_request_in_anothers_name_is_recorded_with_both(audited: Audited, governed: tuple[str, str]) -> None:
    _, namespace = governed
    other = unique("bob")
    with pytest.raises(ClusterError, match="forbidden"):
        audited.world.admin.run(
            "create", "configmap", "x", "-n", namespace, f"--as={other}", "--as-group=system:masterz"
        )
    poll("a salt", lambda: audited.recorder.salts.find(other) is not None)
    for entry in audited.recorded("Impersonated", lambda e: e["as"] == audited.by(other)):
        assert entry["by"] == audited.by("kubernetes-admin")
        assert entry["asGroups"] == ["system:masterz"]


def test_an_edit_of_a_policy_is_recorded_with_who_made_it_and_no_write_of_the_operators(
    audited: Audited, governed: tuple[str, str]
) -> None:
    policy, _ = governed
    audited.world.admin.run("label", "sovereigntypolicy", policy, f"example.my/{unique('x')}=y")
    on = {"group": "daulat.dev", "resource": "sovereigntypolicies", "name": policy}
    for entry in audited.recorded("Changed", lambda e: e["on"] == on and e["verb"] == "patch"):
        assert entry["by"] == audited.by("kubernetes-admin")
    everything = [d for way in ("webhook", "file") for d in list(audited.recorder.drafts[way])]
    assert not [d for d in everything if d.data.get("by") == OPERATOR]
    assert not [d for d in everything if d.kind in ("AuditUnreadable", "AuditGap")]


def test_a_batch_that_the_log_could_not_take_comes_again(audited: Audited, governed: tuple[str, str]) -> None:
    _, namespace = governed
    name, recorder = unique("later"), audited.recorder
    recorder.full = True
    try:
        assert "USE-04 " in audited.world.refusal(pod_manifest(name, namespace, nodeName="x"))
        before = recorder.refused
        poll("a batch to be sent and refused", lambda: recorder.refused >= before + 2)
    finally:
        recorder.full = False
    for entry in audited.recorded("Refused", lambda e: e["on"].get("name") == name):
        assert "count" not in entry


def test_both_ways_record_the_same_and_name_no_person(audited: Audited, governed: tuple[str, str]) -> None:
    _, namespace = governed
    name = unique("last")
    assert "USE-04 " in audited.world.refusal(pod_manifest(name, namespace, nodeName="x"))
    audited.recorded("Refused", lambda e: e["on"].get("name") == name)
    said = {way: _said(audited.recorder.drafts[way]) for way in ("webhook", "file")}
    assert said["webhook"] == said["file"]
    text = b"".join(canonical(d.data) for way in ("webhook", "file") for d in list(audited.recorder.drafts[way]))
    assert b"kubernetes-admin" not in text
    assert b"hunter2" not in text
    everyone = audited.recorder.salts.people()
    digest = audited.recorder.entries("file", "Refused")[-1]["by"]
    assert (found := named(digest, everyone)) is not None
    assert found.name == "kubernetes-admin"


def test_no_length_of_a_request_hides_a_session(audited: Audited) -> None:
    world, namespace, name = audited.world, unique("free"), unique("served")
    world.admin.apply([namespace_manifest(namespace)])
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", namespace))
    assert world.refusal(pod_manifest(name, namespace)) == ""
    poll("the pod to run", lambda: world.get("pod", name, namespace=namespace)["status"].get("phase") == "Running")
    # An API server that truncates discards events of more than 100 KiB, if it isn't told otherwise.
    with pytest.raises(ClusterError):
        world.admin.run("exec", "-n", namespace, name, "--", "echo", *["<" * 60_000] * 4)
    on = _pod(namespace, name, "exec")
    audited.recorded("SessionOpened", lambda e: e["on"] == on)
    world.remove(namespace)


def _arguments(kubeconfig: Path) -> list[str]:
    """Return the arguments that contrib/audit/kubeadm.yaml has, with the paths of the test."""
    shipped = yaml.safe_load((CONTRIB / "kubeadm.yaml").read_text())["apiServer"]["extraArgs"]
    found = {a["name"]: a["value"] for a in shipped} | FAST | {"audit-webhook-config-file": str(kubeconfig)}
    # The cluster writes the policy itself.
    return [f"--{name}={value}" for name, value in found.items() if name != "audit-policy-file"]


def _pod(namespace: str, name: str, subresource: str) -> dict[str, str]:
    return {"resource": "pods", "subresource": subresource, "namespace": namespace, "name": name}


def _said(drafts: list[Draft]) -> set[str]:
    """Return the requests that entries are about, whichever batch they came in."""
    kinds = ("Refused", "SessionOpened", "SessionClosed", "SessionFailed")
    return {json.dumps([d.kind, d.data["by"], d.data["on"], d.data["at"]]) for d in list(drafts) if d.kind in kinds}


@contextmanager
def cosigner(directory: Path, log: RecorderProcess) -> Iterator[tuple[str, str]]:
    """Run ``daulat witness`` for a log, and yield its URL and its verifier key."""
    key = generate("witness.example.my/other-cluster", KeyType.COSIGNATURE)
    (directory / "witness.key").write_text(key.text())
    (directory / "witness").mkdir()
    port = ports.choose(["witness"], {})["witness"]
    arguments = [f"--listen=127.0.0.1:{port}", f"--key={directory / 'witness.key'}", f"--log={log.verifier}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "daulat.cli.main", "witness", *arguments, f"--state={directory / 'witness'}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    try:
        poll("the witness to listen", lambda: listens(port))
        yield f"http://127.0.0.1:{port}", str(key.verifier())
    finally:
        process.terminate()
        process.wait(20)


def test_the_recorder_logs_who_was_refused_what_under_a_witness(
    audited: Audited, governed: tuple[str, str], tmp_path: Path
) -> None:
    world, (policy, namespace) = audited.world, governed
    helm(world.cluster.kubeconfig(), "upgrade", "daulat", str(CHART), "--reuse-values", *RECORDER)
    log = RecorderProcess(world.cluster, tmp_path / "recorder")
    with cosigner(tmp_path, log) as (url, key):
        log.further = (
            f"--audit-file={world.cluster.audit_log}",
            f"--audit-position={tmp_path / 'position.json'}",
            f"--witness={key} {url}",
        )
        log.start()
        try:
            user = unique("aisyah")
            person = world.make_admin(user, namespace)
            assert "USE-04" in world.refusal(pod_manifest("p", namespace, nodeName="ascend-1"), kubectl=person)
            refused = once(log, "Refused", on={"resource": "pods", "namespace": namespace, "name": "p"})
            with Salts(log.salts) as salts:
                found = salts.find(user)
            assert found is not None
            assert (refused["by"], refused["policy"]) == (found.pseudonym, policy)
            once(log, "AuditBatch", batch=refused["batch"])
            assert user.encode() not in b"".join(p.read_bytes() for p in log.ledger.rglob("*") if p.is_file())
            done = CliRunner().invoke(
                main, ["ledger", "verify", str(log.ledger), f"--key={log.verifier}", f"--witness={key}"]
            )
            assert done.exit_code == 0, done.output
            assert "witnessed: witness.example.my/other-cluster" in done.output
        finally:
            log.stop()
