"""``daulat doctor``: what weakens enforcement in a cluster. Only reads; with --probe it sends two dry runs as well."""

from __future__ import annotations

import sys

import click

from daulat.doctor.examine import examine
from daulat.doctor.finding import Severity

from .. import cluster
from ..errors import fail
from ..examples import examples
from ..namespace import context_option, installed_in_option
from ..structured import WRITERS
from ..text import Page
from ..weaknesses import read
from .output import as_table, structured

_EXAMPLES = examples(
    ("What weakens enforcement in the current cluster", "daulat doctor"),
    ("Also by dry runs that should be refused", "daulat doctor --probe"),
    ("For a pipeline that fails at medium findings", "daulat doctor --fail-on medium -o json"),
)


@click.command(epilog=_EXAMPLES)
@context_option
@installed_in_option
@click.option(
    "-o", "--output", type=click.Choice(["table", *WRITERS]), default="table", show_default=True, help="The format."
)
@click.option(
    "--fail-on",
    type=click.Choice(["high", "medium", "low"]),
    default="high",
    show_default=True,
    help="The lowest severity for exit code 1. A check for which rights are missing counts as a finding.",
)
@click.option(
    "--probe",
    is_flag=True,
    help="Also send two dry runs that should be refused: a label as a kubelet, and the deletion of a policy's binding.",
)
def doctor(context: str | None, namespace: str, output: str, fail_on: str, probe: bool) -> None:
    """Find what weakens enforcement in the cluster, and how to mend it.

    Exit codes: 0 no finding of --fail-on or higher, 1 such a finding, 2 the cluster can't be read, or wrong usage.
    """
    try:
        report = examine(cluster.read(context, lambda reader: read(reader, namespace, probe=probe)))
    except cluster.ClusterUnreadable as error:
        fail(error)
    text = as_table(report, Page.for_output()) if output == "table" else WRITERS[output](structured(report))
    click.echo(text, nl=False)
    worst = report.worst()
    sys.exit(1 if worst is not None and worst.rank >= Severity(fail_on).rank else 0)
