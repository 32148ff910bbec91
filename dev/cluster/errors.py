"""The one error a person sees: a sentence that says what is wrong and what to do."""

from __future__ import annotations


class ClusterError(Exception):
    """The control plane can't be built, started or read; the message is shown as it is, without a traceback."""


class PortTaken(ClusterError):
    """Somebody took a port between our choosing it and a component's listening on it; try others."""
