"""``daulat completion``: the script by which a shell completes Daulat's command lines."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .errors import fail
from .examples import examples

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "daulat"
VARIABLE = "_DAULAT_COMPLETE"
"""By which the shell asks the program for completions."""


_EXAMPLES = examples(
    ("In bash", "source <(daulat completion bash)"),
    ("In zsh", "source <(daulat completion zsh)"),
    ("In fish", "daulat completion fish | source"),
)


@click.command(epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Write the script by which a shell completes the command lines of daulat.

    kubectl completes kubectl daulat by kubectl_complete-daulat, which is installed with daulat and needs no script of its own.
    """
    kind = get_completion_class(shell)
    if kind is None:
        fail(f"{shell} isn't known")
    root = click.get_current_context().find_root().command
    try:
        script = kind(root, {}, PROGRAM, VARIABLE).source()
    except RuntimeError as error:
        fail(error)
    click.echo(script)
