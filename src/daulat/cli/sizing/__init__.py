"""``daulat sizing``: what a model needs on an accelerator, line by line, before anything runs."""

from .command import sizing

__all__ = ["sizing"]
