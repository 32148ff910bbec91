"""How many devices a replica of a model gets on an accelerator: as many as it says, or as many as it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.model import AcceleratorChoice, SizingStatus, SovereignModelSpec
from daulat.catalog.engines import engine_of
from daulat.catalog.models import ModelFacts, named

from .current_placement import CurrentPlacement
from .sizing import GIB, Ask, NoFit, Sizing, size, weights_bytes


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
    if choice.count is not None:
        return _given(spec, choice, profile, facts, choice.count, runs=_stands_with(choice, choice.count, where))
    if facts is not None and where is not None and (sized := _sized_alike(spec, choice, facts, where)) is not None:
        stands = choice.model_copy(update={"nodes": sized.nodes or 1})
        kept = _given(spec, stands, profile, facts, sized.devices, runs=True)
        return replace(
            kept,
            tensor_parallel=sized.tensor_parallel or kept.tensor_parallel,
            pipeline_parallel=sized.pipeline_parallel or kept.pipeline_parallel,
            basis=_basis(spec, facts, sized.precision),
        )
    if facts is None:
        raise NoFit(
            f'spec.accelerators["{choice.profile}"].count: it was left out, and the catalogue has no model {spec.model.name} to '
            "work it out for. Set it"
        )
    sizing = size(_ask(spec, choice, profile, facts))
    if sizing.nodes > 1 and not engine_of(spec.engine).spans_nodes:
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


def _given(
    spec: SovereignModelSpec,
    choice: AcceleratorChoice,
    profile: AcceleratorProfileSpec,
    facts: ModelFacts | None,
    count: int,
    *,
    runs: bool,
) -> Devices:
    nodes = choice.nodes or 1
    if facts is None:
        return Devices(count, count // nodes, nodes, None, nodes=nodes)
    if nodes > 1:
        return _given_over_nodes(spec, choice, profile, facts, count, nodes, runs=runs)
    # The node that takes the pod has so many devices, whatever is usual.
    at_least = profile.model_copy(update={"devices_per_node": max(count, profile.devices_per_node or count)})
    try:
        sizing = size(_ask(spec, choice, at_least, facts, count))
    except NoFit as error:
        if not runs:
            _refuse_the_impossible(spec, choice, profile, facts, count)
        basis = _basis(spec, facts, spec.model.precision)
        return Devices(count, count, 1, None, basis, f"by our estimate it may not fit: {error}")
    basis = _basis(spec, facts, sizing.precision)
    return Devices(count, sizing.tensor_parallel, sizing.pipeline_parallel, sizing, basis)


def _given_over_nodes(
    spec: SovereignModelSpec,
    choice: AcceleratorChoice,
    profile: AcceleratorProfileSpec,
    facts: ModelFacts,
    count: int,
    nodes: int,
    *,
    runs: bool,
) -> Devices:
    """Divide layers between the nodes, and each layer between the devices of one: the network is slower than what joins those."""
    each = count // nodes
    basis = _basis(spec, facts, spec.model.precision)
    a_node = profile.model_copy(update={"devices_per_node": each})
    try:
        sizing = size(_ask(spec, choice, a_node, facts, count))
    except NoFit as error:
        if not runs:
            _refuse_the_impossible(spec, choice, profile, facts, count)
        note = f"by our estimate it may not fit: {error}"
        return Devices(count, each, nodes, None, basis, note, nodes)
    return Devices(count, sizing.tensor_parallel, sizing.pipeline_parallel, sizing, basis, nodes=nodes)


def _refuse_the_impossible(
    spec: SovereignModelSpec,
    choice: AcceleratorChoice,
    profile: AcceleratorProfileSpec,
    facts: ModelFacts,
    count: int,
) -> None:
    """Raise NoFit where not even the weights fit, in the smallest form that they may have. What is tight is the user's to try."""
    memory = profile.resources[0].memory_gi_b
    forms = [spec.model.precision] if spec.model.precision else list(profile.precisions)
    if memory is None or not forms:
        return
    least, form = min((weights_bytes(facts, p) / GIB, p) for p in forms)
    if least > memory * count:
        raise NoFit(
            f'spec.accelerators["{choice.profile}"].count: the weights of {facts.name} in {form} take {least:.1f} GiB; '
            f"{count} x {memory} GiB were asked for"
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
