"""The changes that a reader can choose among, and what is known of what each would do.

What a change does is worked out by ``daulat.simulate`` outside of the pages: on the server when its page is requested, for a
static site before the pages are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from daulat.facts.snapshot import Policy, Snapshot
from daulat.simulate import edits
from daulat.simulate.change import ChangeError, Changes, LoseNode, RevokeZone
from daulat.simulate.compare import NotThere, Outcome, simulate
from daulat.simulate.edits import Edit
from daulat.simulate.run import Progress
from daulat.simulate.world import Cluster

from . import paths

WITHIN = 7200.0
"""Seconds after a change that are simulated, as daulat simulate does by default."""


class What(StrEnum):
    """A kind of change. The value is part of the key of its strings."""

    ZONE = "zone"
    """A zone selects no node any more."""
    PROFILE = "profile"
    """No policy approves an accelerator profile any more."""
    VENDOR = "vendor"
    """No policy approves any accelerator profile of a vendor any more."""
    NODE = "node"
    """A node is lost with its pods."""
    POLICY_ZONE = "policy_zone"
    """A policy refuses a zone."""
    POLICY_COUNTRY = "policy_country"
    """A policy refuses a country."""
    POLICY_PROFILE = "policy_profile"
    """A policy approves an accelerator profile no more."""


_FOLDERS = {What.POLICY_ZONE: "zone", What.POLICY_COUNTRY: "country", What.POLICY_PROFILE: "profile"}


@dataclass(frozen=True)
class Choice:
    """One change."""

    what: What
    name: str
    """The zone, profile, vendor, node or country."""
    policy: str = ""
    """The policy that is changed, where it is one alone."""

    @property
    def path(self) -> str:
        """The path of its page."""
        name = f"{paths.part(self.name)}.html"
        if self.policy:
            return f"whatif/policy/{paths.part(self.policy)}/{_FOLDERS[self.what]}/{name}"
        return f"whatif/{self.what}/{name}"

    def edits(self, snapshot: Snapshot) -> list[Edit]:
        """Return the fields of policies that it sets. Raises ChangeError where it changes nothing that is there."""
        match self.what:
            case What.PROFILE:
                return edits.without_profiles({self.name}, snapshot)
            case What.VENDOR:
                return edits.without_profiles(edits.vendors(snapshot).get(self.name, ()), snapshot)
            case What.POLICY_PROFILE:
                return edits.without_profiles({self.name}, snapshot, self.policy)
            case What.POLICY_ZONE:
                return [edits.without_zone(self.policy, self.name, snapshot)]
            case What.POLICY_COUNTRY:
                return [edits.without_country(self.policy, self.name, snapshot)]
            case _:
                return []

    @property
    def option(self) -> tuple[str, str]:
        """The option of daulat simulate that makes the change, with its value; empty where a manifest does."""
        match self.what:
            case What.ZONE:
                return "--revoke-zone", self.name
            case What.NODE:
                return "--node-lost", self.name
            case _:
                return "", ""


class State(StrEnum):
    """What is known of a change. The value is part of the key of its string."""

    DONE = "done"
    RUNNING = "running"
    """It is being worked out."""
    OTHER = "other"
    """The reader's simulation of another change is being worked out."""
    BUSY = "busy"
    """Too many simulations wait."""
    LINKED = "linked"
    """A page of another site links here, which starts no simulation."""
    LONG = "long"
    """It took longer than it may."""
    IMPOSSIBLE = "impossible"
    """The change can't be made."""
    UNREADABLE = "unreadable"
    """The cluster can't be read."""
    FORBIDDEN = "forbidden"
    """The reader may not list kinds that a simulation depends on."""
    UNREAD = "unread"
    """Kinds that a simulation depends on weren't read."""
    FAILED = "failed"
    """The simulation failed."""


@dataclass(frozen=True)
class Answer:
    """What is known of a change."""

    state: State
    at: float | None = None
    """When the facts were read, in seconds since the epoch; None where there are none."""
    outcome: Outcome | None = None
    edits: tuple[Edit, ...] = ()
    why: str = ""
    """The sentence of what failed."""
    other: Choice | None = None
    """With OTHER: the change that is being worked out."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """With FORBIDDEN and UNREAD: why each kind isn't there, by its name."""


@dataclass(frozen=True)
class WhatIf:
    """What the pages know of simulations."""

    live: bool = False
    """Whether the page of a change is worked out when it is requested."""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """What was worked out before, by the path of the change's page."""
    refused: Answer | None = None
    """Why nothing can be worked out; None where it can."""


class TooLong(Exception):
    """A simulation is ended, since it took longer than it may."""


def work_out(choice: Choice, cluster: Cluster, progress: Progress) -> Answer:
    """Return what a change does. ``progress`` is called in between, and may raise TooLong."""
    try:
        fields = tuple(choice.edits(edits.snapshot_of(cluster)))
        outcome = simulate(cluster, _changes(choice, fields, cluster), WITHIN, progress)
    except (ChangeError, NotThere) as error:
        return Answer(State.IMPOSSIBLE, cluster.now, why=str(error))
    except TooLong as error:
        return Answer(State.LONG, cluster.now, why=str(error))
    return Answer(State.DONE, cluster.now, outcome, fields)


def _changes(choice: Choice, fields: tuple[Edit, ...], cluster: Cluster) -> list[Changes]:
    match choice.what:
        case What.ZONE:
            return [RevokeZone(choice.name)]
        case What.NODE:
            return [LoseNode(choice.name)]
        case _:
            return list(edits.changes(fields, cluster))


class Choices:
    """The changes that a cluster's facts allow."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.zones = tuple(Choice(What.ZONE, name) for name in sorted(snapshot.known_zones))
        self.nodes = tuple(Choice(What.NODE, name) for name in sorted(snapshot.nodes))
        approved = {p: edits.approved_profiles(policy, snapshot) for p, policy in snapshot.known_policies.items()}
        every = sorted({name for names in approved.values() for name in names})
        self.profiles = tuple(Choice(What.PROFILE, name) for name in every)
        self.vendors = tuple(
            Choice(What.VENDOR, name) for name, of in edits.vendors(snapshot).items() if {*of} & {*every}
        )
        self.policies: Mapping[str, tuple[Choice, ...]] = {
            name: tuple(self._of(policy, approved[name])) for name, policy in sorted(snapshot.known_policies.items())
        }
        everything = (*self.zones, *self.profiles, *self.vendors, *self.nodes)
        of_policies = (choice for found in self.policies.values() for choice in found)
        self.by_path: Mapping[str, Choice] = {choice.path: choice for choice in (*everything, *of_policies)}

    def _of(self, policy: Policy, approved: tuple[str, ...]) -> Iterator[Choice]:
        zones, countries = edits.accepted_zones(policy, self._snapshot), policy.spec.zones.countries or ()
        # A policy that accepts no zone, or no country, can't be written.
        for what, names in ((What.POLICY_ZONE, zones), (What.POLICY_COUNTRY, countries)):
            yield from (Choice(what, name, policy.name) for name in names if len(names) > 1)
        yield from (Choice(What.POLICY_PROFILE, name, policy.name) for name in approved)


def first(choices: Choices, most: int) -> tuple[Choice, ...]:
    """Return the changes that a static site has: each zone revoked and each approved profile banned, at most so many."""
    return (*choices.zones, *choices.profiles)[:most]
