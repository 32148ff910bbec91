"""``daulat snapshot``: writes the facts that a simulation needs to a folder, redacted. It only reads the cluster."""

from __future__ import annotations

from pathlib import Path

import click

from daulat.api.counted import counted

from .. import cluster
from ..errors import fail
from ..examples import examples
from ..namespace import context_option, operator_namespace_option
from ..progress import progress
from ..simulation import read_cluster
from .reading import write_snapshot

_EXAMPLES = examples(
    ("The facts of the current cluster", "daulat snapshot --output-dir facts/"),
    ("Those of another cluster", "daulat snapshot --context production --output-dir facts-production/"),
)


@click.command(epilog=_EXAMPLES)
@click.option(
    "--output-dir",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A new or empty folder.",
)
@context_option
@operator_namespace_option
def snapshot(folder: Path, context: str | None, operator_namespace: str) -> None:
    """Write the facts that daulat simulate needs to a folder.

    No Secrets and no ConfigMaps are read. Values of environment variables, commands, arguments, probes, and annotations that no
    decision reads are left out.
    """
    try:
        with progress("reading the cluster"):
            found = cluster.read(context, lambda reader: read_cluster(reader, operator_namespace))
            number = write_snapshot(found, folder)
    except cluster.ClusterUnreadable as error:
        fail(error)
    except OSError as error:
        fail(f"{folder}: {error.strerror or error}")
    click.echo(f"wrote {counted(number, 'object')} to {folder}")
