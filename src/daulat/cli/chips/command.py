"""The command line of ``daulat chips``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from daulat.explain.world import snapshot_of
from daulat.facts.snapshot import Snapshot
from daulat.manifest.document import Problem
from daulat.recorder.exporters import Reading

from ..errors import fail, fail_if
from ..examples import examples
from ..namespace import OPERATOR_NAMESPACE, context_option
from ..text import printable
from .delivery import import_
from .output import FORMATS, formatted
from .rows import problems, rows, unreadable

_KINDS = ("AcceleratorInventory", "SovereignZone", "Node", "ResourceSlice")
_EXAMPLES = examples(
    ("Every chip of the current cluster, and the problems", "daulat chips"),
    ("For a register: one line a chip", "daulat chips -o csv"),
    (
        "With what an exporter shows, which names no node itself",
        "daulat chips --metrics ascend-1=http://10.0.0.4:8082/metrics",
    ),
    ("With what Prometheus has from all exporters", "daulat chips --prometheus https://prometheus.example.my"),
    ("Without a cluster, from files", "daulat chips -f inventory.yaml -f nodes.yaml --metrics dcgm.txt"),
    (
        "A delivery's list as manifests",
        "daulat chips import delivery.csv --name h20-2026 --permit STA-2026-0417 --zone my-1",
    ),
)


@click.group(epilog=_EXAMPLES, invoke_without_command=True)
@click.option(
    "-f",
    "--filename",
    "paths",
    multiple=True,
    metavar="PATH",
    help="Read AcceleratorInventories, SovereignZones, Nodes and ResourceSlices from this file or directory, or - for standard "
    "input, and not from a cluster. Repeatable.",
)
@context_option
@click.option(
    "--metrics",
    multiple=True,
    metavar="[NODE=]FILE|URL",
    help=(
        "Metrics of an exporter, in addition: DCGM's, MindCluster's NPU Exporter or AMD's Device Metrics Exporter."
        " NODE is the exporter's node; left out, it is read from the metrics' labels. Repeatable."
    ),
)
@click.option(
    "--prometheus", multiple=True, metavar="URL", help="Also what a Prometheus has from such exporters. Repeatable."
)
@click.option(
    "--bearer-token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The token for --metrics and --prometheus.",
)
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Certificates that --metrics and --prometheus trust; by default those of the system.",
)
@click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="The format."
)
@click.pass_context
def chips(
    invoked: click.Context,
    paths: tuple[str, ...],
    context: str | None,
    metrics: tuple[str, ...],
    prometheus: tuple[str, ...],
    bearer_token_file: Path | None,
    ca_file: str | None,
    form: str,
) -> None:
    """Show where each chip is, since when, under which permit, and the problems.

    Chips that AcceleratorInventories declare are compared with those that ResourceSlices and exporters show. Nothing is written to
    the cluster.

    Exit codes: 0 everything adds up, 1 something doesn't, 2 wrong input or usage, or the cluster or metrics can't be read.
    """
    if invoked.invoked_subcommand is not None:
        return
    if paths and context:
        raise click.UsageError("-f and --context exclude each other")
    if (bearer_token_file or ca_file) and not (metrics or prometheus):
        raise click.UsageError("--bearer-token-file and --ca-file require --metrics or --prometheus")
    shown = _exported(metrics, prometheus, bearer_token_file, ca_file)
    snapshot = _of_files(paths) if paths else _of_cluster(context)
    found = rows(snapshot, shown.chips if metrics or prometheus else None, time.time())
    click.echo(formatted(found, form), nl=False)
    broken = unreadable(snapshot)
    for remark in [*broken, *(f"{device} has no usable id" for device in shown.nameless)]:
        click.echo(printable(f"note: {remark}"), err=True)
    sys.exit(1 if problems(found) or broken else 0)


def _exported(
    metrics: tuple[str, ...], prometheus: tuple[str, ...], token_file: Path | None, ca_file: str | None
) -> Reading:
    if not (metrics or prometheus):
        return Reading()
    from .metrics import Access, MetricsUnreadable, Source, read_all  # noqa: PLC0415 - its client takes long to import

    token = token_file.read_text(encoding="utf-8").strip() if token_file is not None else ""
    try:
        return read_all([Source.parse(text) for text in metrics], prometheus, Access(token, ca_file))
    except MetricsUnreadable as error:
        fail(error)


def _of_files(paths: tuple[str, ...]) -> Snapshot:
    from ..objects import read  # noqa: PLC0415 - a cluster needs no reader of files

    given = read(paths)
    fail_if(given.problems)
    if not any(document.kind in _KINDS for document in given.documents):
        fail(Problem(", ".join(paths), 0, f"has none of {', '.join(_KINDS)}"))
    return snapshot_of((document.object for document in given.documents), OPERATOR_NAMESPACE)


def _of_cluster(context: str | None) -> Snapshot:
    from .. import cluster  # noqa: PLC0415 - its client takes half a second to import

    async def objects(reader: cluster.Reader) -> Snapshot:
        documents = await reader.documents(_KINDS)
        return snapshot_of((d.object for d in documents), OPERATOR_NAMESPACE, cluster=await reader.capabilities())

    try:
        return cluster.read(context, objects)
    except cluster.ClusterUnreadable as error:
        fail(error)


chips.add_command(import_)
