"""What wakes the reconcilers of Kueue's workloads and AdmissionChecks."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.facts.change import Change
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.controller import SETTLE, Controller, itself

from .checks import reconcile_admission_check, reconcile_workload


def _awaiting(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the workloads that wait for a decision. All others were decided on, and Kueue itself brings back what was sent back."""
    own = snapshot.own_checks
    return (ref for ref, workload in sorted(snapshot.workloads.items()) if own and workload.awaits(own))


def _workload(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the workload, and those that wait for what one that is gone had."""
    yield change.ref
    if change.after is None:
        yield from _awaiting(change, snapshot)


def _all_checks(snapshot: Snapshot) -> Iterable[Ref]:
    return (Ref("AdmissionCheck", "", name) for name in sorted(snapshot.admission_checks))


CHECKS = Controller(
    kind="AdmissionCheck",
    reconcile=reconcile_admission_check,
    wakes={"AdmissionCheck": itself},
    keys=_all_checks,
)
WORKLOADS = Controller(
    kind="Workload",
    reconcile=reconcile_workload,
    wakes={
        "Kubernetes": _awaiting,
        "Workload": _workload,
        "AdmissionCheck": _awaiting,
        "ResourceFlavor": _awaiting,
        "Namespace": _awaiting,
        "Node": _awaiting,
        "NodeAttestation": _awaiting,
        "Pod": _awaiting,
        "ResourceSlice": _awaiting,
        "SovereignZone": _awaiting,
        "AcceleratorProfile": _awaiting,
        "SovereigntyPolicy": _awaiting,
    },
    keys=lambda snapshot: sorted(snapshot.workloads),
    # One after the other: what one was admitted for is gone before the next is decided on.
    serial=True,
    # Kueue gives quota once it has suspended what it preempts; that those pods are ending is heard on another stream.
    settle={"Workload": 1.0, "Pod": SETTLE, "Node": SETTLE},
)
