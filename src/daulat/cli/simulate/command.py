"""``daulat simulate``: what a change would do, worked out on a copy of the facts. It writes nothing to a cluster."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from daulat.api.meta import seconds_of
from daulat.manifest.document import Problem, line_of
from daulat.simulate.change import ChangeError, Changes, LoseNode, RevokeZone, deletion, parse
from daulat.simulate.compare import NotThere
from daulat.simulate.compare import simulate as outcome_of
from daulat.simulate.world import Cluster

from .. import cluster as clusters
from ..errors import fail, fail_if
from ..examples import examples
from ..namespace import chosen_namespace, context_option, namespace_option, operator_namespace_option
from ..objects import read as read_objects
from ..progress import Report, progress
from ..simulation import read_cluster
from ..structured import WRITERS
from ..text import Page
from .output import draw, duration, structured
from .picture import svg
from .reading import SnapshotError, read_snapshot

WIDTH = 80
"""Columns of a table that isn't written to a terminal."""

_EXAMPLES = examples(
    (
        "A policy or a zone as edited in a file, on the current cluster",
        "daulat simulate --change policy.yaml --cluster",
    ),
    ("A zone that is trusted no longer", "daulat simulate --revoke-zone singapore-1 --cluster"),
    ("A node that fails, on facts that were written before", "daulat simulate --node-lost gpu-7 --snapshot facts/"),
    ("An exemption that is withdrawn", "daulat simulate --delete sovereigntyexemption/registry-move --cluster"),
    ("As a picture", "daulat simulate --revoke-zone johor-1 --cluster -o svg > johor-1.svg"),
    ("For a program", "daulat simulate --change models/ --snapshot facts/ -o json"),
)


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text[:-1].isdigit() and text[-1:] in "smh" and len(text) < 8):
            self.fail(f"{text!r} isn't a duration such as 90s, 30m or 2h", param, ctx)
        return seconds_of(text)


@click.command(epilog=_EXAMPLES)
@click.option(
    "--change",
    "files",
    multiple=True,
    metavar="FILE",
    help="Manifests to apply: a file, a directory, or - for standard input. A manifest with the annotation "
    "daulat.dev/simulate: delete is a deletion. May be given several times.",
)
@click.option(
    "--delete",
    "deletions",
    multiple=True,
    metavar="KIND/NAME",
    help="Delete an object; KIND/NAMESPACE/NAME in a namespace.",
)
@click.option("--revoke-zone", "zones", multiple=True, metavar="NAME", help="Make a zone select no nodes.")
@click.option("--node-lost", "nodes", multiple=True, metavar="NAME", help="Lose a node with its pods.")
@click.option("--cluster", "in_cluster", is_flag=True, help="Start from the facts of the current cluster.")
@click.option(
    "--snapshot",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Start from the facts in a folder that daulat snapshot wrote.",
)
@context_option
@namespace_option
@operator_namespace_option
@click.option(
    "--within",
    type=_Duration(),
    default="2h",
    show_default=True,
    metavar="DURATION",
    help="The longest time after the change that is simulated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", *WRITERS, "svg"]),
    default="table",
    show_default=True,
    help="The format.",
)
def simulate(
    files: Sequence[str],
    deletions: Sequence[str],
    zones: Sequence[str],
    nodes: Sequence[str],
    in_cluster: bool,
    snapshot: Path | None,
    context: str | None,
    namespace: str | None,
    operator_namespace: str,
    within: int,
    output: str,
) -> None:
    """Show what a change would do: what is refused, evicted, moved or left without a place, when, and what holds no longer.

    The operator's own reconcilers run on a copy of the facts. Nothing is written to a cluster.

    Exit codes: 0 nothing gets worse, 1 something does, 2 input or usage is wrong.
    """
    if in_cluster == (snapshot is not None):
        raise click.UsageError("give either --cluster or --snapshot")
    if not (files or deletions or zones or nodes):
        raise click.UsageError("give a change: --change, --delete, --revoke-zone or --node-lost")
    try:
        changes = [*_changes(files, chosen_namespace(namespace, in_cluster, context)), *map(deletion, deletions)]
    except ChangeError as error:
        fail(error)
    changes += [*map(RevokeZone, zones), *map(LoseNode, nodes)]
    try:
        facts = _facts(snapshot, context, operator_namespace)
        gc.freeze()  # They stay until the end: looking for garbage among them costs a fifth of the time.
        with progress("simulating") as report:
            outcome = outcome_of(facts, changes, within, _steps(report))
    except NotThere as error:
        fail(error)
    if output == "table":
        page = Page.for_output()
        if not sys.stdout.isatty():
            page.width = WIDTH
        draw(outcome, page)
        click.echo(str(page), nl=False, color=page.colour)
    elif output == "svg":
        click.echo(svg(outcome), nl=False)
    else:
        click.echo(WRITERS[output](structured(outcome)), nl=False)
    sys.exit(1 if outcome.worse else 0)


def _changes(files: Sequence[str], namespace: str) -> list[Changes]:
    if not files:
        return []
    given = read_objects(files)
    found: list[Changes] = []
    for document in given.documents:
        try:
            found.append(parse(document.object, namespace))
        except ChangeError as error:
            given.problems.append(Problem(document.chunk.file, line_of(document, ("kind",)), str(error)))
    fail_if(given.problems)
    return found


def _facts(snapshot: Path | None, context: str | None, operator_namespace: str) -> Cluster:
    try:
        if snapshot is not None:
            return read_snapshot(snapshot)
        with progress("reading the cluster"):
            return clusters.read(context, lambda reader: read_cluster(reader, operator_namespace))
    except (SnapshotError, clusters.ClusterUnreadable) as error:
        fail(error)


def _steps(report: Report) -> Callable[[int, float], None]:
    """Return what a simulation calls in between. Its virtual time starts with the first call."""
    first: list[float] = []

    def step(passes: int, now: float) -> None:
        if not first:
            first.append(now)
        report(passes, f"{passes} passes, {duration(now - first[0])} of virtual time")

    return step
