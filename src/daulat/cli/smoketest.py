"""``daulat smoke-test``: what ``helm test`` runs. It reads the Lease, and tries what a guard has to refuse."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from typing import Literal

import click

from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import GROUP, LEASE, VERSION
from daulat.kube.client import Client
from daulat.kube.errors import ApiError, NotFound

from . import cluster
from .cluster import Reader
from .errors import fail, print_errors
from .examples import examples
from .namespace import context_option, installed_in_option
from .structured import TEXT, echo, text_or_structured

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


_EXAMPLES = examples(
    ("As helm test does, for an installation in another namespace", "daulat smoke-test --namespace sovereignty"),
    ("Without the guards, on another cluster", "daulat smoke-test --context staging --without-guards"),
    ("For a program", "daulat smoke-test -o json"),
)


@click.command(epilog=_EXAMPLES)
@context_option
@installed_in_option
@click.option(
    "--seconds", default=60.0, show_default=True, metavar="SECONDS", help="For how long an operator is waited for."
)
@click.option("--without-guards", is_flag=True, help="The guards aren't installed: don't try whether they refuse.")
@text_or_structured
def smoke_test(context: str | None, namespace: str, seconds: float, without_guards: bool, form: str) -> None:
    """Prove that the kinds are served, that an operator leads, and that the API server refuses what a guard forbids.

    The last is a dry run of creating a SovereignZone as a user without the verb certify, so it needs an account that has
    create on sovereignzones, get on the Lease daulat-operator, and nothing else: that of `helm test`. A cluster
    administrator has certify, and so is refused nothing.

    Exit codes: 0 all of it holds; 1 something doesn't; 2 the cluster can't be read, or wrong usage.
    """
    try:
        found = cluster.read(
            context, lambda reader: _found(reader, namespace, seconds, form, guarded=not without_guards)
        )
    except cluster.ClusterUnreadable as error:
        fail(error)
    if form != TEXT:
        checks = [{"result": each.result, "message": each.text} for each in found]
        echo(form, "", {"apiVersion": "smoketest.daulat.dev/v1", "kind": "SmokeTest", "checks": checks})
    sys.exit(1 if print_errors(each.text for each in found if each.result == "problem") else 0)


@dataclass(frozen=True)
class _Found:
    """What one check came to."""

    result: Literal["ok", "skipped", "problem"]
    text: str


async def _found(reader: Reader, namespace: str, seconds: float, form: str, *, guarded: bool) -> list[_Found]:
    checks = [_served(reader.client), _leads(reader.client, namespace, seconds)]
    checks.append(_refused(reader.client) if guarded else _unguarded())
    found = []
    for check in checks:
        each = await check
        found.append(each)
        # Said at once, since the next check may wait for a minute.
        if form == TEXT and each.result != "problem":
            click.echo(f"{each.result}: {each.text}")
    return found


async def _unguarded() -> _Found:
    return _Found("skipped", "whether the guards refuse, as they aren't installed")


async def _served(client: Client) -> _Found:
    try:
        served = await client.request("GET", f"/apis/{GROUP}/{VERSION}")
    except NotFound:
        served = {}
    missing = sorted({k.plural for k in KINDS} - {str(r["name"]) for r in served.get("resources") or ()})
    if missing:
        return _Found("problem", f"the API server doesn't serve {', '.join(missing)}. Run: daulat crds apply")
    return _Found("ok", f"the API server serves the {len(KINDS)} kinds of {GROUP}/{VERSION}")


async def _leads(client: Client, namespace: str, seconds: float) -> _Found:
    """Watch the Lease until its holder renews it: clocks of two machines aren't compared."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    began, first = time.monotonic(), ""
    while True:
        lease = await client.get(path) or {}
        holder = str((lease.get("spec") or {}).get("holderIdentity") or "")
        renewed = f"{holder} {(lease.get('spec') or {}).get('renewTime')}" if holder else ""
        if renewed and first and renewed != first:
            return _Found("ok", f"{holder} leads, and renewed its Lease")
        first = first or renewed
        if time.monotonic() - began > seconds:
            break
        await asyncio.sleep(POLL_SECONDS)
    what = (
        f"Lease {namespace}/{LEASE} of {holder} wasn't renewed"
        if holder
        else f"no operator holds Lease {namespace}/{LEASE}"
    )
    return _Found("problem", f"{what} within {seconds:.0f} s. See the operator's pods and their logs")


async def _refused(client: Client) -> _Found:
    path = f"/apis/{GROUP}/{VERSION}/sovereignzones"
    try:
        await client.request("POST", path, TRIAL, query={"dryRun": "All"})
    except ApiError as error:
        if GUARD in error.message:
            return _Found("ok", f"admission refuses a SovereignZone of a user without the verb certify ({GUARD})")
        return _Found("problem", f"the trial was refused, but not by the guard {GUARD}: {error.message}")
    return _Found(
        "problem",
        f"the API server would accept a SovereignZone of this user: the guard {GUARD} doesn't refuse it, or the user has certify",
    )
