"""What the log says of where nodes stand: statements with their envelopes, and by which evidence a pod ran where it did."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.api.attestation import Envelope
from daulat.api.authorities import posix
from daulat.attestation import dsse
from daulat.ledger.entry import digest
from tests.requests import merge
from tests.unit.attestation.statements import ENDS, UUID, attestation, public_pem, trust
from tests.unit.recorder.test_recorder import Cluster
from tests.unit.world import ascend, policy


@pytest.fixture
def cluster() -> Cluster:
    """A node that reports a system UUID, under a policy that wants it attested."""
    made = Cluster()
    asked = {"minimumEvidence": "attested", "attestations": trust()}
    made.put("SovereigntyPolicy", policy(zones=asked))
    made.put("Node", node())
    made.begin()
    return made


def node() -> dict[str, Any]:
    return dict(merge(ascend("a1"), {"status": {"nodeInfo": {"systemUUID": UUID.upper()}}}))


def test_a_run_says_by_which_evidence_its_node_stands_there_and_refers_to_the_statement(cluster: Cluster) -> None:
    cluster.put("NodeAttestation", attestation("a1"))
    cluster.run("p")
    cluster.step()
    (run,) = cluster.of("RunStarted")
    assert run["evidence"] == {"confidential": "attested"}
    (number,) = run["attestationEntries"]
    recorded = cluster.entries()[number]
    assert (recorded["kind"], recorded["node"], recorded["systemUUID"]) == ("AttestationRecorded", "a1", UUID)
    assert (recorded["authority"], recorded["serialNumber"], recorded["notAfter"]) == (
        "my-inspectorate",
        "2026-0017",
        ENDS,
    )


def test_the_signed_envelope_is_kept_so_that_an_auditor_verifies_it(cluster: Cluster) -> None:
    cluster.put("NodeAttestation", attestation("a1"))
    cluster.step(whole=True)
    (recorded,) = cluster.of("AttestationRecorded")
    (kept,) = [data for data in cluster.disk.files.values() if digest(data) == recorded["envelope"]]
    envelope = Envelope.model_validate(json.loads(kept))
    assert dsse.is_signed_by(envelope, public_pem())
    assert dsse.digest(envelope) == recorded["statement"]


def test_a_run_changes_when_the_evidence_ends(cluster: Cluster) -> None:
    cluster.put("NodeAttestation", attestation("a1"))
    cluster.run("p")
    cluster.step()
    cluster.now = posix(ENDS)
    cluster.step(whole=True)
    (changed,) = cluster.of("RunChanged")
    assert changed["evidence"] == {"confidential": "declared"}
    assert "attestationEntries" not in changed


def test_a_statement_that_no_trusted_key_has_signed_is_recorded_and_is_no_evidence(cluster: Cluster) -> None:
    cluster.put("NodeAttestation", attestation("a1", key="forger"))
    cluster.run("p")
    cluster.step(whole=True)
    (run,) = cluster.of("RunStarted")
    assert run["evidence"] == {"confidential": "declared"}
    assert "attestationEntries" not in run
    assert len(cluster.of("AttestationRecorded")) == 1


def test_a_statement_that_goes_is_gone_and_one_that_cant_be_read_isnt_recorded(cluster: Cluster) -> None:
    broken = attestation("a1", name="broken")
    broken["spec"]["envelope"]["payload"] = "QUJD"
    cluster.put("NodeAttestation", broken)
    cluster.put("NodeAttestation", attestation("a1"))
    cluster.step(whole=True)
    assert [found["name"] for found in cluster.of("AttestationRecorded")] == ["a1"]
    cluster.delete("NodeAttestation", "a1")
    cluster.step(whole=True)
    assert [(found["of"], found["name"]) for found in cluster.of("Gone")] == [("NodeAttestation", "a1")]


def test_a_run_under_a_policy_that_asks_for_nothing_says_nothing_of_evidence(cluster: Cluster) -> None:
    cluster.put("SovereigntyPolicy", policy())
    cluster.put("NodeAttestation", attestation("a1"))
    cluster.run("p")
    cluster.step()
    (run,) = cluster.of("RunStarted")
    assert "evidence" not in run
