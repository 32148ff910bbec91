"""How many devices a replica of a model gets on an accelerator: as many as it says, or as many as it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from daulat.api.accelerator import AcceleratorProfileSpec, Precision
from daulat.api.model import AcceleratorChoice, SizingStatus, SovereignModelSpec
from daulat.catalog.engines import engine_of
from daulat.catalog.models import ModelFacts, named

from .account import size_of
from .current_placement import CurrentPlacement
from .division import Division, indivisible
from .sizing import GIB, Ask, Indivisible, NoFit, Sizing, Unknown, dividing, likely_precision, size, weights_bytes

_PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Basis:
    """What devices are for. A model that stands keeps its own as long as this is the same."""

    model: str
    context: int
    concurrency: int
    precision: str | None


@dataclass(frozen=True)
class Devices:
    """The devices of a replica, and how the model is divided between them."""

    count: int
    tensor_parallel: int
    pipeline_parallel: int
    sizing: Sizing | None
    """The account, where the model is known; without it the count is the user's word."""
    basis: Basis | None = None
    """What they are for, where the model is known."""
    note: str = ""
    """What to know about a count that looks tight."""
    nodes: int = 1
    """The nodes that they are spread over, as many on each."""

    @property
    def per_node(self) -> int:
        """The devices of one pod: a replica has one on each of its nodes."""
        return self.count // self.nodes


def devices(
    spec: SovereignModelSpec,
    choice: AcceleratorChoice,
    profile: AcceleratorProfileSpec,
    where: CurrentPlacement | None = None,
) -> Devices:
    """Return the devices of a replica. Raises NoFit, with the numbers, where the model can't be on one node of this accelerator.

    A model that stands on the accelerator keeps what was worked out for it, and what it was given: a release that knows more or
    estimates otherwise rolls and stops no pod.
    """
    facts = named(spec.model.name)
    if choice.count is not None and choice.count % (choice.nodes or 1):
        raise NoFit(
            f'spec.accelerators["{choice.profile}"].nodes: {choice.count} devices can\'t be spread evenly over {choice.nodes} nodes'
        )
    if (choice.nodes or 1) > 1 and not engine_of(spec.engine).spans_nodes:
        raise NoFit(_cant_span(spec))
    alike = _kept(spec, choice, facts, where) if facts is not None and where is not None else None
    if choice.count is not None:
        now = (choice.count, choice.nodes or 1)
        kept = alike if alike is not None and (alike.devices, alike.nodes or 1) == now else None
        return _given(spec, choice, profile, facts, choice.count, _stands_with(choice, choice.count, where), kept)
    if facts is None:
        raise NoFit(
            f'spec.accelerators["{choice.profile}"].count: it was left out, and the catalogue has no model {spec.model.name} to '
            "work it out for. Set it"
        )
    if alike is not None:
        stands = choice.model_copy(update={"nodes": alike.nodes or 1})
        given = _given(spec, stands, profile, facts, alike.devices, runs=True, kept=alike)
        return replace(given, basis=_basis(spec, facts, alike.precision))
    return _worked_out(spec, choice, profile, facts)


def _worked_out(
    spec: SovereignModelSpec, choice: AcceleratorChoice, profile: AcceleratorProfileSpec, facts: ModelFacts
) -> Devices:
    engine = engine_of(spec.engine)
    ask = _ask(spec, choice, profile, facts)
    try:
        sizing = size(replace(ask, stages=engine.has_stages))
    except NoFit:
        sizing = size(ask)
        if sizing.pipeline_parallel > 1 and not engine.has_stages and sizing.nodes == 1:
            raise
    if sizing.nodes > 1 and not engine.spans_nodes:
        raise NoFit(
            f"{facts.name} needs {sizing.devices} devices of {choice.profile} on {sizing.nodes} nodes "
            f"({sizing.weights_gib} GiB of weights in {sizing.precision}, {sizing.concurrency} x {sizing.context} tokens), "
            f"and {_cant_span(spec)}"
        )
    basis = _basis(spec, facts, sizing.precision)
    return Devices(sizing.devices, sizing.tensor_parallel, sizing.pipeline_parallel, sizing, basis, nodes=sizing.nodes)


def _cant_span(spec: SovereignModelSpec) -> str:
    return f"{spec.engine.name} runs a replica on one node"


def _basis(spec: SovereignModelSpec, facts: ModelFacts, precision: str | None) -> Basis:
    return Basis(facts.name, spec.engine.context or facts.context, spec.engine.concurrency or 1, precision)


def _stands_with(choice: AcceleratorChoice, count: int, where: CurrentPlacement | None) -> bool:
    """Say whether the model stands on the accelerator with so many devices already, as far as its status tells."""
    return where is not None and where.accelerator == choice.profile and where.devices in (0, count)


def _sized_alike(
    spec: SovereignModelSpec, choice: AcceleratorChoice, facts: ModelFacts, where: CurrentPlacement
) -> SizingStatus | None:
    """Return the devices with which the model stands there, if they were worked out for what it asks for now."""
    sized, now = where.sizing, _basis(spec, facts, spec.model.precision)
    if (
        sized is not None
        and sized.devices > 0
        and where.accelerator == choice.profile
        and (sized.model, sized.context, sized.concurrency) == (now.model, now.context, now.concurrency)
        and now.precision in (None, sized.precision)
        and choice.nodes in (None, sized.nodes or 1)
    ):
        return sized
    return None


def _kept(
    spec: SovereignModelSpec, choice: AcceleratorChoice, facts: ModelFacts, where: CurrentPlacement
) -> SizingStatus | None:
    """Return the devices with which the model stands there, unless engines certainly end with them. One that has served doesn't:
    its FP8 weights may be another's, with scales per channel."""
    if _served_unknown(choice, where):
        return where.sizing
    alike = _sized_alike(spec, choice, facts, where)
    if alike is None or where.served or not engine_of(spec.engine).divides_heads:
        return alike
    sized_for = next((p for p in _PRECISIONS if p == alike.precision), facts.precisions[0])
    return None if indivisible(facts, spec.model.precision or sized_for, alike.tensor_parallel) else alike


def _served_unknown(choice: AcceleratorChoice, where: CurrentPlacement) -> bool:
    """Say whether the model has served with its count when its name wasn't known: a release that knows it changes nothing."""
    sized = where.sizing
    return (
        sized is not None
        and where.served
        and sized.model is None
        and where.accelerator == choice.profile
        and (sized.devices, sized.nodes or 1) == (choice.count, choice.nodes or 1)
    )


def _given(
    spec: SovereignModelSpec,
    choice: AcceleratorChoice,
    profile: AcceleratorProfileSpec,
    facts: ModelFacts | None,
    count: int,
    runs: bool,
    kept: SizingStatus | None,
) -> Devices:
    """Divide the model between so many devices, or as it is divided now (``kept``). Whether it fits is noted, and decides nothing.

    Layers are divided between the nodes, and each layer between the devices of one: the network is slower than what joins those.
    """
    nodes = choice.nodes or 1
    if facts is None:
        return Devices(count, count // nodes, nodes, None, nodes=nodes)
    engine = engine_of(spec.engine)
    # The node that takes the pod has so many devices, whatever is usual.
    per_node = max(count, profile.devices_per_node or count) if nodes == 1 else count // nodes
    a_node = profile.model_copy(update={"devices_per_node": per_node})
    ask = replace(_ask(spec, choice, a_node, facts, count), nodes=nodes, stages=engine.has_stages)
    division, notes = _division(ask, kept, engine.divides_heads)
    if choice.count is None:
        notes = []  # How sizing itself divides the model is no advice to its author.
    if division is None:
        why = indivisible(facts, likely_precision(ask), count // nodes)
        certain = f"{spec.engine.name} can't start with {count} devices: {why}"
        if not runs:
            raise Indivisible(f'spec.accelerators["{choice.profile}"].count: {certain}')
        return Devices(count, count // nodes, nodes, None, _basis(spec, facts, spec.model.precision), certain, nodes)
    try:
        sizing = size(replace(ask, division=division))
        basis = _basis(spec, facts, sizing.precision)
    except NoFit as error:
        if not runs:
            _refuse_the_impossible(spec, choice, profile, facts, count)
        sizing, basis = None, _basis(spec, facts, spec.model.precision)
        if not isinstance(error, Unknown):
            notes.append(f"by our estimate it may not fit: {error}")
    return Devices(count, division.tensor, division.pipeline, sizing, basis, "; ".join(notes), nodes)


def _division(ask: Ask, kept: SizingStatus | None, divides_heads: bool) -> tuple[Division | None, list[str]]:
    """Return how the model is divided between the given devices, and notes on that; None where the engine can't divide it so."""
    each, nodes = (ask.devices or 1) // (ask.nodes or 1), ask.nodes or 1
    package = ask.profile.devices_per_package
    whole = each % package == 0
    if kept is not None:
        found: Division | None = Division(kept.tensor_parallel, kept.pipeline_parallel, nodes)
    elif (found := dividing(ask)) is None and not whole:
        found = dividing(replace(ask, profile=ask.profile.model_copy(update={"devices_per_package": 1})))
    if found is None and not divides_heads:
        found = Division(each, nodes, nodes)
    notes = [] if whole else [f"{each} devices aren't whole packages of {package}"]
    if found is not None and divides_heads and found.pipeline > nodes:
        stages = f"{found.pipeline} pipeline stages of {_devices(found.tensor)} follow each other"
        why = indivisible(ask.model, likely_precision(ask), each)
        notes.append(f"{why}, so {stages}" if why else stages)
    return found, notes


def _devices(number: int) -> str:
    return "1 device" if number == 1 else f"{number} devices"


def _refuse_the_impossible(
    spec: SovereignModelSpec,
    choice: AcceleratorChoice,
    profile: AcceleratorProfileSpec,
    facts: ModelFacts,
    count: int,
) -> None:
    """Raise NoFit where not even the weights fit, in the smallest form that they may have. What is tight is the user's to try."""
    memory = profile.resources[0].allocatable_gib
    forms = [spec.model.precision] if spec.model.precision else list(profile.precisions)
    if memory is None or not forms:
        return
    least, form = min((weights_bytes(facts, p) / GIB, p) for p in forms)
    if least > memory * count:
        smallest = "" if spec.model.precision else f", the smallest precision that {choice.profile} serves,"
        raise NoFit(
            f'spec.accelerators["{choice.profile}"].count: the weights of {facts.name} in {form}{smallest} take {least:.1f} GiB; '
            f"{count} x {size_of(memory)} were requested"
        )


def _ask(
    spec: SovereignModelSpec,
    choice: AcceleratorChoice,
    profile: AcceleratorProfileSpec,
    facts: ModelFacts,
    count: int | None = None,
) -> Ask:
    engine = spec.engine
    many = engine.concurrency or 1
    return Ask(facts, choice.profile, profile, spec.model.precision, engine.context, many, count, choice.nodes)
