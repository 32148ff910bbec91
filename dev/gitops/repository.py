"""A Git repository on loopback, as a team has one on its Git server: committed to here, fetched by engines over HTTP."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.errors import ClusterError
from dev.cluster.ports import HOST

BRANCH = "main"
Manifest = Mapping[str, Any]


class Repository:
    """One repository with a working tree, and the server that serves it."""

    def __init__(self, directory: Path) -> None:
        """Make an empty repository in a directory that doesn't exist yet, and serve it until ``close``."""
        self.directory = directory
        directory.mkdir(parents=True)
        self._git("init", "--quiet", f"--initial-branch={BRANCH}")
        self._server = ThreadingHTTPServer((HOST, 0), _handler(directory.parent))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where engines fetch it."""
        return f"http://{HOST}:{self._server.server_port}/{self.directory.name}/.git"

    @property
    def revision(self) -> str:
        """The newest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def write(self, path: str, *manifests: Manifest) -> None:
        """Write manifests into a file of the working tree; with none the file is removed."""
        target = self.directory / path
        if not manifests:
            target.unlink()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump_all([dict(m) for m in manifests], sort_keys=False))

    def write_text(self, path: str, text: str) -> None:
        """Write a file of the working tree as it is."""
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def commit(self, message: str) -> str:
        """Commit the working tree and return the commit."""
        self._git("add", "--all")
        self._git("commit", "--quiet", f"--message={message}")
        return self.revision

    def revert(self) -> str:
        """Revert the newest commit by another one, and return that."""
        self._git("revert", "--no-edit", "HEAD")
        return self.revision

    def close(self) -> None:
        """Serve it no longer."""
        self._server.shutdown()
        self._server.server_close()

    def _git(self, *arguments: str) -> str:
        who = {f"GIT_{role}_{what[0]}": what[1] for role in ("AUTHOR", "COMMITTER") for what in _PERSON}
        # Settings of the machine's user, such as signed commits, aren't those of the repository.
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-C", str(self.directory), *arguments]
        result = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            raise ClusterError(f"`git {arguments[0]}` failed: {result.stderr.strip()}")
        return result.stdout


_PERSON = (("NAME", "Aminah"), ("EMAIL", "aminah@example.my"))


def _handler(root: Path) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests by `git http-backend`, which is a CGI program."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self._body()
            environment = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REMOTE_ADDR": HOST,
            }
            out = subprocess.run(
                ["git", "http-backend"], check=True, input=body, env=environment, stdout=subprocess.PIPE
            ).stdout
            head, _, rest = out.partition(b"\r\n\r\n")
            headers = [line.partition(": ")[::2] for line in head.decode().split("\r\n")]
            status = next((value for name, value in headers if name == "Status"), "200")
            self.send_response(int(status.split()[0]))
            for name, value in headers:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while length := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return body

    return Handler
