"""Attempts to pass something off as evidence, or to take evidence away. docs/explanation/threats.md has a row for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daulat.api.authorities import posix
from daulat.attestation import dsse
from daulat.cli.main import main
from daulat.evidence.index import Index, Question
from daulat.evidence.personal import Pseudonyms
from daulat.ledger.cosigning import Request, Submission, parse_cosignatures
from daulat.ledger.folder import Folder
from daulat.ledger.keys import SignerKey
from daulat.ledger.note import Signature
from daulat.ledger.tiles import bundled
from daulat.ledger.trust import Trust, trusted
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer
from daulat.placement.eligibility import ELIGIBLE, EligibilityState
from daulat.recorder.observers import evicted
from daulat.recorder.salts import Salts
from daulat.witness.cosigner import Cosigner
from tests.unit.attestation.statements import ENDS, NOW, OTHER_UUID, UUID, attestation, envelope, trust
from tests.unit.evidence.test_index import entry, run
from tests.unit.ledger.logs import KEY, TRUST, WITNESSES, Memory, entries
from tests.unit.ledger.logs import NOW as WRITTEN
from tests.unit.placement.test_evidence import answer, node, record, world

BUNDLE = "tile/entries/000.p/3"
RUNS = [
    entry(1, "ZoneRecorded", name="z", uid="z", country="MY", operator="Example Sdn Bhd"),
    run(10, "a", model="r1", zoneEntry=0),
    run(20, "b", model="r1", country="SG"),
]
WITNESSED = Trust((KEY.verifier(),), (WITNESSES[0].verifier(),), 1)


class Witness:
    """A witness, and the way in which a log is written that submits its checkpoints to it."""

    def __init__(self) -> None:
        self.cosigner = Cosigner([WITNESSES[0]], [KEY.verifier()], Memory(), lambda: WRITTEN)
        self.seen = 0
        """Entries of the checkpoint that was cosigned last."""

    def cosign(self, submission: Submission) -> list[Signature]:
        proof = tuple(submission.prove(self.seen)) if self.seen <= submission.head.size else ()
        body = bytes(Request(self.seen, proof, submission.note, submission.head))
        given = self.cosigner.add_checkpoint(body)
        if given.status != 200:
            return []
        self.seen = submission.head.size
        return list(parse_cosignatures(given.body, submission.note, [WITNESSES[0].verifier()]))


def daulat(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--key", str(KEY.verifier())])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with Writer.create(Folder(tmp_path / "log"), [KEY], WRITTEN) as writer:
        writer.append(RUNS, WRITTEN)
    return tmp_path / "log"


@pytest.fixture
def salts(tmp_path: Path) -> Iterator[Salts]:
    with Salts(tmp_path / "salts.sqlite", create=True) as opened:
        yield opened


def test_evidence_a_forged_statement() -> None:
    forged = attestation(key="two")
    assert "no key of authority my-inspectorate has signed it" in answer(world(forged)).reason
    # Beside a valid one it neither counts nor contradicts.
    contradicting = attestation(key="two", name="forged", facility={"country": "SG"})
    assert answer(world(attestation(), contradicting)) == ELIGIBLE
    # An authority's key doesn't sign for another authority, and a statement can't name one that nobody trusts.
    assert "isn't trusted" in answer(world(attestation(authority="someone"))).reason


def test_evidence_a_replayed_statement() -> None:
    late = world(attestation())
    late.moment = posix(ENDS)
    assert answer(late).verdict is EligibilityState.UNDECIDED
    # A revoked one under another name, in other letters, with another signature of the same statement.
    for revoked in ("2026-0017", attested_digest(), attested_digest().upper()):
        asked = {"minimumEvidence": "attested", "attestations": trust(revoked=[revoked])}
        again = attestation(name="again", signed=envelope(kind="p256"))
        found = answer(world(attestation(name="copy"), again, asked=asked))
        assert (found.verdict, "has it revoked" in found.reason) == (EligibilityState.INELIGIBLE, True), revoked


def attested_digest() -> str:
    return dsse.digest(envelope())


def test_evidence_another_nodes_statement() -> None:
    # Under any name, a statement is about the node and the machine that it names.
    copied = world(attestation(name="h2"), nodes=[node("h2", OTHER_UUID)])
    assert answer(copied, "h2").reason == "has no NodeAttestation"
    # A node that reports the attested UUID under its own name, or beside the attested node.
    renamed = world(attestation(), nodes=[node("h2", UUID)])
    assert "is attested of node h1" in answer(renamed, "h2").reason
    twins = world(attestation(), nodes=[node(), node("h2", UUID)])
    for name in ("h1", "h2"):
        assert answer(twins, name).verdict is EligibilityState.UNDECIDED
    # A new machine under the name of the attested node.
    replaced = world(attestation(), nodes=[node(uuid=OTHER_UUID)])
    assert "and its attestation is of" in answer(replaced).reason


def test_evidence_statements_that_are_kept_from_the_operator() -> None:
    certified = {"daulat.node-restriction.kubernetes.io/zone": "cyberjaya-1"}
    certified["daulat.node-restriction.kubernetes.io/confidential"] = "eligible"
    hidden: dict[str, Any] = {"unlisted": ("NodeAttestation",), "refused": ("NodeAttestation",)}
    assert record(world(nodes=[node(labels=certified)], **hidden)).taint is True


def test_evidence_a_clock_set_back() -> None:
    revoking = {"minimumEvidence": "attested", "attestations": trust(revoked=["2026-0017"])}
    back = world(attestation(), asked=revoking)
    back.moment = NOW - 40 * 86400
    assert answer(back).verdict is EligibilityState.INELIGIBLE
    # Before a statement begins it doesn't count either.
    early = world(attestation())
    early.moment = NOW - 4000 * 86400
    assert answer(early).verdict is EligibilityState.UNDECIDED


def test_evidence_a_log_set_back(log: Path, tmp_path: Path) -> None:
    """The owner of the key puts an older state of the files back, and goes on from there with other entries."""
    witness, store = Witness(), Memory()
    with Writer.create(store, [KEY], WRITTEN, witness.cosign) as writer:
        writer.append(entries(5), WRITTEN)
        old = store.copy()
        writer.append(entries(5, 5), WRITTEN)
    kept = store.files["checkpoint"]
    assert verify(store, WITNESSED).findings == ()
    # The older state alone still verifies, and a checkpoint that was kept shows it.
    assert verify(old, WITNESSED).findings == ()
    assert [f.fault for f in verify(old, WITNESSED, [("kept", kept)]).findings] == ["Truncated"]
    with Writer.open(old, [KEY], WRITTEN, witness.cosign) as writer:
        writer.append(entries(9, 50), WRITTEN)
    assert [f.fault for f in verify(old, WITNESSED).findings] == ["UnwitnessedCheckpoint"]
    assert "Forked" in [f.fault for f in verify(old, TRUST, [("kept", kept)]).findings]


def test_evidence_a_split_view() -> None:
    """Two histories with one beginning and one key, each shown to another reader."""
    witness, shared = Witness(), Memory()
    with Writer.create(shared, [KEY], WRITTEN, witness.cosign) as writer:
        writer.append(entries(5), WRITTEN)
    views = []
    for start in (5, 70):
        view = shared.copy()
        with Writer.open(view, [KEY], WRITTEN, witness.cosign) as writer:
            writer.append(entries(3, start), WRITTEN)
        views.append(view)
    first, second = views
    assert verify(first, WITNESSED).findings == ()
    assert [f.fault for f in verify(second, WITNESSED).findings] == ["UnwitnessedCheckpoint"]
    # Readers who compare their checkpoints need no witness.
    assert verify(first, TRUST).findings == verify(second, TRUST).findings == ()
    found = verify(second, TRUST, [("another reader's", first.files["checkpoint"])]).findings
    assert [f.fault for f in found] == ["Forked"]


def test_evidence_an_index_that_lacks_runs(log: Path, tmp_path: Path) -> None:
    asked = ("where-ran", log, "--model", "r1")
    complete = daulat(*asked).output
    assert "SG" in complete
    # One that ends earlier is completed; one of another history, or that is damaged, is made anew.
    for number, batch in enumerate((RUNS[:2], [RUNS[0], *entries(2)])):
        shorter = Memory()
        with Writer.create(shorter, [KEY], WRITTEN) as writer:
            writer.append(batch, WRITTEN)
        index = Index(tmp_path / f"{number}.sqlite")
        index.update(shorter, trusted(shorter.files["checkpoint"], TRUST))
        index.close()
        assert daulat(*asked, "--index", tmp_path / f"{number}.sqlite").output == complete
    (tmp_path / "damaged").write_bytes(b"SQLite format 3\0" + bytes(4096))
    assert daulat(*asked, "--index", tmp_path / "damaged").output == complete
    # One that came with the log may lack anything, so it isn't used.
    ours = Index(log / "index.sqlite")
    ours.close()
    for command in (
        asked,
        ("report", log, "--from", "2027-01-01", "--to", "2027-02-01", "--output-dir", tmp_path / "r"),
    ):
        refused = daulat(*command, "--index", log / "index.sqlite")
        assert refused.exit_code == 2
        assert "is in the log's folder" in refused.output


def test_evidence_an_entry_left_out_or_blacked_out(log: Path) -> None:
    for redacted in ([RUNS[0], RUNS[2]], [*RUNS[:2], RUNS[2].replace(b'"SG"', b'"MY"')], [*RUNS[:2], b"{}"]):
        (log / BUNDLE).write_bytes(bundled(redacted))
        verified = daulat("ledger", "verify", log)
        assert verified.exit_code == 1
        assert f"{BUNDLE}, entry" in verified.output
        assert daulat("where-ran", log).exit_code == 1


def test_evidence_erased_salts(salts: Salts) -> None:
    """Whoever erases a person takes the name away, and no entry: what one person did stays one person's."""
    pseudonyms = Pseudonyms(salts.salt, salts.has)
    store = Memory()
    with Writer.create(store, [KEY], WRITTEN) as writer:
        digests = {pseudonyms.user("aisyah"), pseudonyms.user("aisyah")}
        writer.append([entry(n, "Impersonated", by=digest) for n, digest in enumerate(digests)], WRITTEN)
    assert len(digests) == 1
    assert salts.erase("aisyah")
    assert verify(store, TRUST).findings == ()
    assert not pseudonyms.is_kept("aisyah")
    assert pseudonyms.user("aisyah") not in digests, "what comes later can't be led back by a new salt"


def test_evidence_an_event_in_the_operators_name() -> None:
    """A kubelet, or a tenant, may create Events. One is recorded as what it is, and ends no run."""
    forged = {
        "metadata": {"uid": "e"},
        "reason": "PodEvicted",
        "message": "deleted: it isn't in MY",
        "involvedObject": {"kind": "Pod", "namespace": "treasury", "name": "p-a", "uid": "a"},
        "reportingComponent": "daulat",
        "eventTime": "2027-01-15T00:00:15Z",
    }
    found = evicted(forged)
    assert found is not None
    store = Memory()
    with Writer.create(store, [KEY], WRITTEN) as writer:
        writer.append([*RUNS, entry(30, found.kind, **found.data())], WRITTEN)
    index = Index()
    index.update(store, trusted(store.files["checkpoint"], TRUST))
    assert {s.data["uid"] for s in index.stretches(Question()) if not s.until} == {"a", "b"}


def test_evidence_a_witness_of_ones_own() -> None:
    """A cosignature counts by the witness's key, not by its name, and no log is its own witness."""
    impostor = SignerKey(WITNESSES[0].name, WITNESSES[0].type, b"\x77" * 32)
    store = Memory()
    with Writer.create(store, [KEY], WRITTEN, lambda s: [impostor.sign(s.note.text, WRITTEN)]) as writer:
        writer.append(entries(3), WRITTEN)
    assert [f.fault for f in verify(store, WITNESSED).findings] == ["UnwitnessedCheckpoint"]
    own = SignerKey(KEY.name, WITNESSES[0].type, b"\x78" * 32)
    with pytest.raises(ValueError, match="can't be its own witness"):
        Trust((KEY.verifier(),), (own.verifier(),), 1)
