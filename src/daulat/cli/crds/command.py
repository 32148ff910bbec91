"""``daulat crds``: brings the CustomResourceDefinitions of a cluster to this release, and never back."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from daulat.api import crd
from daulat.api.kinds import KINDS
from daulat.api.names import GROUP
from daulat.kube.client import APPLY, Client

from .. import cluster
from ..cluster import Reader
from ..errors import fail, print_errors
from ..examples import examples
from ..namespace import context_option
from ..progress import Report, progress
from ..structured import echo, manifest_format, manifests_as, text_or_structured
from .plan import Step, plan

COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ESTABLISHED_SECONDS = 60.0
"""Seconds for which a new definition may take until its kind is served."""
PAUSE = 0.5


@click.group()
def crds() -> None:
    """Upgrade the CustomResourceDefinitions of Daulat's kinds, or print them. Helm does neither after the first installation."""


@crds.command(
    epilog=examples(
        ("Into the folder that GitOps applies", "daulat crds show > clusters/production/daulat-crds.yaml"),
    )
)
@manifest_format()
def show(form: str) -> None:
    """Print the CustomResourceDefinitions of this release, such as for GitOps."""
    click.echo(manifests_as(form, crd.manifests()), nl=False)


@crds.command(
    epilog=examples(
        ("What an upgrade would do", "daulat crds apply --dry-run"),
        ("The upgrade, before the chart's", "daulat crds apply"),
    )
)
@context_option
@click.option("--dry-run", is_flag=True, help="Only print the changes; the API server validates them as a dry run.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace also definitions that have what this release hasn't. The API server then drops those fields of stored objects "
    "when they are next written.",
)
@text_or_structured
def apply(context: str | None, dry_run: bool, force: bool, form: str) -> None:
    """Bring the CustomResourceDefinitions to this release, with the rights of your kubeconfig or of the pod's ServiceAccount.

    Definitions that are missing are created, and fields that they lack are added. One that has fields, values or versions
    which this release hasn't is of a newer release and is kept, so that nothing stored is lost after a downgrade. The API
    server checks all changes before the first is made. No object is changed, and none is deleted.

    It needs get, create and patch on customresourcedefinitions, and where Daulat's guards are installed the verb govern on
    sovereigntypolicies.

    Exit codes: 0 they are as this release needs them; 1 one is neither older nor newer, and nothing was changed; 2 the
    cluster can't be read or refuses a change, or wrong usage.
    """
    try:
        with progress("applying the definitions") as report:
            steps = cluster.read(context, lambda reader: _apply(reader, report, dry_run=dry_run, force=force))
    except cluster.ClusterUnreadable as error:
        fail(error)
    conflicts = [s for s in steps if s.deed == "conflict"]
    echo(form, "\n".join(map(str, steps)), _structured(steps, dry_run=dry_run, refused=bool(conflicts) and not force))
    if conflicts and not force:
        print_errors(f"{s.name}: {s.reason}. Nothing was changed; --force replaces it" for s in conflicts)
        sys.exit(1)


def _structured(steps: Sequence[Step], *, dry_run: bool, refused: bool) -> dict[str, Any]:
    return {
        "apiVersion": "crds.daulat.dev/v1",
        "kind": "DefinitionsReport",
        "dryRun": dry_run,
        "changed": not dry_run and not refused,
        "definitions": [{"name": s.name, "action": s.deed, "reason": s.reason} for s in steps],
    }


async def _apply(reader: Reader, report: Report, *, dry_run: bool, force: bool) -> list[Step]:
    client = reader.client
    names = [f"{kind.plural}.{GROUP}" for kind in KINDS]
    found = await asyncio.gather(*(client.get(f"{COLLECTION}/{name}") for name in names))
    steps = plan({name: live for name, live in zip(names, found, strict=True) if live is not None})
    changes = [s for s in steps if force or s.deed in ("create", "upgrade")]
    if not force and any(s.deed == "conflict" for s in steps):
        return steps
    for done, step in enumerate(changes):
        report(done, f"{step.name}, as a dry run")
        await _write(client, step, trial=True)
    if not dry_run:
        for done, step in enumerate(changes):
            report(done, step.name)
            await _write(client, step)
        await _served(client, changes, report)
    return steps


async def _write(client: Client, step: Step, *, trial: bool = False) -> None:
    query = {"fieldManager": "daulat-crds", "force": "true", **({"dryRun": "All"} if trial else {})}
    await client.request("PATCH", f"{COLLECTION}/{step.name}", step.manifest, query=query, content_type=APPLY)


async def _served(client: Client, steps: Sequence[Step], report: Report) -> None:
    """Wait until the kinds are served: what follows applies objects of them."""
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    for done, step in enumerate(steps):
        report(done, f"waiting until {step.name} is established")
        while not await _established(client, step.name):
            if time.monotonic() > deadline:
                raise cluster.ClusterUnreadable(f"{step.name} isn't established after {ESTABLISHED_SECONDS:.0f} s")
            await asyncio.sleep(PAUSE)


async def _established(client: Client, name: str) -> bool:
    live = await client.get(f"{COLLECTION}/{name}")
    conditions = ((live or {}).get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
