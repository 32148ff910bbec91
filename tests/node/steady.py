"""A client that asks all the time."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field

from dev.cluster.node.chat import Chat


@dataclass
class Steady:
    """Asks all the time, within its `with` block, and keeps every answer and every error."""

    chat: Chat
    answers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Steady:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.05):
            try:
                self.answers.append(self.chat.answer())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.errors.append(f"{time.strftime('%X')} {type(error).__name__}: {error}")
