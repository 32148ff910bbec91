"""The options for namespaces: that of objects that don't name one, with kubectl's default, and the operator's."""

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
OPERATOR_NAMESPACE = "daulat-system"
"""Where the chart's documentation installs the operator."""
operator_namespace_option = click.option(
    "--operator-namespace",
    default=OPERATOR_NAMESPACE,
    show_default=True,
    metavar="NAMESPACE",
    help="The operator's namespace, which no policy may govern.",
)
"""For commands that may run without a cluster."""
installed_in_option = click.option(
    "--namespace",
    envvar="DAULAT_NAMESPACE",
    default=OPERATOR_NAMESPACE,
    show_default=True,
    metavar="NAMESPACE",
    help="The operator's namespace.",
)
"""For commands about an installation, as ``namespace``."""
context_option = click.option("--context", metavar="NAME", help="The kubeconfig context; the current one by default.")


def chosen_namespace(given: str | None, cluster: bool, context: str | None) -> str:
    """Return the namespace that counts. A kubeconfig that is needed for it and can't be used ends the command."""
    if given or not cluster:
        return given or DEFAULT_NAMESPACE
    try:
        return find_kubeconfig(context).namespace
    except KubeconfigError as error:
        fail(error)
