"""Short digests of JSON values, by which what was made is compared with what is wanted."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of any JSON value; the order of an object's fields doesn't count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]
