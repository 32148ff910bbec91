"""``daulat compile``: what the operator would apply, as text; for GitOps, for the API server's own files, or as an anchor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from daulat.admission import anchor as anchors
from daulat.api.kinds import Manifest

from ..examples import examples
from ..kubernetes import kubernetes_options, offered
from ..namespace import operator_namespace_option
from ..structured import manifest_format, manifests_as
from .manifests import compiled, guards_of_cluster
from .static_files import write_static


class _Moment(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time; one without a zone is refused, for it would mean another one elsewhere."""
        try:
            at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-11-24T00:00:00Z.", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no time zone, such as Z.", param, ctx)
        return at


_EXAMPLES = examples(
    ("What the operator would apply", "daulat compile policies/ zones/"),
    ("Files for the API server's own directory", "daulat compile policies/ zones/ --static --output-dir static/"),
    ("The anchor, which lets only the operator change them", "daulat compile --anchor --output-dir static/"),
)


@click.command("compile", epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--static", "as_static", is_flag=True, help="Write files for the API server's static manifest directories."
)
@click.option(
    "--anchor", is_flag=True, help="Write one static policy that keeps Daulat's policies in the API as they are."
)
@manifest_format("The format.")
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file instead of standard output.",
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    help="With --static or --anchor, the directory to write into.",
)
@click.option(
    "--guards/--no-guards",
    default=None,
    help="Add the guards of the whole cluster, which the chart installs. Only --static does so by default.",
)
@click.option(
    "--operator-image",
    metavar="IMAGE",
    help="The operator's image. Adds the guard of the operator's own pods to --guards.",
)
@click.option(
    "--operator-deployment",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The operator's Deployment as the chart renders it, where values set arguments, variables or a nodeSelector. Adds the "
    "guard of the operator's own pods to --guards, in place of --operator-image.",
)
@click.option("--at", type=_Moment(), help="Leave out exemptions that have expired by this time; now by default.")
@operator_namespace_option
@click.option(
    "--allow-user",
    "users",
    multiple=True,
    default=[anchors.OPERATOR],
    show_default=True,
    metavar="USER",
    help="With --anchor, a user who may write Daulat's policies. Repeatable.",
)
@kubernetes_options
@click.option(
    "--host-path",
    metavar="PATH",
    help="With --static or --anchor, the directory's path as API servers see it; that of --output-dir by default.",
)
def compile_(
    paths: Sequence[str],
    as_static: bool,
    anchor: bool,
    form: str,
    output_file: Path | None,
    output_dir: Path | None,
    guards: bool | None,
    operator_image: str | None,
    operator_deployment: Path | None,
    at: datetime | None,
    operator_namespace: str,
    users: Sequence[str],
    kubernetes_version: str,
    pin: str | None,
    host_path: str | None,
) -> None:
    """Write what every SovereigntyPolicy at the PATHs compiles to: the same bytes as the operator applies.

    Zones, profiles, exemptions and namespaces are read from the PATHs, too; - is standard input.

    Exit codes: 0 written, 2 wrong input or usage.
    """
    if as_static and anchor:
        raise click.UsageError(
            "--static and --anchor are mutually exclusive: run the command twice, with the same --output-dir"
        )
    option = "--static" if as_static else "--anchor" if anchor else ""
    if option and output_dir is None:
        raise click.UsageError(f"{option} requires --output-dir DIRECTORY")
    if option and (output_file is not None or _given("form")):
        raise click.UsageError(
            f"{option} writes YAML files into --output-dir, so it takes no --output and no --output-file"
        )
    if output_dir is not None and not option:
        raise click.UsageError("--output-dir requires --static or --anchor; the file to write is --output-file")
    if operator_image is not None and operator_deployment is not None:
        raise click.UsageError(
            "--operator-image and --operator-deployment are mutually exclusive: a Deployment has the image"
        )
    cluster = offered(kubernetes_version, pin)
    if (as_static or anchor) and not cluster.has("static-manifests"):
        raise click.UsageError(
            f"Kubernetes {cluster.version} has no static manifests: --static and --anchor need a later one"
        )
    if anchor:
        if paths:
            raise click.UsageError("--anchor and PATH are mutually exclusive: the anchor is the same for all policies")
        manifests: Sequence[Manifest] = anchors.anchor(users)
    else:
        if not paths:
            raise click.UsageError(
                "Missing argument 'PATH...': the files that hold the policies, or - for standard input."
            )
        guarded = as_static if guards is None else guards
        manifests = compiled(paths, (at or datetime.now(UTC)).timestamp(), operator_namespace, guarded, cluster)
        if guarded:
            manifests = [*manifests, *guards_of_cluster(operator_namespace, operator_image, operator_deployment)]
    if output_dir is not None:
        write_static(output_dir, manifests, "daulat-anchor.yaml" if anchor else "daulat.yaml", host_path)
        return
    text = manifests_as(form, manifests, sort_keys=True)
    if output_file is None:
        sys.stdout.write(text)
        return
    try:
        output_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{output_file}: {error.strerror or error}", param_hint="--output-file") from error


def _given(parameter: str) -> bool:
    """Say whether the user set the option."""
    return click.get_current_context().get_parameter_source(parameter) is not ParameterSource.DEFAULT
