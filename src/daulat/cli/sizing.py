"""``daulat sizing``: what a model needs on an accelerator, line by line, before anything runs."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import click

from daulat.api.accelerator import AcceleratorProfileSpec, Precision
from daulat.catalog import accelerators
from daulat.catalog.models import ModelFacts, models, named
from daulat.catalog.sources import unverified
from daulat.placement.sizing import Ask, NoFit, Sizing, size

from . import objects
from .errors import fail, fail_if
from .structured import WRITERS

_COLUMNS = ("ACCELERATOR", "DEVICES", "NODES", "WEIGHTS", "PRECISION", "ROOM FOR TOKENS")


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option(
    "--accelerator",
    "wanted",
    multiple=True,
    metavar="PROFILE",
    help="An AcceleratorProfile to size for; all by default. Repeatable.",
)
@click.option(
    "--context",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="The longest sequence; the model's limit by default.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Sequences that are served at the same time.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="The precision of the weights; the first published one that fits by default.",
)
@click.option("--devices", type=click.IntRange(min=1), help="The number of devices; as few as possible by default.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", *WRITERS]),
    default="table",
    show_default=True,
    help="The format.",
)
def sizing(
    model: str,
    paths: tuple[str, ...],
    wanted: tuple[str, ...],
    context: int | None,
    concurrency: int,
    precision: Precision | None,
    devices: int | None,
    form: str,
) -> None:
    """Show how many devices a replica of a model needs, and why.

    MODEL is a name of Daulat's catalogue, such as llama-3.3-70b, or a developer's, such as deepseek-ai/DeepSeek-R1. Profiles at the
    PATHs are added to the shipped ones, and replace those of the same name.

    Exit codes: 0 it fits on an accelerator, 1 it fits on none, 2 wrong input or usage.
    """
    facts = _model(model)
    profiles = _profiles(paths)
    for name in wanted:
        if name not in profiles:
            fail(f'AcceleratorProfile "{name}" not found{_instead(name, profiles)}')
    results: dict[str, Sizing | NoFit] = {}
    for name in wanted or sorted(profiles):
        try:
            results[name] = size(Ask(facts, name, profiles[name], precision, context, concurrency, devices))
        except NoFit as error:
            results[name] = error
    click.echo(_text(facts, results, form, single=len(wanted) == 1), nl=False)
    sys.exit(0 if any(isinstance(r, Sizing) for r in results.values()) else 1)


def _model(name: str) -> ModelFacts:
    facts = named(name)
    if facts is None:
        known = models()
        fail(
            f'model "{name}" not found in the catalogue{_instead(name, known)}; known models: {", ".join(sorted(known))}'
        )
    return facts


def _profiles(paths: Sequence[str]) -> Mapping[str, AcceleratorProfileSpec]:
    given = objects.read(paths)
    fail_if(given.problems)
    return {**accelerators.shipped(), **given.inventory.profiles}


def _instead(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name.lower(), sorted(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _text(facts: ModelFacts, results: Mapping[str, Sizing | NoFit], form: str, *, single: bool) -> str:
    if form != "table":
        return WRITERS[form](_report(facts, results))
    if single:
        ((name, result),) = results.items()
        return _account(facts, name, result)
    return _overview(facts, results)


def _account(facts: ModelFacts, name: str, result: Sizing | NoFit) -> str:
    if isinstance(result, NoFit):
        return f"{facts.name} on {name}: doesn't fit\n  {result}\n"
    width = max(len(line.what) for line in result.lines)
    values = max(len(line.value) for line in result.lines)
    lines = [f"{facts.name} on {name}: {_verdict(result)}", ""]
    lines += [f"  {line.what:<{width}}  {line.value:>{values}}  {line.why}".rstrip() for line in result.lines]
    lines += ["", f"  {_tensors(result)}", "", *_unsure(facts)]
    return "\n".join(lines) + "\n"


def _overview(facts: ModelFacts, results: Mapping[str, Sizing | NoFit]) -> str:
    rows = [_COLUMNS]
    rows += [
        (
            name,
            str(r.devices),
            str(r.nodes),
            f"{r.weights_gib} GiB",
            r.precision,
            str(r.cache_tokens),
        )
        for name, r in results.items()
        if isinstance(r, Sizing)
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(rows) == 1:
        lines = ["It fits nowhere."]
    unfit = {name: str(r) for name, r in results.items() if isinstance(r, NoFit)}
    lines += ["", *(f"{name}: {why}" for name, why in unfit.items())] if unfit else []
    return (
        "\n".join([f"{facts.name} ({facts.parameters / 1e9:.1f} billion parameters)", "", *lines, "", *_unsure(facts)])
        + "\n"
    )


def _unsure(facts: ModelFacts) -> list[str]:
    """Return which facts aren't verified, in lines."""
    open_facts = unverified(facts.sources)
    return [f"Not verified: {', '.join(open_facts)} of {facts.name}."] if open_facts else []


def _verdict(result: Sizing) -> str:
    devices = f"{result.devices} device{'s' if result.devices > 1 else ''}"
    return devices if result.nodes == 1 else f"{devices} on {result.nodes} nodes"


def _tensors(result: Sizing) -> str:
    stages = f" --pipeline-parallel-size={result.pipeline_parallel}" if result.pipeline_parallel > 1 else ""
    return f"vllm: --tensor-parallel-size={result.tensor_parallel}{stages} --max-model-len={result.context}"


def _report(facts: ModelFacts, results: Mapping[str, Sizing | NoFit]) -> dict[str, Any]:
    return {
        "apiVersion": "sizing.daulat.dev/v1",
        "kind": "SizingReport",
        "model": facts.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "accelerators": [_one(name, r) for name, r in results.items()],
    }


def _one(name: str, result: Sizing | NoFit) -> dict[str, Any]:
    if isinstance(result, NoFit):
        return {"profile": name, "fits": False, "reason": str(result)}
    return {
        "profile": name,
        "fits": True,
        "devices": result.devices,
        "nodes": result.nodes,
        "tensorParallel": result.tensor_parallel,
        "pipelineParallel": result.pipeline_parallel,
        "precision": result.precision,
        "context": result.context,
        "concurrency": result.concurrency,
        "weightsGiB": result.weights_gib,
        "cacheGiB": result.cache_gib,
        "neededGiB": result.needed_gib,
        "usableGiB": result.usable_gib,
        "cacheTokens": result.cache_tokens,
        "account": [{"what": line.what, "value": line.value, "why": line.why} for line in result.lines],
    }
