"""Times as options take them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from daulat.evidence.times import with_milliseconds


class Time(click.ParamType[str]):
    """A date, or a time in RFC 3339; without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the time as entries have it."""
        try:
            at = datetime.fromisoformat(str(value))
            at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no date such as 2027-01-15 and no time such as 2027-01-15T08:00:00Z", param, ctx)
        return with_milliseconds(at)
