"""Structured logs: one line an entry, as a JSON object or for reading, of names and sentences. No object's body is ever logged."""

from __future__ import annotations

import json
import logging
import sys
import traceback

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"


class TextFormatter(logging.Formatter):
    """A line for reading: time, level, logger, message, then the other fields as JSON values."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line, without an exception's trace."""
        extra = {k: v for k, v in record.__dict__.items() if k not in RESERVED_ATTRS}
        # A line break in a value would look like another entry.
        return " ".join(
            [super().formatMessage(record), *(f"{k}={json.dumps(v, default=str)}" for k, v in extra.items())]
        )


def configure(level: str, form: str = "json") -> None:
    """Send logs to standard error, as ``json`` or as ``text``."""
    handler = logging.StreamHandler(sys.stderr)
    renamed = {"asctime": "time", "levelname": "level", "name": "logger"}
    handler.setFormatter(TextFormatter(FIELDS) if form == "text" else JsonFormatter(FIELDS, rename_fields=renamed))
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
