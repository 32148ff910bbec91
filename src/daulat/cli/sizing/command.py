"""The command line of ``daulat sizing``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import get_args

import click

from daulat.api.accelerator import AcceleratorProfileSpec, Precision
from daulat.catalog import accelerators
from daulat.catalog.model_names import nearest
from daulat.catalog.models import models
from daulat.placement.sizing import Ask, NoFit, Sizing, size

from .. import objects
from ..errors import fail, fail_if
from ..examples import examples
from ..structured import WRITERS
from .models import model_of
from .output import listed, sized, unknown

_EXAMPLES = examples(
    ("One accelerator", "daulat sizing deepseek-r1 --accelerator huawei-ascend-910b --context 32768"),
    ("Every known accelerator", "daulat sizing meta-llama/Llama-3.3-70B-Instruct"),
    ("A model that isn't in the catalogue", "daulat sizing ./our-model/config.json"),
    ("The models of the catalogue", "daulat sizing --list"),
)


@click.command(epilog=_EXAMPLES)
@click.argument("model", metavar="MODEL", required=False)
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
    help="Sequences that are served at the same time; 1 by default.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="The precision of the weights; the first published one that fits by default.",
)
@click.option("--devices", type=click.IntRange(min=1), help="The number of devices; as few as possible by default.")
@click.option(
    "--parameters",
    type=click.FloatRange(min=1),
    metavar="NUMBER",
    help="The number of parameters, such as 8.03e9, of a model that isn't in the catalogue; counted by default.",
)
@click.option(
    "--set",
    "fields",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field of a config.json, such as num_hidden_layers=32, in addition to the file or without one. Repeatable.",
)
@click.option(
    "--list", "show_list", is_flag=True, help="List the models of the catalogue, or those with MODEL in their name."
)
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
    model: str | None,
    paths: tuple[str, ...],
    wanted: tuple[str, ...],
    context: int | None,
    concurrency: int | None,
    precision: Precision | None,
    devices: int | None,
    parameters: float | None,
    fields: tuple[str, ...],
    show_list: bool,
    form: str,
) -> None:
    """Show how many devices a replica of a model needs, and why.

    MODEL is a name of Daulat's catalogue, such as llama-3.3-70b, a developer's, such as deepseek-ai/DeepSeek-R1-0528, or the path
    of a config.json or of a directory that has one. Profiles at the PATHs are added to the shipped ones, and replace those of the
    same name.

    Exit codes: 0 it fits on an accelerator, 1 it fits on none, 2 wrong input or usage.
    """
    if show_list:
        _list(model or "", form)
        return
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'; --list shows the models of the catalogue.")
    shape = model_of(model, fields, parameters)
    profiles = _profiles(paths)
    for name in wanted:
        if name not in profiles:
            near = nearest(name, profiles)
            fail(f'AcceleratorProfile "{name}" not found{f" (did you mean {near}?)" if near else ""}')
    results: dict[str, Sizing | NoFit] = {}
    for name in wanted or sorted(profiles):
        try:
            results[name] = size(Ask(shape, name, profiles[name], precision, context, concurrency or 1, devices))
        except NoFit as error:
            results[name] = error
    single = len(wanted) == 1
    click.echo(sized(shape, results, form, single=single, limited=concurrency is not None), nl=False)
    if form == "table" and not single and (missing := unknown(results)):
        click.echo(missing, err=True)
    sys.exit(0 if any(isinstance(r, Sizing) for r in results.values()) else 1)


def _list(part: str, form: str) -> None:
    found = {name: m for name, m in models().items() if part.lower() in name or part.lower() in m.repository.lower()}
    if not found:
        fail(f'no model of the catalogue has "{part}" in its name')
    click.echo(listed(found, form), nl=False)


def _profiles(paths: Sequence[str]) -> Mapping[str, AcceleratorProfileSpec]:
    given = objects.read(paths)
    fail_if(given.problems)
    return {**accelerators.shipped(), **given.inventory.profiles}
