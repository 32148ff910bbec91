"""Structured logs: one JSON object a line, of names and sentences. No object's body is ever logged."""

from __future__ import annotations

import logging
import sys
import traceback

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
    # It warns at each start of optional kinds that aren't served. Which kinds can't be listed is logged by the informer.
    logging.getLogger("kopf._core.reactor.observation").addFilter(_is_no_optional_kind)
    # It warns at each start that it doesn't handle signals, which the process does itself.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)


def _is_no_optional_kind(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Unresolved resources cannot be served")


def trace(error: BaseException) -> dict[str, str]:
    """Return what an exception is and where it happened, without its message, which may quote an object."""
    return {"error": type(error).__name__, "at": "".join(traceback.format_tb(error.__traceback__)[-4:])}
