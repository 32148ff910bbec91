"""Lists the pages of a cluster: for each its path, its template, and what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from daulat.api import reasons
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Exemption
from daulat.kube.ref import Ref
from daulat.status.attention import Commands
from daulat.status.examine import examine
from daulat.status.facts import Facts
from daulat.status.view import ExemptionRow, ModelRow, PolicyRow, View, ZoneRow, ready

from . import paths
from .chips import COUNTS, LISTED, InventoryRow, by_node, chips, inventories
from .further import NOTHING, Further
from .hierarchy import hierarchy, places, readable
from .nodes import Nodes, nodes
from .outlines import Outlines
from .paths import Part, parts
from .policies import controls, demands, verdicts
from .runs import LastRun, NotProved, proofs
from .whatif import Answer, Choice, Choices, State, What
from .worldmap import draw

SECTIONS = ("overview", "zones", "models", "policies", "exemptions", "drift", "chips", "weaknesses", "log", "whatif")
"""The views, in the order of the navigation. A view's first page has its name, but that of the overview, which is the index."""
FIRST = 25
"""Findings on the overview; the others are on pages of their own."""
LIST = 100
"""Names that are listed within a page."""


@dataclass(frozen=True)
class Sheet:
    """One page, in no language yet."""

    path: str
    template: str
    section: str
    title: str
    """The key of a string."""
    context: Callable[[], Mapping[str, Any]]
    subject: str = ""
    """The name of the object that the page is about."""


@dataclass(frozen=True)
class DriftRow:
    """What drifts under a policy, for one reason: one node, or several whose eligibility is undecided."""

    policy: str
    nodes: tuple[str, ...]
    count: int | None
    since: str
    reason: str
    pods: int | None
    sample: tuple[str, ...]


@dataclass(frozen=True)
class RunView:
    """What is known of a model's last run."""

    run: LastRun | None = None
    unknown: str = ""
    """The key of a string: why no run is shown. Empty where one is, or where ``problem`` says so."""
    problem: str = ""


def entry(section: str) -> str:
    """Return the path of the first page of a view."""
    return "index.html" if section == "overview" else f"{section}.html"


class Sheets:
    """The pages of one reading of a cluster."""

    def __init__(self, facts: Facts, outlines: Outlines, context: str = "", further: Further = NOTHING) -> None:
        self.facts, self.outlines, self.further = facts, outlines, further
        self.view: View = examine(facts, context)
        """The summary, with commands for this context of the kubeconfig."""
        self._runs: dict[Ref, RunView] = {}
        self._commands = Commands(context)

    def find(self, path: str) -> Sheet | None:
        """Return a page, or None where there is no such page."""
        return self.by_path.get(path) or self._live(path)

    def has(self, path: str) -> bool:
        """Say whether there is a page of this path."""
        return path in self.by_path or self.choice(path) is not None

    def choice(self, path: str) -> Choice | None:
        """Return the change that a page shows, where it is worked out when the page is requested."""
        return self.choices.by_path.get(path) if self.further.whatif.live else None

    def _live(self, path: str) -> Sheet | None:
        found = self.choice(path)
        return self._outcome(found, Answer(State.LINKED)) if found is not None else None

    @cached_property
    def choices(self) -> Choices:
        """The changes that can be simulated."""
        return Choices(self.facts.snapshot)

    @cached_property
    def nodes(self) -> Nodes:
        """The nodes by zone."""
        return nodes(self.facts.snapshot, count_free=self.facts.has("Pod", "ResourceClaim"))

    @cached_property
    def chips(self) -> Mapping[str, tuple[str, ...]]:
        """The declared chips that are seen now, by node."""
        return by_node(self.facts.snapshot)

    @cached_property
    def proved(self) -> Mapping[str, ModelRow]:
        """The models by how the paths of their proofs begin."""
        return {proofs(model.namespace, model.name): model for model in self.view.models}

    def last_run(self, row: ModelRow) -> RunView:
        """Return what is known of a model's last run. The proofs of its entries are made once, and verified."""
        ref = Ref("SovereignModel", row.namespace, row.name)
        if ref not in self._runs:
            self._runs[ref] = self._last_run(ref)
        return self._runs[ref]

    def _last_run(self, ref: Ref) -> RunView:
        log = self.further.log
        if log is None:
            return RunView(unknown="log_none")
        if log.problems:
            return RunView(unknown="run_untrusted")
        if log.runs is None:
            return RunView(unknown="run_without_key")
        if log.runs.problem:
            return RunView(problem=log.runs.problem)
        if not log.runs.visible(ref.namespace):
            return RunView(unknown="run_hidden")
        try:
            run = log.runs.last(ref.namespace, ref.name, self.facts.snapshot.models[ref].uid)
        except NotProved as error:
            return RunView(unknown="run_not_proved", problem=str(error))
        return RunView(run, "" if run is not None else "run_none")

    @cached_property
    def by_path(self) -> Mapping[str, Sheet]:
        """Every page by its path."""
        return {sheet.path: sheet for sheet in self._all()}

    def _all(self) -> Iterator[Sheet]:
        view = self.view
        yield Sheet("index.html", "overview.html", "overview", "overview", self._overview)
        yield from self._table("attention.html", "attention.html", "overview", "attention", view.attention)
        standing = readable(view.zones, self.facts.snapshot)
        for part in parts("zones.html", standing):
            yield Sheet(part.here, "zones.html", "zones", "zones", self._zones(part))
        for zone in view.zones:
            for own in parts(paths.zone(zone.name), self.nodes.by_zone.get(zone.name, ())):
                yield Sheet(own.here, "zone.html", "zones", "zone", self._zone(zone, own), zone.name)
        yield from self._table("nodes.html", "nodes.html", "zones", "nodes_outside", self.nodes.outside)
        yield from self._table("models.html", "models.html", "models", "models", view.models)
        for model in view.models:
            path, title = paths.model(model.namespace, model.name), f"{model.namespace}/{model.name}"
            yield Sheet(path, "model.html", "models", "model", self._model(model), title)
        yield from self._table("policies.html", "policies.html", "policies", "policies", view.policies)
        for policy in view.policies:
            path = paths.policy(policy.name)
            yield Sheet(path, "policy.html", "policies", "policy", self._policy(policy), policy.name)
        exempt = [(row, self._exemption(row)) for row in view.exemptions]
        yield from self._table("exemptions.html", "exemptions.html", "exemptions", "exemptions", exempt)
        yield Sheet("drift.html", "drift.html", "drift", "drift", self._drift)
        yield from self._chips()
        yield from self._weaknesses()
        yield Sheet("log.html", "log.html", "log", "log", lambda: {"log": self.further.log})
        yield from self._whatif()

    def _whatif(self) -> Iterator[Sheet]:
        known, choices = self.further.whatif, self.choices
        yield Sheet("whatif.html", "whatif.html", "whatif", "whatif", self._changes)
        if not known.live:
            for choice in choices.by_path.values():
                if (answer := known.answers.get(choice.path)) is not None:
                    yield self._outcome(choice, answer)
            return
        for part in parts(paths.LOST_NODES, choices.nodes):
            yield Sheet(part.here, "changes.html", "whatif", "whatif_nodes", partial(dict, part=part, answer=None))
        for policy, found in choices.policies.items():
            for own in parts(paths.narrowed(policy), found):
                context = partial(dict[str, Any], part=own, answer=None)
                yield Sheet(own.here, "changes.html", "whatif", "whatif_policy", context, policy)

    def _outcome(self, choice: Choice, answer: Answer) -> Sheet:
        context = partial(dict[str, Any], choice=choice, answer=answer, command=self.command(choice))
        return Sheet(choice.path, "outcome.html", "whatif", f"whatif_{choice.what}", context, choice.name)

    def _changes(self) -> Mapping[str, Any]:
        known = self.further.whatif
        return {
            "choices": self.choices,
            "live": known.live,
            "answers": known.answers,
            "answer": known.refused,
            "command": self.command,
        }

    def command(self, choice: Choice) -> str:
        """Return the command that simulates a change; empty where it takes a manifest."""
        option, name = choice.option
        return self._commands.write("daulat", "simulate", option, name, "--cluster") if option else ""

    def _chips(self) -> Iterator[Sheet]:
        rows = inventories(self.facts.snapshot)
        listed = partial(dict[str, Any], columns=LISTED, read=self.facts.has("AcceleratorInventory"))
        for part in parts("chips.html", rows):
            yield Sheet(part.here, "chips.html", "chips", "chips", partial(listed, part=part))
        for row in rows:
            for own in parts(paths.inventory(row.name), chips(row)):
                yield Sheet(own.here, "inventory.html", "chips", "inventory", self._inventory(row, own), row.name)

    def _weaknesses(self) -> Iterator[Sheet]:
        report = self.further.weaknesses
        for part in parts("weaknesses.html", report.findings if report is not None else ()):
            yield Sheet(
                part.here, "weaknesses.html", "weaknesses", "weaknesses", partial(dict, part=part, report=report)
            )

    def _inventory(self, row: InventoryRow, part: Part[Any]) -> Callable[[], Mapping[str, Any]]:
        return lambda: {"row": row, "part": part, "counts": [(name, row.count(name)) for name in COUNTS]}

    def _table(self, path: str, template: str, section: str, title: str, rows: Sequence[Any]) -> Iterator[Sheet]:
        for part in parts(path, rows):
            yield Sheet(part.here, template, section, title, partial(dict, part=part))

    def _overview(self) -> Mapping[str, Any]:
        view = self.view
        counts = (
            ("policies", ready(view.policies), len(view.policies)),
            ("zones", ready(view.zones), len(view.zones)),
            ("models", ready(view.models), len(view.models)),
            ("exemptions", sum(row.active for row in view.exemptions), len(view.exemptions)),
        )
        return {
            "findings": view.attention[:FIRST],
            "counts": counts,
            "weaknesses": self.further.weaknesses,
        }

    def _zones(self, part: Part[ZoneRow]) -> Callable[[], Mapping[str, Any]]:
        def build() -> Mapping[str, Any]:
            snapshot = self.facts.snapshot
            everywhere = readable(self.view.zones, snapshot)
            marked, nowhere = places(everywhere, snapshot, self.outlines)
            shown = {row.name for row in everywhere}
            return {
                "part": part,
                "groups": hierarchy(part.rows, snapshot),
                "map": draw(marked, self.outlines),
                "nowhere": nowhere,
                "unreadable": [row for row in self.view.zones if row.name not in shown],
                "outside": sum(len(each.nodes) for each in self.nodes.outside),
            }

        return build

    def _zone(self, row: ZoneRow, part: Part[Any]) -> Callable[[], Mapping[str, Any]]:
        zone = self.facts.snapshot.zones[row.name]
        return lambda: {
            "row": row,
            "part": part,
            "chips": self.chips if self.facts.has("AcceleratorInventory") else None,
            "spec": zone.spec if isinstance(zone, Declared) else None,
            "conditions": zone.status.conditions,
            "revoked": Choice(What.ZONE, row.name).path,
        }

    def _model(self, row: ModelRow) -> Callable[[], Mapping[str, Any]]:
        def build() -> Mapping[str, Any]:
            snapshot = self.facts.snapshot
            model = snapshot.models[Ref("SovereignModel", row.namespace, row.name)]
            placed = model.status.condition(reasons.PLACED)
            zone = snapshot.known_zones.get(row.zone)
            return {
                "row": row,
                "spec": model.spec if isinstance(model, Declared) else None,
                "status": model.status,
                "since": placed.last_transition_time if placed is not None and placed.status == "True" else "",
                "zone": zone.spec if zone is not None else None,
                "pods": sorted(snapshot.pods_by_model.get((row.namespace, row.name), ()), key=lambda pod: pod.name),
                "last": self.last_run(row),
            }

        return build

    def _policy(self, row: PolicyRow) -> Callable[[], Mapping[str, Any]]:
        def build() -> Mapping[str, Any]:
            policy = self.facts.snapshot.policies[row.name]
            return {
                "row": row,
                "status": policy.status,
                "demands": demands(policy) if isinstance(policy, Declared) else (),
                "verdicts": verdicts(policy, self.facts.snapshot) if isinstance(policy, Declared) else (),
                "controls": controls(policy.status.controls_by_action),
                "exemptions": [(e, self._exemption(e)) for e in self.view.exemptions if e.policy == row.name],
                "weakening": self.further.weakening(row.name),
                "drifts": [each for each in (*self._drifted(), *self._undecided()) if each.policy == row.name],
            }

        return build

    def _exemption(self, row: ExemptionRow) -> Exemption | None:
        found = self.facts.snapshot.exemptions.get(row.name)
        return found if isinstance(found, Declared) else None

    def _drift(self) -> Mapping[str, Any]:
        models = [
            (row, status.drift)
            for row in self.view.models
            if (status := self.facts.snapshot.models[Ref("SovereignModel", row.namespace, row.name)].status).drift
        ]
        brakes = [
            (row.name, brake)
            for row in self.view.policies
            if (brake := self.facts.snapshot.policies[row.name].status.brake) is not None and brake.held
        ]
        return {"drifted": self._drifted(), "undecided": self._undecided(), "models": models, "brakes": brakes}

    def _drifted(self) -> list[DriftRow]:
        return [
            DriftRow(row.name, (each.node,), 1, each.since or "", each.reason or "", each.pods, each.sample)
            for row in self.view.policies
            for each in self.facts.snapshot.policies[row.name].status.drift or ()
        ]

    def _undecided(self) -> list[DriftRow]:
        return [
            DriftRow(row.name, each.sample, each.nodes, "", each.reason, each.pods, ())
            for row in self.view.policies
            for each in self.facts.snapshot.policies[row.name].status.undecided or ()
        ]
