"""`python -m dev.evidence [--check]`: writes examples/evidence: a log of an invented site, a report of it, and the public keys.

Keys, times and uids are fixed, so that the same files come out again. The private keys are these few lines: THEY PROTECT NOTHING.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daulat import __version__
from daulat.evidence.audit.entries import AuditBatch, Refused, SessionClosed, SessionOpened, ViolationAdmitted
from daulat.evidence.book import Book, Outgoing
from daulat.evidence.index import Index
from daulat.evidence.personal import Person
from daulat.evidence.record import Record
from daulat.evidence.records import (
    Evicted,
    ExemptionRecorded,
    Gap,
    Heartbeat,
    ModelRecorded,
    NodeRecorded,
    PolicyRecorded,
    RecorderStarted,
    RunStarted,
    ZoneRecorded,
)
from daulat.evidence.report.bundle import bundle
from daulat.evidence.report.collect import collect
from daulat.evidence.report.document import document
from daulat.evidence.report.scope import Scope
from daulat.evidence.subject import Present, Subject
from daulat.ledger.cosigning import Submission
from daulat.ledger.entry import canonical, digest
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.note import Signature
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.trust import Trust, examine
from daulat.recorder.keeper import Keeper, Place

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("examples/evidence")
ORIGIN = "daulat.example.my/cluster-1"
START = 1_800_000_000
"""2027-01-15T08:00:00Z."""
HOUR = 3600
SCOPE = Scope("2027-01-15T00:00:00.000Z", "2027-01-17T00:00:00.000Z", preset="my-nccp")
MADE = "2027-01-17T09:00:00Z"


def _seed(name: str) -> bytes:
    return sha256(f"an example's key, which protects nothing: {name}".encode()).digest()


LOG = SignerKey(ORIGIN, KeyType.ED25519, _seed("log"))
WITNESS = SignerKey("witness.example.org", KeyType.COSIGNATURE, _seed("witness"))
SIGNER = Ed25519PrivateKey.from_private_bytes(_seed("report"))
ALICE, BOB, CAROL = (Person(name, _seed(name)).pseudonym for name in ("alice", "bob", "carol"))
COUNTRIES = ["MY"]
POLICY = {
    "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "confidential"}},
    "action": "Enforce",
    "zones": {
        "countries": COUNTRIES,
        "operatorCountries": COUNTRIES,
        "parentCountries": COUNTRIES,
        "minimumDataClass": "confidential",
    },
    "accelerators": {"profiles": ["huawei-ascend-910b", "nvidia-h20"]},
    "models": {"sources": ["oci://registry.example.my/"], "requireDigest": True},
    "images": {"registries": ["registry.example.my/"], "requireDigest": True},
    "engines": {"allowRemoteCode": False, "requireOffline": True},
}


@dataclass
class Memory:
    """A store that keeps its files in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def get(self, path: str) -> bytes | None:
        """Return a file's bytes."""
        return self.files.get(path)

    def put(self, path: str, data: bytes) -> None:
        """Keep a file."""
        self.files[path] = data

    def remove_partial(self, path: str) -> None:
        """Remove a tile's partial versions."""
        for name in [name for name in self.files if name.startswith(f"{path}.p/")]:
            del self.files[name]

    def lock(self) -> None:
        """There is one process."""

    def unlock(self) -> None:
        """There is one process."""


class Site:
    """The cluster whose log it is."""

    def __init__(self, store: Memory) -> None:
        self._now = float(START)
        self._keeper = Keeper(Place(store, [LOG], cosign=self._cosign), lambda: self._now)
        self._book = Book(self._keeper.open())

    def later(self, seconds: float) -> None:
        """Let time go by."""
        self._now += seconds

    def holds(self, *presents: Present) -> None:
        """Record what holds now."""
        self.append(*(out for p in presents if (out := self._book.news(p)) is not None))

    def over(self, subject: Subject, reason: str = "", ended: str = "") -> None:
        """Record that something isn't there any more."""
        out = self._book.over(subject, reason, ended)
        assert out is not None
        self.append(out)

    def happened(self, *records: Record) -> None:
        """Record what isn't about an object that is there."""
        self.append(*(Outgoing(r.kind, r.data()) for r in records))

    def append(self, *entries: Outgoing) -> None:
        """Append entries to the log."""
        self._keeper.append(entries, self._book)

    def close(self) -> None:
        """End the recorder."""
        self._keeper.close()

    def _cosign(self, submitted: Submission) -> list[Signature]:
        return [WITNESS.sign(submitted.note.text, int(self._now) + 2)]


def uid(name: str) -> str:
    """Return a uid that is the same each time."""
    text = sha256(name.encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def image(name: str) -> str:
    """Return a digest that is the same each time."""
    return digest(name.encode())


def _kept(record: type[Record], kind: str, facts: Mapping[str, object], **said: object) -> Present:
    data = canonical(facts)
    made = record.model_validate({**said, "uid": uid(f"{kind}/{said['name']}"), "spec": digest(data)})
    return Present(Subject(kind, uid(f"{kind}/{said['name']}")), made, facts=(data,))


def zone(name: str, country: str, operator: str, operator_country: str) -> Present:
    """Return a zone of record."""
    facility = f"{name.title()} DC"
    facts = {"country": country, "facility": {"name": facility}, "operator": {"legalName": operator}}
    said = {"name": name, "generation": 1, "country": country, "facility": facility, "operator": operator}
    countries = {"operatorCountry": operator_country, "parentCountry": operator_country}
    return _kept(ZoneRecorded, "SovereignZone", facts, **said, **countries, maximumDataClass="confidential")


def node(name: str, in_zone: str, boot: int = 1) -> Present:
    """Return a node, after so many boots."""
    record = NodeRecorded(
        name=name,
        uid=uid(f"Node/{name}"),
        systemUUID=uid(f"machine/{name}").upper(),
        bootID=uid(f"boot/{name}/{boot}"),
        kubelet="v1.34.2",
        runtime="containerd://2.2.0",
        labels={"site": in_zone} if in_zone else {},
        zone=in_zone,
        no_zone="" if in_zone else "no zone selects the node",
    )
    return Present(Subject("Node", record.uid), record)


def policy(name: str, facts: Mapping[str, object], generation: int, enforced: str) -> Present:
    """Return a policy."""
    conditions = {"Enforced": enforced, "Ready": enforced, "Upheld": "True/Upheld"}
    said = {"name": name, "generation": generation, "conditions": conditions, "namespaces": 1}
    return _kept(PolicyRecorded, "SovereigntyPolicy", facts, **said, revision=image(f"{name}/{generation}")[7:19])


def exemption(state: str) -> Present:
    """Return the exemption that a debugging session needed."""
    record = ExemptionRecorded(
        name="trace-latency",
        uid=uid("trace-latency"),
        generation=1,
        policy="confidential",
        controls=["MGD-06"],
        namespaces=["treasury"],
        expires="2027-01-15T16:00:00Z",
        state=state,
        requested_by=ALICE,
        approved_by=[BOB, CAROL],
    )
    return Present(Subject("SovereigntyExemption", record.uid), record)


def model(placed: str) -> Present:
    """Return the model that is served."""
    record = ModelRecorded(
        namespace="treasury",
        name="deepseek-r1",
        uid=uid("model"),
        generation=1,
        model="deepseek-r1-distill-qwen-32b",
        uri="oci://registry.example.my/models/deepseek-r1-distill-qwen-32b",
        weights=image("weights"),
        zone=placed,
        accelerator="huawei-ascend-910b",
        conditions={"Placed": "True/Placed", "PolicyCompliant": "True/Compliant"},
        spec=image("model's spec"),
    )
    return Present(Subject("SovereignModel", record.uid), record)


def run(pod: str, on: str, in_zone: str, country: str, started: str, *, loaded: bool = True) -> Present:
    """Return a run of the model on a node."""
    foreign = {"SG": "SG", "MY": "MY"}.get(country, "")
    record = RunStarted(
        namespace="treasury",
        pod=pod,
        uid=uid(pod),
        node=on,
        zone=in_zone,
        no_zone="" if in_zone else "no zone selects the node",
        country=country,
        operator_country=foreign,
        parent_country=foreign,
        model="deepseek-r1",
        weights=image("weights"),
        loaded=image("weights") if loaded else "",
        started=started,
        containers={"engine": image("engine"), **({"weights": image("loader")} if loaded else {})},
        accelerators={"huawei.com/Ascend910": 4},
        data_class="confidential",
    )
    refers: dict[str, Subject | tuple[Subject, ...]] = {
        "nodeEntry": Subject("Node", uid(f"Node/{on}")),
        "modelEntry": Subject("SovereignModel", uid("model")),
        "policyEntries": (Subject("SovereigntyPolicy", uid("SovereigntyPolicy/confidential")),),
    }
    if in_zone:
        refers["zoneEntry"] = Subject("SovereignZone", uid(f"SovereignZone/{in_zone}"))
    return Present(Subject("Run", record.uid), record, refers)


def log() -> Memory:
    """Return the log of two days."""
    store = Memory()
    site = Site(store)
    site.happened(
        RecorderStarted(replica="daulat-recorder-0", release="0.1.0", cluster=uid("kube-system"), kubernetes="v1.34.2")
    )
    cyberjaya = zone("cyberjaya-1", "MY", "Example Sdn Bhd", "MY")
    singapore = zone("singapore-1", "SG", "Example Hosting Pte Ltd", "SG")
    site.holds(
        cyberjaya,
        singapore,
        *(node(f"npu-host-{n}", "cyberjaya-1") for n in (1, 2, 3)),
        node("sg-host-1", "singapore-1"),
    )
    site.holds(node("spare-1", ""))
    # First tried out: violations are admitted with a warning.
    site.holds(policy("confidential", {**POLICY, "action": "Warn"}, 1, "False/NotEnforcing"), model("cyberjaya-1"))
    site.later(HOUR)
    site.holds(run("deepseek-r1-0", "npu-host-1", "cyberjaya-1", "MY", "2027-01-15T08:59:30Z"))
    site.holds(run("trial-0", "sg-host-1", "singapore-1", "SG", "2027-01-15T08:59:41Z", loaded=False))
    site.holds(run("trial-1", "spare-1", "", "", "2027-01-15T08:59:52Z", loaded=False))
    site.append(*_audit(ViolationAdmitted, "2027-01-15T08:59:40Z", violations=["MGD-01 spec.nodeSelector"]))
    site.later(HOUR)
    site.holds(policy("confidential", POLICY, 2, "True/Proved"))
    site.happened(
        Evicted(
            of="Pod",
            namespace="treasury",
            name="trial-0",
            uid=uid("trial-0"),
            reason="Evicted",
            message="the node's zone singapore-1 is outside of MY",
            at="2027-01-15T10:00:40Z",
            event=uid("event"),
        )
    )
    site.later(60)
    site.over(Subject("Run", uid("trial-0")), "EvictionByEvictionAPI", "2027-01-15T10:00:55Z")
    site.over(Subject("Run", uid("trial-1")), "Deleted")
    site.append(*_audit(Refused, "2027-01-15T10:04:11Z", violations=["USE-04 spec.nodeName"], count=3))
    site.later(HOUR)
    site.holds(exemption("True/Active"))
    site.append(
        *_audit(SessionOpened, "2027-01-15T11:20:00Z", session="exec", container="engine", command=True, tty=True)
    )
    site.append(*_audit(SessionClosed, "2027-01-15T11:41:00Z", session="exec", container="engine"))
    site.later(5 * HOUR)
    site.holds(exemption("False/Expired"))
    site.later(8 * HOUR)
    site.happened(
        Gap(
            of="Cluster",
            since="2027-01-15T23:10:00.000Z",
            until="2027-01-16T00:01:00.000Z",
            reason="connection refused",
        )
    )
    # A reboot: the run goes on elsewhere.
    site.over(Subject("Run", uid("deepseek-r1-0")), "NodeLost", "2027-01-15T23:40:02Z")
    site.holds(node("npu-host-1", "cyberjaya-1", boot=2))
    site.holds(run("deepseek-r1-1", "npu-host-2", "cyberjaya-1", "MY", "2027-01-15T23:44:19Z"))
    for _ in range(6):
        site.later(4 * HOUR)
        site.happened(Heartbeat())
    site.close()
    return store


def _audit(of: type[Record], at: str, **said: object) -> Iterator[Outgoing]:
    """Yield what a batch of the audit log becomes: the batch, and one request."""
    batch = image(f"batch {of.kind} {at}")
    head = AuditBatch.model_validate(
        {"batch": batch, "bytes": 2048, "source": "webhook", "events": 1, "since": at, "until": at}
    )
    on = {"resource": "pods", "namespace": "treasury", "name": "deepseek-r1-0", "subresource": "exec"}
    if of in (Refused, ViolationAdmitted):
        on = {"resource": "pods", "namespace": "treasury", "name": "trial-0"}
        said |= {"verb": "create", "admission": "confidential.pods.daulat.dev", "policy": "confidential"}
    act = of.model_validate({"by": ALICE, "at": at, "audit": uid(at), "batch": batch, "on": on, **said})
    yield from (Outgoing(record.kind, record.data()) for record in (head, act))


def render() -> dict[Path, bytes]:
    """Return every file of the example by its path in the repository."""
    store = log()
    trust = Trust((LOG.verifier(),), (WITNESS.verifier(),), 1)
    examined = examine(store.files[CHECKPOINT], trust)
    assert examined.head is not None
    index = Index()
    index.update(store, examined.head)
    found = collect(index, store, examined.head.size, SCOPE)
    report = document(found, SCOPE, examined, trust, MADE, __version__)
    public = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    files = {
        "log.vkey": f"{LOG.verifier()}\n".encode(),
        "witness.vkey": f"{WITNESS.verifier()}\n".encode(),
        "report.pub": public,
    }
    # Only the newest partial tiles: those of before are for readers of an older checkpoint.
    kept = (".p/" + str(examined.head.size), "checkpoint")
    files |= {f"log/{p}": d for p, d in store.files.items() if p.endswith(kept) or p.startswith("facts/")}
    made = bundle(report, found.proved, store.files[CHECKPOINT], SIGNER)
    files |= {f"report/{path}": data for path, data in made.items()}
    return {FOLDER / path: data for path, data in files.items()}


def drift(root: Path, files: Mapping[Path, bytes]) -> list[str]:
    """Return a sentence for each file that is missing, differs or is left over."""
    there = {p.relative_to(root) for p in (root / FOLDER).rglob("*") if p.is_file()}
    found = [f"{p} is missing" for p in sorted(files.keys() - there)]
    found += [f"{p} is left over" for p in sorted(there - files.keys())]
    return found + [f"{p} differs" for p in sorted(files.keys() & there) if (root / p).read_bytes() != files[p]]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the example, or with --check only compare it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.evidence", description="The example of a log and its report.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a file has drifted")
    options = parser.parse_args(arguments)
    files = render()
    findings = drift(root, files)
    if options.check:
        print("".join(f"{f}\n" for f in findings), file=sys.stderr, end="")
        return 1 if findings else 0
    for path in (root / FOLDER).rglob("*"):
        if path.is_file() and path.relative_to(root) not in files:
            path.unlink()
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    print(f"{len(files)} files, {len(findings)} of them changed or removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
