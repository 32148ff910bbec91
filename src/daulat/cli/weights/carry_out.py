"""Carries out ``daulat weights``. Imports libraries that are installed with the extra ``weights``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from daulat.api.weights import FETCH_FAILED, LOADED, Environment, parse
from daulat.weights.digest import folder_digest
from daulat.weights.downloads import left_by_tool, left_by_tools, unfinished
from daulat.weights.load import Order
from daulat.weights.load import check as check_order
from daulat.weights.load import load as load_order
from daulat.weights.problem import WeightsProblem
from daulat.weights.signature import Trust, check_signature, read_trust

from ..errors import fail
from ..progress import progress
from ..structured import echo

TERMINATION_LOG = Path("/dev/termination-log")
"""The termination message: the kubelet copies it into the pod's status."""
AUTHORITY = Path("/etc/weights/authority/ca.crt")
REGISTRIES = Path("/etc/weights/registries")
_API = "weights.daulat.dev/v1"
_VERIFIED = {"apiVersion": _API, "kind": "WeightsVerification"}


def load() -> None:
    """Fetch weights and check them, as the environment says."""
    _in_pod("fetching the weights", load_order)


def check() -> None:
    """Check weights that are mounted, as the environment says."""
    _in_pod("checking the weights", lambda order: check_order(order, order.target))


def digest(folder: Path, form: str) -> None:
    """Print the digest of a folder, and on standard error what isn't part of the weights."""
    try:
        if left := unfinished(folder):
            fail(f"{folder / left[0]}: the download isn't finished")
        if left := left_by_tools(folder):
            click.echo(
                f"warning: left out {', '.join(left)}: files of a download tool, which differ after each download. "
                "Delete them before you upload, sign or copy the folder",
                err=True,
            )
        with progress("computing the digest"):
            found = f"sha256:{folder_digest(folder, left_by_tool)}"
        echo(form, found, {"apiVersion": _API, "kind": "WeightsDigest", "digest": found, "leftOut": left})
    except (OSError, ValueError) as error:
        fail(error)


def verify(folder: Path, keys: Sequence[Path], certificates: Sequence[Path], signature: str, form: str) -> None:
    """Check a folder's signature, and say what is wrong with it."""
    trust = Trust("", tuple(k.read_text() for k in keys), tuple(c.read_text() for c in certificates))
    try:
        with progress("verifying the signature"):
            check_signature(folder, folder / signature, [trust])
    except WeightsProblem as problem:
        told = problem.sentence.replace("policy  doesn't trust", "none of the given keys and certificates signed")
        click.echo(told, err=True)
        if form != "text":
            echo(form, "", {**_VERIFIED, "verified": False, "problem": told})
        sys.exit(1)
    echo(form, "signed by a trusted key, and unchanged since", {**_VERIFIED, "verified": True})


def _in_pod(what: str, carry_out: Callable[[Order], object]) -> None:
    # The first process of a container ignores signals that it doesn't handle. Ending at once is safe: the next pod cleans up what
    # is incomplete, as it does after SIGKILL.
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    try:
        order = _order()
        with progress(what):
            carry_out(order)
    except WeightsProblem as problem:
        click.echo(str(problem), err=True)
        _report(str(problem)[:4000])
        sys.exit(1)
    # What was checked against the weights, for the record of this run.
    if order.source.digest:
        _report(json.dumps({LOADED: f"sha256:{order.source.digest}"}))


def _report(message: str) -> None:
    try:
        TERMINATION_LOG.write_text(message)
    except OSError:
        click.echo(f"cannot write {TERMINATION_LOG}", err=True)


def _order() -> Order:
    environment = os.environ
    if AUTHORITY.is_file():
        # Each library has a name of its own for it. Only the private authority is trusted then.
        os.environ |= dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), str(AUTHORITY))
    try:
        return Order(
            source=parse(environment[Environment.URI]),
            target=Path(environment[Environment.TARGET]),
            endpoint=environment.get(Environment.ENDPOINT, ""),
            signature=environment.get(Environment.SIGNATURE, ""),
            trusted=read_trust(environment[Environment.TRUST]) if Environment.TRUST in environment else (),
            registry_configs=tuple(sorted(REGISTRIES.glob("*.json"))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsProblem(FETCH_FAILED, f"the init container's environment can't be read: {error!r}") from error
