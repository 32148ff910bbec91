"""What happens at the example's site in two days."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.evidence.audit.entries import AuditBatch, Refused, SessionClosed, SessionOpened, ViolationAdmitted
from daulat.evidence.book import Outgoing
from daulat.evidence.record import Record
from daulat.evidence.records import (
    Evicted,
    Gap,
    Heartbeat,
    RecorderStarted,
)
from daulat.evidence.subject import Subject
from dev.evidence.objects import ALICE, POLICY, exemption, image, model, node, policy, run, uid, zone
from dev.evidence.site import Memory, Site

HOUR = 3600


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
    site.later(45)
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
    site.later(15)
    site.over(Subject("Run", uid("trial-0")), "EvictionByEvictionAPI", "2027-01-15T10:00:55Z")
    site.over(Subject("Run", uid("trial-1")), "Deleted")
    site.append(*_audit(Refused, "2027-01-15T10:00:41Z", violations=["USE-04 spec.nodeName"], count=3))
    site.later(HOUR)
    site.holds(exemption("True/Active"))
    site.later(HOUR)
    site.append(
        *_audit(SessionOpened, "2027-01-15T11:20:00Z", session="exec", container="engine", command=True, tty=True)
    )
    site.append(*_audit(SessionClosed, "2027-01-15T11:41:00Z", session="exec", container="engine"))
    site.later(4 * HOUR)
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
