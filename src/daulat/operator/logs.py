"""Structured logs: one JSON object a line, of names and sentences. No object's body is ever logged."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def configure(level: str) -> None:
    """Send logs to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # At DEBUG Kopf prints whole objects, and at INFO a line an event: neither may happen, whatever level is asked for.
    for noisy in ("kopf", "kubernetes", "aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
