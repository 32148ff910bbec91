"""CEL's functions on quantities, as k8s.io/apiserver/pkg/cel/library/quantity.go has them. Quantities are read by api/quantity."""

from __future__ import annotations

import math
from typing import Any

from daulat.api.quantity import Amount, is_int64, parse

from .declare import BOOL, DOUBLE, DYN, INT, MAP, STRING, Opaque, expect, function, member, opaque

_SCALE_BITS = 12


def _plus(a: Amount, b: Amount) -> Amount:
    if a.small and b.small:
        if b.value == 0:
            return a
        if a.value == 0:
            return b
    scale = min(a.scale, b.scale)
    values = a.at(scale), b.at(scale)
    small = a.small and b.small and all(map(is_int64, (*values, sum(values))))
    return Amount(sum(values), scale, small)


def _minus(a: Amount) -> Amount:
    return Amount(-a.value, a.scale, a.small)


def _compare(a: Amount, b: Amount) -> int:
    scale = min(a.scale, b.scale)
    x, y = a.at(scale), b.at(scale)
    return (x > y) - (x < y)


def _float(amount: Amount) -> float:
    try:
        base = float(amount.value)
        return base * math.pow(10, amount.scale) if amount.scale else base
    except OverflowError:
        return math.inf if amount.value > 0 else -math.inf


def _write(amount: Amount) -> Opaque:
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


def _read(value: Any) -> Amount:
    found = expect(value, "quantity")
    *bits, small = (isinstance(bit, int) for bit in found[2])
    scale = sum(bit << i for i, bit in enumerate(bits)) - 2 ** (_SCALE_BITS - 1)
    if found[1] == "0":
        return Amount(0, scale, small)
    digits, _, exponent = found[1].partition("e")
    return Amount(int(digits) * 10 ** (int(exponent) - scale), scale, small)


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _as_integer(value: Any) -> int:
    found = _read(value).integer
    if found is None:
        raise ValueError("cannot convert value to integer")
    return found


def _whole(number: int) -> Amount:
    return Amount(number, 0, small=True)


def _sign(value: Any) -> int:
    return _compare(_read(value), _whole(0))


def _added(value: Any, other: Amount) -> Opaque:
    return _write(_plus(_read(value), other))


FUNCTIONS = (
    function("quantity", DYN, STRING, by=lambda text: _write(parse(text))),
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
