"""What the log needs from where its files are kept: a folder or a bucket."""

from __future__ import annotations

from typing import Protocol


class Files(Protocol):
    """What readers need."""

    def get(self, path: str) -> bytes | None:
        """Return a file's bytes, or None where there is none. OSError where it can't be read."""


class Store(Files, Protocol):
    """What the writer needs as well."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all, durably: after a crash it is as it was before, or as it is now.

        Tiles and bundles may become durable only with the ``.pending`` that follows them: the log has no use for them before.
        """

    def remove_partial(self, path: str) -> None:
        """Remove the partial tiles ``<path>.p/*``, if there are any."""

    def lock(self) -> None:
        """Exclude other writers until ``unlock``. Locked where there is one."""

    def unlock(self) -> None:
        """Let other writers in."""
