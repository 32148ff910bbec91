"""Quantities, as k8s.io/apimachinery/pkg/api/resource has them: exact decimals, and which of them it calls integers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from .declare import BOOL, DOUBLE, DYN, INT, MAP, STRING, Opaque, expect, function, member, opaque

_NUMBER = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[+-]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_LARGEST = 2**63 - 1
_DIGITS = 18
"""A number of at most so many digits is one that Kubernetes keeps as an integer and a scale."""
_SCALE_BITS = 12


@dataclass(frozen=True)
class _Amount:
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
        whole = self.value * 10 ** min(self.scale, 2 * _DIGITS)
        return whole if _fits(whole) else None


def _fits(value: int) -> bool:
    return -_LARGEST - 1 <= value <= _LARGEST


def _parse(text: str) -> _Amount:
    """Read a quantity. Raises ValueError where it isn't one."""
    found = _NUMBER.fullmatch(text)
    if not text or found is None or (found[4] and not _has_digits(text)):
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    sign = -1 if found[1] == "-" else 1
    whole, fraction, suffix = found[2] or "", found[3] or "", found[4]
    digits = whole + fraction
    if not digits:
        digits = "0"
    base, exponent = _suffix(suffix)
    length = len(whole or "0") + len(fraction)
    if base == 10 and length <= _DIGITS and exponent - len(fraction) >= -9:
        return _Amount(sign * int(digits), exponent - len(fraction), small=True)
    if base == 2 and not fraction and len(whole or "0") <= 14 - int(exponent * 3 / 10):
        return _Amount(sign * int(digits) * 2**exponent, 0, small=True)
    return _large(sign, int(digits), len(fraction), base, exponent)


def _large(sign: int, value: int, places: int, base: int, exponent: int) -> _Amount:
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
    return _Amount(sign * value, -9, small=False)


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


def _plus(a: _Amount, b: _Amount) -> _Amount:
    if a.small and b.small:
        if b.value == 0:
            return a
        if a.value == 0:
            return b
    scale = min(a.scale, b.scale)
    values = a.at(scale), b.at(scale)
    small = a.small and b.small and all(map(_fits, (*values, sum(values))))
    return _Amount(sum(values), scale, small)


def _minus(a: _Amount) -> _Amount:
    return _Amount(-a.value, a.scale, a.small)


def _compare(a: _Amount, b: _Amount) -> int:
    scale = min(a.scale, b.scale)
    x, y = a.at(scale), b.at(scale)
    return (x > y) - (x < y)


def _float(amount: _Amount) -> float:
    try:
        base = float(amount.value)
        return base * math.pow(10, amount.scale) if amount.scale else base
    except OverflowError:
        return math.inf if amount.value > 0 else -math.inf


def _write(amount: _Amount) -> Opaque:
    """Return the amount as a value of CEL, equal to all that are worth the same.

    The scale is needed later but must not count when two are compared, so its bits are written as 0 and 0.0, which are equal.
    """
    value, scale = amount.value, amount.scale
    while value and value % 10 == 0:
        value, scale = value // 10, scale + 1
    worth = f"{value}e{scale}" if value else "0"
    bits = [*_bits(amount.scale + 2 ** (_SCALE_BITS - 1)), amount.small]
    return opaque("quantity", worth, [0 if bit else 0.0 for bit in bits])


def _bits(number: int) -> list[bool]:
    if not 0 <= number < 2**_SCALE_BITS:
        raise ValueError("the exponent is too large")
    return [bool(number >> i & 1) for i in range(_SCALE_BITS)]


def _read(value: Any) -> _Amount:
    found = expect(value, "quantity")
    *bits, small = (isinstance(bit, int) for bit in found[2])
    scale = sum(bit << i for i, bit in enumerate(bits)) - 2 ** (_SCALE_BITS - 1)
    if found[1] == "0":
        return _Amount(0, scale, small)
    digits, _, exponent = found[1].partition("e")
    return _Amount(int(digits) * 10 ** (int(exponent) - scale), scale, small)


def _is_quantity(text: str) -> bool:
    try:
        _parse(text)
    except ValueError:
        return False
    return True


def _as_integer(value: Any) -> int:
    found = _read(value).integer
    if found is None:
        raise ValueError("cannot convert value to integer")
    return found


def _whole(number: int) -> _Amount:
    return _Amount(number, 0, small=True)


def _sign(value: Any) -> int:
    return _compare(_read(value), _whole(0))


def _added(value: Any, other: _Amount) -> Opaque:
    return _write(_plus(_read(value), other))


FUNCTIONS = (
    function("quantity", DYN, STRING, by=lambda text: _write(_parse(text))),
    function("isQuantity", BOOL, STRING, by=_is_quantity),
    function("sign", INT, MAP, by=_sign),
    member("isInteger", BOOL, MAP, by=lambda value: _read(value).integer is not None),
    member("asInteger", INT, MAP, by=_as_integer),
    member("asApproximateFloat", DOUBLE, MAP, by=lambda value: _float(_read(value))),
    member("add", DYN, MAP, MAP, by=lambda value, other: _added(value, _read(other))),
    member("add", DYN, MAP, INT, by=lambda value, number: _added(value, _whole(number))),
    member("sub", DYN, MAP, MAP, by=lambda value, other: _added(value, _minus(_read(other)))),
    member("sub", DYN, MAP, INT, by=lambda value, number: _added(value, _minus(_whole(number)))),
    member("compareTo", INT, MAP, MAP, by=lambda value, other: _compare(_read(value), _read(other))),
    member("isGreaterThan", BOOL, MAP, MAP, by=lambda value, other: _compare(_read(value), _read(other)) > 0),
    member("isLessThan", BOOL, MAP, MAP, by=lambda value, other: _compare(_read(value), _read(other)) < 0),
)
