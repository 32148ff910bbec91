"""All controllers, and which keys a change wakes."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.facts.change import Change
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref

from .controller import Controller
from .definitions import as_defined
from .inventory.controllers import ATTESTATIONS, INVENTORIES, NODES, PROFILES, ZONES
from .kueue.controllers import CHECKS, WORKLOADS
from .model.controllers import CAPACITY, DEFAULT_DENIES, MODELS
from .policy.controllers import ADVICE, EXEMPTIONS, PINS, POLICIES, UNGOVERNED
from .policy.untrusted import reconcile_untrusted
from .result import Result

# In the order in which a start goes through their keys: labels of record first, the namespaces of a policy that is gone are closed
# before it is swept, and models last, since they depend on all others.
CONTROLLERS: tuple[Controller, ...] = (
    NODES,
    ZONES,
    PROFILES,
    UNGOVERNED,
    PINS,
    POLICIES,
    ADVICE,
    EXEMPTIONS,
    ATTESTATIONS,
    INVENTORIES,
    DEFAULT_DENIES,
    CAPACITY,
    MODELS,
    CHECKS,
    WORKLOADS,
)
BY_KIND = {controller.kind: controller for controller in CONTROLLERS}


def woken(change: Change, snapshot: Snapshot) -> Iterator[tuple[Ref, float]]:
    """Return the keys that a change concerns, each with the seconds for which it waits for more."""
    for controller in CONTROLLERS:
        wake = controller.wakes.get(change.ref.kind)
        if wake is not None:
            settle = controller.settle.get(change.ref.kind, 0.0)
            for key in wake(change, snapshot):
                yield key, settle


def everything(snapshot: Snapshot) -> Iterator[Ref]:
    """Return every key there is, with those of objects that are gone but left something behind."""
    for controller in CONTROLLERS:
        yield from controller.keys(snapshot)


def is_due(key: Ref, snapshot: Snapshot) -> bool:
    """Return whether a key that nothing has woken needs a pass."""
    controller = BY_KIND.get(key.kind)
    return controller is None or controller.is_due(key, snapshot)


def reconcile(key: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return what is to be done about the key; nothing for kinds that have no controller.

    As long as facts may be false, that is said in the policies' status, and nothing else is done.
    """
    if snapshot.untrusted:
        return reconcile_untrusted(key, snapshot, now)
    controller = BY_KIND.get(key.kind)
    return as_defined(key, controller.reconcile(key, snapshot, now), snapshot, now) if controller else Result()
