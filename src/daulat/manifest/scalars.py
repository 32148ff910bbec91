"""What an unquoted YAML scalar means to kubectl: the rules of go.yaml.in/yaml/v2, through JSON as sigs.k8s.io/yaml does.

They are YAML 1.1's for booleans and octal numbers and that library's own for the rest, so no Python library has them.
"""

from __future__ import annotations

import base64
import binascii
import re

_BOOLEANS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_NO_NUMBERS = frozenset(f"{sign}{word}" for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")) | {
    ".nan",
    ".NaN",
    ".NAN",
}
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_INTEGER = re.compile(r"^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]([0-7]+)|0([0-7]+)|(0|[1-9][0-9]*))$")
_PREFIX = "tag:yaml.org,2002:"
_HINTS = frozenset("+-0123456789.")
_INT64, _UINT64 = 1 << 63, 1 << 64
_JSON_INTEGERS = 1e21
"""From here on Go writes a float with an exponent, and reads it back as a float."""

Scalar = str | int | float | bool | None


def resolve(text: str) -> Scalar:
    """Return the value of an unquoted scalar. Raises ValueError for one that JSON can't hold."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] not in _HINTS:
        return text
    if text in _NO_NUMBERS:
        raise ValueError(f"unsupported value: {text}")
    plain = text.replace("_", "") if text[0] != "." else text
    integer = _integer(plain)
    if integer is not None:
        return integer
    number = _float(plain) if _FLOAT.match(plain) else None
    return text if number is None else number


def tagged(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with a tag. Raises ValueError where the text isn't of the tag's type."""
    if not tag.startswith(_PREFIX):
        return text
    match tag.removeprefix(_PREFIX):
        case "int" | "float" | "bool" | "null":
            value = resolve(text)
            kinds = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
            name = tag.removeprefix(_PREFIX)
            if not isinstance(value, kinds[name]) or (isinstance(value, bool) and name != "bool"):  # type: ignore[arg-type]
                raise ValueError(f"cannot decode {text!r} as !!{name}")
            return value
        case "binary":
            try:
                return base64.b64decode("".join(text.split()), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise ValueError("cannot decode !!binary as UTF-8 text") from error
        case _:
            return text


def is_always_a_string(text: str) -> bool:
    """Say whether every parser reads the unquoted scalar as a string, those of YAML 1.2 as well."""
    try:
        return resolve(text) == text and not _FLOAT.match(text)
    except ValueError:
        return False


def as_key(value: Scalar) -> str:
    """Return a scalar as the key of a JSON object. Raises ValueError for null, which can't be one."""
    if value is None:
        raise ValueError("invalid key: null")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _integer(plain: str) -> int | None:
    found = _INTEGER.match(plain)
    if found is None:
        return None
    sign, hexadecimal, binary, octal, old_octal, decimal = found.groups()
    for digits, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (old_octal, 8), (decimal, 10)):
        if digits is not None:
            if len(digits) > 64:  # No 64-bit number has more digits, and reading them would take quadratic time.
                return None
            value = int(digits, base)
            break
    if sign:
        value = -value if sign == "-" else value
        return value if -_INT64 <= value < _INT64 else None
    return value if value < _UINT64 else None


def _float(plain: str) -> int | float | None:
    """Return the number; None for one beyond the range of a float, which go.yaml.in reads as a string."""
    value = float(plain)
    if value in (float("inf"), float("-inf")):
        return None
    # It goes through JSON, where Go writes 1.0 as 1.
    return int(value) if value.is_integer() and abs(value) < _JSON_INTEGERS else value
