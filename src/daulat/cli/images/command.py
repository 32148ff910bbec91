"""The command line of ``daulat images``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daulat.artifacts.installation import Installation
from daulat.manifest.document import Problem

from ..errors import fail, fail_if
from ..examples import examples
from ..kubernetes import kubernetes_options, offered, offered_by
from ..namespace import chosen_namespace, namespace_option
from ..progress import progress
from .gathering import NOTHING, gathered, installed, read_input
from .output import FORMATS, formatted, remarks

_EXAMPLES = examples(
    (
        "Artefacts that manifests need, and those that can't be determined",
        "daulat images policies/ models/ --values values.yaml",
    ),
    ("What runs in the current cluster", "daulat images --cluster -o json"),
)


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--cluster", is_flag=True, help="List what the objects of the current cluster need as well.")
@click.option("--context", metavar="NAME", help="The kubeconfig context for --cluster; the current one by default.")
@namespace_option
@click.option(
    "--values",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Values of Daulat's chart; its defaults are used without. Repeatable, later files count more.",
)
@click.option("--no-installation", is_flag=True, help="Leave out what Daulat's own installation needs.")
@click.option("--require-digest", is_flag=True, help="Exit with 1 if an artefact is named only by a tag.")
@kubernetes_options
@click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="The format."
)
def images(
    paths: tuple[str, ...],
    cluster: bool,
    context: str | None,
    namespace: str | None,
    values: tuple[Path, ...],
    no_installation: bool,
    require_digest: bool,
    kubernetes_version: str,
    pin: str | None,
    form: str,
) -> None:
    """List every image, chart and weights that manifests need, and where each is named.

    PATH is a YAML or JSON file, a directory, or - for standard input, with objects of Daulat's kinds, pods, and objects that create
    pods. Without a PATH only Daulat's own installation is listed. What can't be known, such as an image that a controller chooses,
    is written to standard error.

    Exit codes: 0 listed, 1 something isn't known or, with --require-digest, isn't pinned, 2 wrong input or usage.
    """
    if context and not cluster:
        raise click.UsageError("--context requires --cluster")
    if values and no_installation:
        raise click.UsageError("--values and --no-installation are mutually exclusive")
    if no_installation and not (paths or cluster):
        raise click.UsageError("Missing argument 'PATH...': --no-installation leaves nothing to list without one.")
    in_namespace = chosen_namespace(namespace, cluster, context)
    capabilities = offered(kubernetes_version, pin)
    with progress("reading files"):
        gathering = read_input(paths)
    given = gathering.input
    fail_if(given.problems)
    if cluster:
        from .. import cluster as clusters  # noqa: PLC0415 - its client takes half a second to import
        from .reading import add_cluster  # noqa: PLC0415

        try:
            with progress("reading the cluster"):
                found = clusters.read(context, lambda reader: add_cluster(reader, given))
            capabilities = offered_by(found, kubernetes_version, pin)
        except clusters.ClusterUnreadable as error:
            fail(Problem("--cluster", 0, str(error)))
    elif paths and not given.documents:
        fail(Problem(", ".join(paths), 0, NOTHING))
    of = Installation() if no_installation else installed(values, given)
    needs = gathered(given, of, capabilities, in_namespace)
    click.echo(formatted(needs, form), nl=False)
    unread = [f"unknown: {remark}" for remark in gathering.remarks]
    for remark in [*remarks(needs), *unread]:
        click.echo(remark, err=True)
    unpinned = require_digest and not all(n.is_pinned for n in needs.needed if n.reference is not None)
    sys.exit(1 if needs.unknowns or unread or unpinned else 0)
