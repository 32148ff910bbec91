"""What a reconciler wants done, as data. The executor does it; nothing else writes to the cluster.

A result has stages, and a pass carries all of them out, whatever another one met: an error in one is gathered and reported, and
keeps no other from running. There is one exception. ``sweep`` takes away what something new replaces, so it doesn't run where
``apply`` failed: what was in force stays in force. ``evict`` takes away what must not run, and depends on nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from daulat.api.kinds import Manifest
from daulat.api.meta import ConditionedStatus, LabelSelector
from daulat.kube.ref import Ref


@dataclass(frozen=True)
class Apply:
    """Make the object so, by server-side apply. Refused where an object of that name isn't Daulat's."""

    manifest: Manifest
    independent: bool = False
    """Whether it is also applied where one before it couldn't be. Guards are: each refuses something of its own."""


@dataclass(frozen=True)
class Adjust:
    """Change a workload beside the template of its pods, so that these stay. ``uid``: of the workload that was seen."""

    ref: Ref
    uid: str
    replicas: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PatchNode:
    """Change a node's labels of record and its taint. ``uid``: of the node that this was decided on."""

    name: str
    uid: str
    labels: Mapping[str, str | None]
    """Labels to set, or to take away where the value is None."""
    taint: bool | None = None
    """Whether to set the taint of undecided nodes, or to take it away; None to leave it."""


@dataclass(frozen=True)
class PinNamespace:
    """Make an annotation of a namespace add these labels of eligibility, and no others, to the nodeSelector of its pods.

    ``uid``: of the namespace that this was decided on. What the annotation says beside that stays.
    """

    name: str
    uid: str
    annotation: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class DryRunPod:
    """Try whether this pod would be admitted."""

    policy: str
    pod: Manifest
    revision: str = ""
    """What the answer proves, where the pod is refused by it: the revision, generation and selector of the policy."""
    generation: int = 0
    selector: LabelSelector | None = None


@dataclass(frozen=True)
class EmitEvent:
    """Record an Event on an object."""

    ref: Ref
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    api_version: str = ""
    """Of an object whose kind the operator doesn't watch."""


@dataclass(frozen=True)
class Delete:
    """Delete this very object."""

    ref: Ref
    uid: str
    grace: int | None = None
    """Seconds that a pod has to end by itself; None for its own terminationGracePeriodSeconds."""
    foreground: bool = False
    """Whether the objects that it owns are deleted at the same time, and it after them."""
    event: EmitEvent | None = None
    """Recorded once it is deleted."""
    charged_to: tuple[str, ...] = ()
    """The policies whose brake counts it (`policy/brake.py`)."""
    charge_id: str = ""
    """What is charged: deletions with the same id count once. Left out, the object's uid."""
    pods: int = 0
    """Running pods that end by it."""


@dataclass(frozen=True)
class ApplyStatus:
    """Make the status of one of Daulat's own objects so. ``uid``: of the object that the status is about."""

    ref: Ref
    uid: str
    status: Manifest
    """As it is written."""
    decided: ConditionedStatus = field(compare=False, repr=False)
    """The same as later decisions read it."""


@dataclass(frozen=True)
class ApplyForeignStatus:
    """Make these fields of the status of another project's object so, and leave all others. ``uid``: of the object that was seen.

    It isn't written where the object has changed since in what was decided on.
    """

    ref: Ref
    uid: str
    status: Manifest
    events: tuple[EmitEvent, ...] = ()
    """Recorded once it is written."""


Effect = Apply | Adjust | PatchNode | PinNamespace | ApplyForeignStatus | DryRunPod | Delete | ApplyStatus | EmitEvent


@dataclass(frozen=True)
class Result:
    """What one pass does, by stage and in the order of the stages, and when to come back."""

    reserve: tuple[ApplyStatus, ...] = ()
    """The status that says what ``apply`` and ``evict`` are about to take. Where it can't be written ``apply`` doesn't run: another
    leader wouldn't know. ``evict`` does, for what must not run would stay otherwise: the brake's limit holds in any case."""
    apply: tuple[Apply | Adjust | PatchNode | PinNamespace | ApplyForeignStatus, ...] = ()
    prove: tuple[DryRunPod, ...] = ()
    evict: tuple[Delete, ...] = ()
    """Deletions of what must not run: pods, workloads, ways to them."""
    sweep: tuple[Delete, ...] = ()
    """Deletions of what isn't wanted any more, since what is applied replaces it."""
    status: tuple[ApplyStatus, ...] = ()
    events: tuple[EmitEvent, ...] = ()
    """Events about changes of the status: they are sent once it is written."""
    requeue_after: float | None = None
    """Seconds until the key is looked at again, where that is needed."""
    enqueue: tuple[Ref, ...] = ()
    """Keys to look at once this is carried out, because they depend on it."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All effects in the order in which they are carried out where nothing fails."""
        return (
            *self.reserve,
            *self.apply,
            *self.prove,
            *self.evict,
            *self.sweep,
            *(status for status in self.status if status not in self.reserve),
            *self.events,
        )
