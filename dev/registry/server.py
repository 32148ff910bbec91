"""Runs a registry on loopback: open, or for one user with a password."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.errors import ClusterError
from dev.cluster.ports import HOST, choose

from .build import program

LOGIN = "someone:open-sesame"
_HASHED = "someone:$2b$04$0GhNip.ncu25s/eqA1hgi.iY6TTfD8U5ZiIEjp0OaGG25IXDSw.lq"
"""The same, as the registry takes it: by bcrypt, at the least cost."""
STARTS_WITHIN = 30
"""Seconds."""


@dataclass
class Server:
    """A registry that runs, or did."""

    host: str
    """Host and port."""
    folder: Path
    private: bool = False
    """Whether it asks for ``LOGIN``; otherwise anyone may read and write."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers. ClusterError where it doesn't."""
        self.folder.mkdir(parents=True, exist_ok=True)
        auth = ""
        if self.private:
            (self.folder / "users").write_text(f"{_HASHED}\n")
            auth = f"auth: {{htpasswd: {{realm: test, path: {self.folder / 'users'}}}}}\n"
        configuration = self.folder / "config.yaml"
        configuration.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.folder / 'data'}}}}}\n"
            f"http: {{addr: {self.host}}}\n{auth}"
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program("registry"), "serve", configuration], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(f"the registry doesn't start: {(self.folder / 'log').read_text()[-600:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it. What it holds stays."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None

    def login(self, file: Path, login: str = LOGIN) -> Path:
        """Write a Docker configuration with credentials for it, and return the file."""
        secret = base64.b64encode(login.encode()).decode()
        file.write_text(json.dumps({"auths": {self.host: {"auth": secret}}}))
        return file

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.host}/v2/", timeout=1).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


@contextmanager
def running(folder: Path, *, private: bool = False) -> Iterator[Server]:
    """Run a registry while the block lasts."""
    server = Server(f"{HOST}:{choose(['registry'], {})['registry']}", folder, private)
    server.start()
    try:
        yield server
    finally:
        server.stop()
