"""Compares what happens to a request that breaks a control: Off < Audit < Warn < Enforce."""

from __future__ import annotations

from daulat.admission.policy import called_for
from daulat.api.policy import ControlAction, SovereigntyPolicySpec
from daulat.controls import library

from .difference import Difference, Grade, Pair

_RANK = {"Off": 0, "Audit": 1, "Warn": 2, "Enforce": 3}
SCOPES = ("policy", "namespaces", "policies")
_SCHEDULER = "USE-20"
"""Where it refuses, variables that a scheduler sets are allowed (USE-16): nobody else can have set them then."""


def action(path: str, pair: Pair) -> list[Difference]:
    """Compare the action of the whole policy."""
    national, local = pair.national.action.value, pair.local.action.value
    if _RANK[local] >= _RANK[national]:
        return []
    return [
        Difference(path, Grade.WIDER, f'"{local}" was set', f"says {national}", f"Set {national}.", national, local)
    ]


def controls(path: str, pair: Pair) -> list[Difference]:
    """Compare the actions of single controls, as far as the difference isn't that of the whole policy."""
    found = []
    inherited = _RANK[pair.local.action.value] < _RANK[pair.national.action.value]
    for id_ in sorted({c.control.id for scope in SCOPES for c in called_for(pair.national, scope)}):
        theirs, ours = action_of(pair.national, id_), action_of(pair.local, id_)
        named = id_ in pair.local.controls or id_ in pair.national.controls
        if _RANK[ours] >= _RANK[theirs] or (inherited and not named):
            continue
        here = f"{path}.{id_}" if id_ in pair.local.controls else path
        said = f'"{ours}" was set' if id_ in pair.local.controls else f"{id_} has the action {ours}"
        remedy = f"Set {id_}: {theirs}."
        found.append(Difference(here, Grade.WIDER, said, f"says {theirs}", remedy, theirs, ours))
    return [*found, *_of_schedulers(path, pair)]


def action_of(spec: SovereigntyPolicySpec, id_: str) -> str:
    """Return what a policy does with a request that breaks a control. One on trial refuses only where the policy names it."""
    if id_ in spec.controls:
        return spec.controls[id_].value
    on_trial = any(c.trial for c in library.controls() if c.id == id_)
    return "Warn" if on_trial and spec.action.value == "Enforce" else spec.action.value


def _of_schedulers(path: str, pair: Pair) -> list[Difference]:
    theirs, ours = action_of(pair.national, _SCHEDULER), action_of(pair.local, _SCHEDULER)
    if ours != ControlAction.ENFORCE.value or theirs == ours or action_of(pair.national, "USE-16") != "Enforce":
        return []
    found = f"{_SCHEDULER} refuses here, so that variables which a scheduler sets are allowed"
    remedy = f"Set {_SCHEDULER}: {theirs}."
    return [Difference(path, Grade.WIDER, found, f"says {theirs}", remedy, theirs, ours)]
