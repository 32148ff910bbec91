"""The option for the namespace of objects that don't name one, with the default that kubectl has."""

from __future__ import annotations

import click

from daulat.kube.kubeconfig import DEFAULT_NAMESPACE, KubeconfigError, find_kubeconfig

from .errors import fail

namespace_option = click.option(
    "-n",
    "--namespace",
    metavar="NAMESPACE",
    help="The namespace of objects that don't name one; by default that of the kubeconfig's context with --cluster, else "
    f"{DEFAULT_NAMESPACE}.",
)


def chosen_namespace(given: str | None, cluster: bool, context: str | None) -> str:
    """Return the namespace that counts. A kubeconfig that is needed for it and can't be used ends the command."""
    if given or not cluster:
        return given or DEFAULT_NAMESPACE
    try:
        return find_kubeconfig(context).namespace
    except KubeconfigError as error:
        fail(error)
