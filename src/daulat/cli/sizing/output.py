"""What ``daulat sizing`` prints: the account of one accelerator, the comparison of several, and both as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daulat.catalog.models import ModelFacts, ModelShape, models
from daulat.catalog.sources import unverified
from daulat.placement.sizing import NoFit, Sizing, Unknown

from ..structured import WRITERS
from ..text import NOT_A_TERMINAL, aligned, terminal_width, wrapped

_COLUMNS = ("ACCELERATOR", "DEVICES", "NODES", "WEIGHTS", "PRECISION", "ROOM FOR TOKENS")
_MODEL_COLUMNS = ("MODEL", "REPOSITORY", "PARAMETERS", "CONTEXT", "PRECISIONS", "LICENSE")

Results = Mapping[str, Sizing | NoFit]


def sized(model: ModelShape, results: Results, form: str, *, single: bool, limited: bool) -> str:
    """Return the results in that format. ``single`` says that one accelerator was requested, ``limited`` that the number of
    sequences was."""
    if form != "table":
        return WRITERS[form](_report(model, results))
    if single:
        ((name, result),) = results.items()
        return _account(model, name, result, limited=limited)
    return _overview(model, results)


def unknown(results: Results) -> str:
    """Return the profiles that say too little, as one wrapped paragraph; empty where there are none."""
    names = [name for name, result in results.items() if isinstance(result, Unknown)]
    if not names:
        return ""
    which = "An AcceleratorProfile isn't" if len(names) == 1 else f"{len(names)} AcceleratorProfiles aren't"
    return _paragraph(
        f"{which} sized for, because memoryGiB, devicesPerNode or precisions are missing: {', '.join(names)}"
    )


def listed(known: Mapping[str, ModelFacts], form: str) -> str:
    """Return the models of the catalogue in that format."""
    if form != "table":
        found = [m.model_dump(mode="json", by_alias=True, exclude_defaults=True) for m in known.values()]
        return WRITERS[form]({"apiVersion": "sizing.daulat.dev/v1", "kind": "ModelList", "models": found})
    rows = [
        (
            name,
            m.repository,
            f"{m.parameters / 1e9:.1f}B",
            str(m.context),
            ",".join(m.precisions),
            m.license.spdx,
        )
        for name, m in sorted(known.items())
    ]
    return "\n".join(aligned([_MODEL_COLUMNS, *rows], terminal_width())) + "\n"


def _paragraph(text: str) -> str:
    """Return the text in lines that fit a terminal."""
    return "\n".join(wrapped(text, terminal_width() or NOT_A_TERMINAL))


def _account(model: ModelShape, name: str, result: Sizing | NoFit, *, limited: bool) -> str:
    if isinstance(result, NoFit):
        verdict = "unknown" if isinstance(result, Unknown) else "doesn't fit"
        return (
            "\n".join([f"{model.name} on {name}: {verdict}", *wrapped(str(result), terminal_width(), "  ", "  ")])
            + "\n"
        )
    values = max(len(line.value) for line in result.lines)
    lines = [f"{model.name} on {name}: {_verdict(result)}", ""]
    account = [(f"  {line.what}", f"{line.value:>{values}}", line.why) for line in result.lines]
    lines += aligned(account, terminal_width())
    lines += ["", f"  {_command(result, limited=limited)}", *_unsure(model)]
    return "\n".join(lines) + "\n"


def _overview(model: ModelShape, results: Results) -> str:
    rows = [
        (name, str(r.devices), str(r.nodes), f"{r.weights_gib} GiB", r.precision, str(r.cache_tokens))
        for name, r in results.items()
        if isinstance(r, Sizing)
    ]
    lines = (
        aligned([_COLUMNS, *rows], terminal_width())
        if rows
        else ["No accelerator that can be sized for has room for it."]
    )
    unfit = [
        _paragraph(f"{name}: {r}") for name, r in results.items() if isinstance(r, NoFit) and not isinstance(r, Unknown)
    ]
    lines += ["", *unfit] if unfit else []
    return (
        "\n".join([f"{model.name} ({model.parameters / 1e9:.1f} billion parameters)", "", *lines, *_unsure(model)])
        + "\n"
    )


def _unsure(model: ModelShape) -> list[str]:
    """Return which facts aren't verified, in lines."""
    if not isinstance(model, ModelFacts):
        return []
    # Other names of the same weights don't matter where the usual one was given.
    usual = models().get(model.name) is model
    open_facts = [fact for fact in unverified(model.sources) if not (usual and fact == "variants")]
    return ["", _paragraph(f"Not verified: {', '.join(open_facts)} of {model.name}.")] if open_facts else []


def _verdict(result: Sizing) -> str:
    devices = f"{result.devices} device{'s' if result.devices > 1 else ''}"
    return devices if result.nodes == 1 else f"{devices} on {result.nodes} nodes"


def _command(result: Sizing, *, limited: bool) -> str:
    """Return vLLM's options, as the pods of a SovereignModel have them."""
    stages = f" --pipeline-parallel-size={result.pipeline_parallel}" if result.pipeline_parallel > 1 else ""
    sequences = f" --max-num-seqs={result.concurrency}" if limited else ""
    return f"vllm: --tensor-parallel-size={result.tensor_parallel}{stages} --max-model-len={result.context}{sequences}"


def _report(model: ModelShape, results: Results) -> dict[str, Any]:
    return {
        "apiVersion": "sizing.daulat.dev/v1",
        "kind": "SizingReport",
        "model": model.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "accelerators": [_one(name, r) for name, r in results.items()],
    }


def _one(name: str, result: Sizing | NoFit) -> dict[str, Any]:
    if isinstance(result, NoFit):
        # Too little is known to say: neither true nor false.
        return {"profile": name, "fits": None if isinstance(result, Unknown) else False, "reason": str(result)}
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
