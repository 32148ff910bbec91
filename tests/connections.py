"""Records every address that a program connects or sends to: by strace, or where it isn't installed by Python's audit events.

strace sees native code as well, such as the client of S3.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from dev.deployment import ROOT

Address = tuple[str, int]

_CALLS = "connect,sendto,sendmsg,sendmmsg"
_V4 = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)')
_V6 = re.compile(r'sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"')
_HOOK = """\
import os, sys
def _record(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        to = arguments[1] if len(arguments) > 1 else None
        if isinstance(to, tuple):
            line = f"{to[0]} {to[1]}"
        else:
            return
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        line = f"{arguments[0]} 53"
    else:
        return
    with open(os.environ["CONNECTIONS_LOG"], "a") as log:
        print(line, file=log)
sys.addaudithook(_record)
"""


@dataclass(frozen=True)
class Connections:
    """What one program, and all that it starts, connects to."""

    folder: Path

    @property
    def wrapper(self) -> list[str]:
        """The words before the program's command. The process that is started becomes the program's own."""
        if strace := shutil.which("strace"):
            return [
                strace,
                "-D",
                "-f",
                "--seccomp-bpf",
                "-qq",
                "-e",
                f"trace={_CALLS}",
                "-e",
                "signal=none",
                "-o",
                str(self._log),
            ]
        (self.folder / "sitecustomize.py").write_text(_HOOK)
        path = os.pathsep.join([str(self.folder), str(ROOT / "src")])
        return ["env", f"CONNECTIONS_LOG={self._log}", f"PYTHONPATH={path}"]

    @property
    def addresses(self) -> set[Address]:
        """The addresses so far, with their ports."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        if shutil.which("strace") is None:
            return {(host, int(port)) for host, _, port in (line.rpartition(" ") for line in text.splitlines())}
        found = {(m[2], int(m[1])) for form in (_V4, _V6) for m in form.finditer(text)}
        return {(host.removeprefix("::ffff:"), port) for host, port in found}

    @property
    def _log(self) -> Path:
        return self.folder / "connections"
