"""Tries all the time what a policy forbids: a moment without enforcement is one that it was let in."""

from __future__ import annotations

import threading
from collections import Counter
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.corpus.server import Server


class Prober:
    """A thread that creates a forbidden pod as a dry run, again and again."""

    def __init__(self, kubeconfig: Path, manifest: dict[str, Any], expected: str) -> None:
        """Take who tries, the pod, and what every refusal has to name."""
        self._server = Server(kubeconfig, 15)
        self._path = f"/api/v1/namespaces/{manifest['metadata']['namespace']}/pods?dryRun=All"
        self._manifest, self._expected = manifest, expected
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answers: Counter[str] = Counter()
        """How often each was answered: refused, let in, another refusal by its text, or no answer."""

    def __enter__(self) -> Prober:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End."""
        self._end.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._end.is_set():
            self.answers[self._ask()] += 1
            self._end.wait(0.02)

    def _ask(self) -> str:
        try:
            answer = self._server.ask("POST", self._path, self._manifest)
        except (OSError, HTTPException):
            return "no answer"
        if answer.status < HTTPStatus.BAD_REQUEST:
            return "let in"
        return "refused" if self._expected in answer.text else answer.text
