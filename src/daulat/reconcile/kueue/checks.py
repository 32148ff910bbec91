"""Sets the states of Daulat's AdmissionChecks in the status of workloads, and the condition Active of each AdmissionCheck."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.api.kinds import Manifest
from daulat.api.timestamps import stamp
from daulat.facts.queued import CheckState, QueuedWorkload
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.placement.queued import Judgement, Verdict, judge
from daulat.reconcile.conditions import cut
from daulat.reconcile.result import ApplyForeignStatus, EmitEvent, Result

FIRST_RETRY, LONGEST_RETRY = 10, 300
"""Seconds until a workload that was sent back is in its queue again: twice as long each time. A node that joins is used after
the longer one at the latest."""
OWNERS = 3
"""The pods of a group that get the Event: a group may have hundreds."""
LOOK_AGAIN = 5.0
"""Seconds after which a workload that waits for pods to end is reconciled again."""


def reconcile_workload(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Decide on a workload that has quota, where one of its AdmissionChecks is Daulat's and still Pending."""
    workload = snapshot.workloads.get(ref)
    if workload is None or not workload.awaits(snapshot.own_checks):
        return Result()
    judged = judge(workload, snapshot, now)
    own = [check for check in workload.checks if check.name in snapshot.own_checks]
    pending = judged.verdict is Verdict.PENDING
    if pending and all(check.message == cut(judged.message) for check in own):
        return Result(requeue_after=LOOK_AGAIN)
    # All of them, also one that is decided already: server-side apply takes away what isn't applied any more.
    status: Manifest = {"admissionChecks": [_entry(check, judged, now) for check in own]}
    written = ApplyForeignStatus(ref, workload.uid, status, tuple(_events(ref, workload, judged)))
    return Result(apply=(written,), requeue_after=LOOK_AGAIN if pending else None)


def reconcile_admission_check(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Set the condition Active of an AdmissionCheck that names Daulat as its controller. Kueue uses no other."""
    check = snapshot.admission_checks.get(ref.name)
    if check is None or ref.name not in snapshot.own_checks:
        return Result()
    status, reason, message = "True", "Active", "Daulat decides by the policies of the workload's namespace"
    if check.parameters:
        status, reason = "False", "ParametersNotSupported"
        message = f"spec.parameters names {check.parameters}; {check.controller} takes no parameters. Remove them."
    if check.active == (status, reason, message, check.generation):
        return Result()
    since = check.since if check.active[0] == status and check.since else stamp(now)
    condition: Manifest = {
        "type": "Active",
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": check.generation,
        "lastTransitionTime": since,
    }
    return Result(apply=(ApplyForeignStatus(ref, check.uid, {"conditions": [condition]}),))


def _events(ref: Ref, workload: QueuedWorkload, judged: Judgement) -> Iterator[EmitEvent]:
    """Yield what a user sees at the workload and at what it stands for: Kueue drops the message when it takes the quota back."""
    if judged.verdict in (Verdict.READY, Verdict.PENDING):
        return
    reason, message = f"AdmissionCheck{judged.verdict}", cut(judged.message)
    yield EmitEvent(ref, workload.uid, "Warning", reason, message)
    for owner in workload.owners[:OWNERS]:
        at = Ref(owner.kind, ref.namespace, owner.name)
        yield EmitEvent(at, owner.uid, "Warning", reason, message, owner.api_version)


def _entry(check: CheckState, judged: Judgement, now: float) -> Manifest:
    entry: Manifest = {
        "name": check.name,
        "state": str(judged.verdict),
        "lastTransitionTime": stamp(now),
        "message": cut(judged.message),
    }
    if judged.verdict is Verdict.RETRY:
        entry["requeueAfterSeconds"] = min(FIRST_RETRY * 2 ** min(check.retries, 8), LONGEST_RETRY)
    return entry
