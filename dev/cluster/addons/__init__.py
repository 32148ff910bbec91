"""Other projects' kinds, and the controllers of some, for tests of the embedded control plane. Off unless asked for."""

from dev.cluster.addons.catalog import NAMES

__all__ = ["NAMES"]
