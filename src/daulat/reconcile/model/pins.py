"""Decides to which policies' nodes a model's pods are pinned: those that govern it, and none other for new pods.

Where a policy is deleted and another one still governs the model, its pods keep the pin that they have: another template would
replace all of them. The label stays on nodes as long as pods are pinned to it (`placement/certify.py`). The next change of the
template leaves the pin out.
"""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.names import NODE_PREFIX, RESERVED_POLICY_NAMES
from daulat.facts.child import WORKLOADS
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen
from daulat.placement.loading import Loading
from daulat.workload.pod import revision

from .rolling import ModelState


def pins(model: Model, chosen: Chosen, governing: Sequence[str], how: Loading, state: ModelState) -> Sequence[str]:
    """Return the names of the policies whose labels of eligibility are in the pods' nodeSelector."""
    gone = _gone(governing, state)
    if not gone:
        return governing
    made = {c.revision for c in state.made if c.ref.kind in WORKLOADS and not c.deleting}
    kept = [*governing, *gone]
    return kept if made == {revision(model, chosen, kept, how, state.snapshot.platform)} else governing


def _gone(governing: Sequence[str], state: ModelState) -> list[str]:
    """Return the policies that don't exist any more to whose nodes pods of the model are pinned."""
    names = {label.removeprefix(NODE_PREFIX) for pod in state.pods for label in pod.pins}
    known = {*governing, *state.snapshot.policies, *RESERVED_POLICY_NAMES}
    return sorted(names - known)
