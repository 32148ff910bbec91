"""A shell in which one reader follows one page: its folder, its variables and its kubeconfigs last from command to command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.deployment import DEADLINE_SECONDS, PROGRAM, poll

from .page import ROOT

_SCRIPT = """
set -o pipefail -o allexport
eval "$1"
status=$?
{ pwd; env -0; } > "$2"
exit $status
"""
FROM_THE_REPOSITORY = ("charts", "contrib", "crds", "examples")
"""What a reader in a checkout has."""


def install_programs(folder: Path, clusters: bool = True) -> None:
    """Put the commands of the docs into a folder for PATH: this checkout's `daulat`, and the cluster's own kubectl and Helm."""
    folder.mkdir()
    for name, module in {"daulat": PROGRAM, "kubectl-daulat": "daulat.cli.plugin"}.items():
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT / 'src')!r})\n"
            f"from {module} import main\nsys.argv[0] = {str(script)!r}\nmain()\n"
        )
        script.chmod(0o755)
    if clusters:
        binaries = ensure(announce)
        for name in ("kubectl", "helm"):
            (folder / name).symlink_to(binaries[name])


@dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int
    output: str
    """What it printed, its errors among it, as a terminal shows it."""


class Session:
    """Runs one command after the other."""

    def __init__(self, folder: Path, programs: Path, kubeconfig: Callable[[str], Path] | None = None) -> None:
        """Take an empty folder, that of `install_programs`, and what writes a kubeconfig for a user ("": the administrator)."""
        self._home, self._kubeconfig = folder, kubeconfig
        self.folder = folder / "page"
        self.folder.mkdir(parents=True)
        for name in FROM_THE_REPOSITORY:
            (self.folder / name).symlink_to(ROOT / name)
        self._variables = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "USER": "reader",
            "KUBERC": "off",
            "COLUMNS": "80",
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, command: str, user: str = "", until: Callable[[str], bool] | None = None) -> Done:
        """Run a command to its end, or until what it has printed is enough: then it is interrupted as by Ctrl-C.

        The exit status of a command that was interrupted counts as 0: it says only how the command was interrupted (`kubectl get
        --watch` ends with 0 or 1, whichever of its threads is first).
        """
        state, printed = self._home / "state", self._home / "output"
        state.unlink(missing_ok=True)
        identity = self._identity(user)
        with printed.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", _SCRIPT, "bash", command, str(state)],
                cwd=self.folder,
                env=self._variables | identity,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        interrupted = False
        try:
            if until is not None:
                poll(f"`{command}` to print", lambda: until(printed.read_text()) or process.poll() is not None)
                interrupted = process.poll() is None
                os.killpg(process.pid, signal.SIGINT)
            status = process.wait(DEADLINE_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._keep(state, identity)
        return Done(0 if interrupted else status, printed.read_text(errors="replace"))

    def _identity(self, user: str) -> dict[str, str]:
        """Return the kubeconfig of a command, unless the page has set one."""
        if "KUBECONFIG" in self._variables and not user:
            return {}
        return {"KUBECONFIG": str(self._kubeconfig(user)) if self._kubeconfig else os.devnull}

    def _keep(self, state: Path, given: Mapping[str, str]) -> None:
        """Go on in the folder and with the variables that the command left."""
        if not state.exists():
            return
        folder, _, variables = state.read_text().partition("\n")
        self.folder = Path(folder)
        kept = dict(v.partition("=")[::2] for v in variables.split("\0") if "=" in v)
        ours = {"_", "PWD", "OLDPWD", "SHLVL", "status", *(k for k, v in given.items() if kept.get(k) == v)}
        self._variables = {k: v for k, v in kept.items() if k not in ours}
