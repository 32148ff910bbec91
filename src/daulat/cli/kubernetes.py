"""The options by which commands are told which Kubernetes the objects are for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from daulat.catalog.kubernetes import NEWEST, OLDEST, Capabilities, CapabilityError, Pin, of_version

F = TypeVar("F", bound=Callable[..., Any])


def kubernetes_options(command: F) -> F:
    """Add --kubernetes-version and --pin, as ``kubernetes_version`` and ``pin``."""
    version = click.option(
        "--kubernetes-version",
        default="",
        metavar="VERSION",
        help=f"The cluster's Kubernetes, such as {OLDEST}; {NEWEST} by default.",
    )
    pin = click.option(
        "--pin",
        type=click.Choice([str(each) for each in Pin]),
        help="What adds a policy's nodeSelector to pods that lack it; by default what that version has without a switch.",
    )
    return version(pin(command))


def offered_by(cluster: Capabilities, kubernetes_version: str, pin: str | None) -> Capabilities:
    """Return what a cluster offers that was asked, as far as the options don't say otherwise. Raises click.BadParameter."""
    if kubernetes_version:
        return offered(kubernetes_version, pin)
    return replace(cluster, pin=Pin(pin) if pin else cluster.pin)


def offered(kubernetes_version: str, pin: str | None) -> Capabilities:
    """Return what such a cluster offers. Raises click.BadParameter."""
    try:
        return of_version(kubernetes_version, Pin(pin) if pin else None)
    except CapabilityError as error:
        option = "--pin" if pin and "MutatingAdmissionPolicy" in str(error) else "--kubernetes-version"
        raise click.BadParameter(f"{error}.", param_hint=option) from error
