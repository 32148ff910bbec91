"""The form of a licence: SPDX ids joined by AND and OR, in parentheses up to two deep, an id perhaps WITH an exception.

CEL neither parses nor recurses, so what admission judges has a form that regular expressions describe: single spaces around
operators, none within parentheses. Letter case makes no difference, as in SPDX: everything here is compared in lower case.
"""

from __future__ import annotations

from pydantic import JsonValue

_ID = r"[a-z0-9][-a-z0-9.]*[+]?"
_OTHERS = "ecos-2[.]0|gpl-cc-1[.]0|linux-syscall-note|llgpl|shl-2[.][01]"
"""The exceptions on SPDX's list (3.27, license-expression 30.4.4) that aren't called one."""
_TERM = rf"{_ID}( with ([-a-z0-9.]*exception[-a-z0-9.]*|{_OTHERS}))?"


def _joined(term: str) -> str:
    return rf"{term}( (and|or) {term})*"


_GROUP = rf"[(]{_joined(_TERM)}[)]"
_NESTED = _joined(f"({_TERM}|{_GROUP})")
FORM = f"^{_joined(rf'({_TERM}|[(]{_NESTED}[)])')}$"
"""What an expression in lower case looks like, if no operator stands where an id belongs."""
MISPLACED = r"(^|[(]|(^|[ (])(and|or|with) )(and|or|with)([ )]|$)"
"""An operator where an id belongs, to a regular expression an id like any other."""
LICENSE_PATTERN = r"^[A-Za-z0-9][-A-Za-z0-9.+]*( [Ww][Ii][Tt][Hh] [A-Za-z0-9][-A-Za-z0-9.]*)?$"
"""One licence that a policy allows."""
LICENSE_FORM: JsonValue = {
    "rule": f"self.lowerAscii().matches('{FORM}') && !self.lowerAscii().matches('{MISPLACED}')",
    "message": "a licence is SPDX ids joined by AND and OR, such as MIT or (Apache-2.0 OR MIT) AND BSD-3-Clause: single spaces"
    " around operators, parentheses that match and are at most two deep, and WITH before an SPDX exception alone",
}
