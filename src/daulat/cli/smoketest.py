"""``daulat smoke-test``: what ``helm test`` runs. It reads the Lease, and tries what a guard has to refuse."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import click

from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import GROUP, LEASE, VERSION
from daulat.kube.client import Client
from daulat.kube.errors import ApiError, NotFound

from . import cluster
from .cluster import Reader
from .errors import fail, print_errors
from .namespace import context_option, installed_in_option

POLL_SECONDS = 1.0
GUARD = "MGD-07"
"""The control of the guard of zones."""
TRIAL: Manifest = {
    "apiVersion": f"{GROUP}/{VERSION}",
    "kind": "SovereignZone",
    "metadata": {"name": "daulat-smoke-test"},
    "spec": {
        "country": "MY",
        "facility": {"name": "smoke test"},
        "operator": {"legalName": "smoke test", "country": "MY", "ultimateParentCountry": "MY"},
        "maximumDataClass": "public",
        "nodeSelector": {"matchLabels": {"daulat.node-restriction.kubernetes.io/site": "daulat-smoke-test"}},
    },
}
"""Valid, and selects no node. It is only tried, never kept."""


@click.command()
@context_option
@installed_in_option
@click.option(
    "--seconds", default=60.0, show_default=True, metavar="SECONDS", help="For how long an operator is waited for."
)
@click.option("--without-guards", is_flag=True, help="The guards aren't installed: don't try whether they refuse.")
def smoke_test(context: str | None, namespace: str, seconds: float, without_guards: bool) -> None:
    """Prove that the kinds are served, that an operator leads, and that the API server refuses what a guard forbids.

    The last is a dry run of creating a SovereignZone as a user without the verb certify, so it needs an account that has
    create on sovereignzones, get on the Lease daulat-operator, and nothing else: that of `helm test`. A cluster
    administrator has certify, and so is refused nothing.

    Exit codes: 0 all of it holds; 1 something doesn't; 2 the cluster can't be read, or wrong usage.
    """
    try:
        problems = cluster.read(
            context, lambda reader: _problems(reader, namespace, seconds, guarded=not without_guards)
        )
    except cluster.ClusterUnreadable as error:
        fail(error)
    sys.exit(1 if print_errors(problems) else 0)


async def _problems(reader: Reader, namespace: str, seconds: float, *, guarded: bool) -> list[str]:
    checks = [_served(reader.client), _leads(reader.client, namespace, seconds)]
    if guarded:
        checks.append(_refused(reader.client))
    else:
        click.echo("skipped: whether the guards refuse, as they aren't installed")
    return [problem for check in checks async for problem in check]


async def _served(client: Client) -> AsyncIterator[str]:
    try:
        served = await client.request("GET", f"/apis/{GROUP}/{VERSION}")
    except NotFound:
        served = {}
    missing = sorted({k.plural for k in KINDS} - {str(r["name"]) for r in served.get("resources") or ()})
    if missing:
        yield f"the API server doesn't serve {', '.join(missing)}. Run: daulat crds apply"
    else:
        click.echo(f"ok: the API server serves the {len(KINDS)} kinds of {GROUP}/{VERSION}")


async def _leads(client: Client, namespace: str, seconds: float) -> AsyncIterator[str]:
    """Watch the Lease until its holder renews it: clocks of two machines aren't compared."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    began, first = time.monotonic(), ""
    while True:
        lease = await client.get(path) or {}
        holder = str((lease.get("spec") or {}).get("holderIdentity") or "")
        renewed = f"{holder} {(lease.get('spec') or {}).get('renewTime')}" if holder else ""
        if renewed and first and renewed != first:
            click.echo(f"ok: {holder} leads, and renewed its Lease")
            return
        first = first or renewed
        if time.monotonic() - began > seconds:
            break
        await asyncio.sleep(POLL_SECONDS)
    what = (
        f"Lease {namespace}/{LEASE} of {holder} wasn't renewed"
        if holder
        else f"no operator holds Lease {namespace}/{LEASE}"
    )
    yield f"{what} within {seconds:.0f} s. See the operator's pods and their logs"


async def _refused(client: Client) -> AsyncIterator[str]:
    path = f"/apis/{GROUP}/{VERSION}/sovereignzones"
    try:
        await client.request("POST", path, TRIAL, query={"dryRun": "All"})
    except ApiError as error:
        if GUARD in error.message:
            click.echo(f"ok: admission refuses a SovereignZone of a user without the verb certify ({GUARD})")
        else:
            yield f"the trial was refused, but not by the guard {GUARD}: {error.message}"
        return
    yield f"the API server would accept a SovereignZone of this user: the guard {GUARD} doesn't refuse it, or the user has certify"
