"""Quantities, as k8s.io/apimachinery/pkg/api/resource reads them: exact decimals, and which of them it calls integers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NUMBER = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[+-]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_LARGEST = 2**63 - 1
_DIGITS = 18
"""A number of at most so many digits is one that Kubernetes keeps as an integer and a scale."""


@dataclass(frozen=True)
class Amount:
    """A value times a power of ten. Kubernetes keeps it in an int64 (small) or as a decimal of any size."""

    value: int
    scale: int
    small: bool

    def at(self, scale: int) -> int:
        """Return the value at a scale that isn't larger than its own."""
        return int(self.value * 10 ** (self.scale - scale))

    @property
    def integer(self) -> int | None:
        """The value where Kubernetes tells it as an integer: it doesn't try to reduce 1000m or 1.0."""
        if not self.small or self.scale < 0:
            return None
        # Zero times any power of ten is zero, and anything else with more digits than that is too large.
        number = self.value * 10 ** min(self.scale, 2 * _DIGITS)
        return number if is_int64(number) else None


def is_int64(value: int) -> bool:
    """Say whether Go keeps the value in an int64."""
    return -_LARGEST - 1 <= value <= _LARGEST


def parse(text: str) -> Amount:
    """Read a quantity. Raises ValueError where it isn't one."""
    found = _NUMBER.fullmatch(text)
    if not text or found is None or (found[4] and not _has_digits(text)):
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    sign = -1 if found[1] == "-" else 1
    integer, fraction, suffix = found[2] or "", found[3] or "", found[4]
    digits = integer + fraction
    if not digits:
        digits = "0"
    base, exponent = _suffix(suffix)
    length = len(integer or "0") + len(fraction)
    if base == 10 and length <= _DIGITS and exponent - len(fraction) >= -9:
        return Amount(sign * int(digits), exponent - len(fraction), small=True)
    if base == 2 and not fraction and len(integer or "0") <= 14 - int(exponent * 3 / 10):
        return Amount(sign * int(digits) * 2**exponent, 0, small=True)
    return _large(sign, int(digits), len(fraction), base, exponent)


def whole(quantity: Any) -> int | None:
    """Return a count such as 8, "8", "2k" or "1e3". None where it isn't one: negative, no whole number, too large for an int64."""
    try:
        amount = parse(str(quantity))
    except ValueError:
        return None
    if not amount.value >= 0 or amount.scale > _DIGITS:
        return None
    number, rest = divmod(amount.at(min(amount.scale, 0)), 10 ** max(-amount.scale, 0))
    return number if not rest and is_int64(number) else None


def rounded_up(quantity: Any, scale: int = 0) -> int | None:
    """Return a quantity in units of ten to the power of ``scale``, -3 for thousandths, rounded up, as schedulers compare them.

    None where it isn't one, is negative, or doesn't go into an int64.
    """
    try:
        amount = parse(str(quantity))
    except ValueError:
        return None
    if not amount.value >= 0 or amount.scale - scale > _DIGITS:
        return None
    number = amount.at(scale) if amount.scale >= scale else -(-amount.value // 10 ** (scale - amount.scale))
    return number if is_int64(number) else None


def _large(sign: int, value: int, places: int, base: int, exponent: int) -> Amount:
    """Return the amount as a decimal: rounded away from zero to billionths, and a binary one capped."""
    if base == 2:
        value *= 2**exponent
        exponent = 0
    shift = exponent - places + 9
    if abs(shift) > 10_000:
        raise ValueError("the exponent is too large")
    value = value * 10**shift if shift >= 0 else -(-value // 10**-shift)
    if base == 2:
        value = min(value, _LARGEST * 10**9)
    return Amount(sign * value, -9, small=False)


def _has_digits(text: str) -> bool:
    return any(c in "0123456789" for c in text)


def _suffix(suffix: str) -> tuple[int, int]:
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix]
    if suffix in _BINARY:
        return 2, _BINARY[suffix]
    found = _EXPONENT.fullmatch(suffix)
    if found is None:
        raise ValueError("unable to parse quantity's suffix")
    return 10, int(found[1])
