"""URLs, taken apart as Go's net/url does it. Python's urllib accepts and splits many texts otherwise."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from .declare import BOOL, DYN, MAP, STRING, Opaque, expect, function, member, opaque

# A URL is handled as its UTF-8 bytes, each as one character, as Go does.
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")
_PATH = _UNRESERVED | frozenset("$&+,/:;=@")
_PATH_AS_IT_IS = _PATH | frozenset("!'()*[]%")
_FRAGMENT = _UNRESERVED | frozenset("$&+,/:;=?@!()*")
_HOST = _UNRESERVED | frozenset("!$&'()*+,;=:[]<>\"")
_USER = _UNRESERVED | frozenset("$&+,;=")
_USER_AS_IT_IS = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_PORT = re.compile(r"(:[0-9]*)?")


@dataclass(frozen=True)
class _Parts:
    scheme: str = ""
    opaque: str = ""
    user: str = ""
    host: str = ""
    path: str = ""
    query: str = ""
    has_query: bool = False
    fragment: str = ""


def _parse(text: str) -> _Parts:
    """Return the parts of an absolute URL or path. Raises ValueError where Go's ParseRequestURI or Parse has an error."""
    raw = text.encode().decode("latin-1")
    try:
        # The API server parses it twice, and both must work: here with the fragment as a part of what it follows.
        _reference(raw, absolute=True)
        body, _, fragment = raw.partition("#")
        return _Parts(
            **{**vars(_reference(body, absolute=False)), "fragment": _escaped(_unescaped(fragment), _FRAGMENT)}
        )
    except ValueError as error:
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": {error}') from None


def _reference(raw: str, absolute: bool) -> _Parts:
    if _CONTROL.search(raw):
        raise ValueError("net/url: invalid control character in URL")
    if not raw and absolute:
        raise ValueError("empty url")
    if raw == "*":
        return _Parts(path="*")
    if raw.startswith(":"):
        raise ValueError("missing protocol scheme")
    found = _SCHEME.match(raw)
    scheme, rest = (found[1].lower(), found[2]) if found else ("", raw)
    rest, mark, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return _Parts(scheme, opaque=rest, query=query, has_query=bool(mark))
        if absolute:
            raise ValueError("invalid URI for request")
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    user = host = ""
    if rest.startswith("//") and (scheme or (not absolute and not rest.startswith("///"))):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        user, host = _authority(scheme, authority)
    return _Parts(scheme, "", user, host, _escaped_path(rest), query, bool(mark))


def _authority(scheme: str, authority: str) -> tuple[str, str]:
    user, at, host = authority.rpartition("@")
    host = _host(scheme, host)
    if not at:
        return "", host
    if not _USER_AS_IT_IS.fullmatch(user):
        raise ValueError("net/url: invalid userinfo")
    return ":".join(_escaped(_unescaped(part), _USER) for part in user.split(":", 1)) + "@", host


def _host(scheme: str, host: str) -> str:
    bracket = host.rfind("[")
    if bracket > 0:
        raise ValueError("invalid IP-literal")
    if bracket == 0:
        name, closed, port = host[1:].rpartition("]")
        if not closed:
            raise ValueError("missing ']' in host")
        _check_port(port)
        address, percent, zone = name.partition("%25")
        plain = _unescaped_host(address) + (_unescaped(percent + zone) if percent else "")
        if ipaddress.ip_address(plain).version == 4:
            raise ValueError("invalid IP-literal")
        return f"[{plain}]{port}"
    if ":" in host:
        strict = scheme in ("http", "https")
        _check_port(host[host.find(":") if strict else host.rfind(":") :])
    return _unescaped_host(host)


def _check_port(text: str) -> None:
    if not _PORT.fullmatch(text):
        raise ValueError(f'invalid port "{text}" after host')


def _unescaped(text: str) -> str:
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise ValueError(f'invalid URL escape "{text[bad.start() : bad.start() + 3]}"')
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def _unescaped_host(text: str) -> str:
    """Undo escapes in a host, which may hide no ASCII character but the percent sign."""
    for found in _ESCAPE.finditer(text):
        if int(found[1], 16) < 0x80 and found[1] != "25":
            raise ValueError(f'invalid URL escape "{found[0]}"')
    for character in text:
        if character != "%" and character < "\x80" and character not in _HOST:
            raise ValueError(f'invalid character "{character}" in host name')
    return _unescaped(text)


def _escaped(text: str, plain: frozenset[str]) -> str:
    return "".join(c if c in plain else f"%{ord(c):02X}" for c in text)


def _escaped_path(path: str) -> str:
    """Return the path as it was written where that is a valid escaping, and escaped anew where it isn't."""
    unescaped = _unescaped(path)
    return path if _PATH_AS_IT_IS.issuperset(path) else _escaped(unescaped, _PATH)


def _url(text: str) -> Opaque:
    parts = _parse(text)
    return opaque("url", *map(_decoded, (parts.scheme, parts.host, parts.path, parts.query)), _identity(parts))


def _identity(parts: _Parts) -> str:
    """Return a text that two URLs share when Go writes them alike."""
    query = f"?{parts.query}" if parts.has_query else ""
    return _decoded("\n".join((parts.scheme, parts.opaque, parts.user, parts.host, parts.path, query, parts.fragment)))


def _decoded(text: str) -> str:
    decoded = text.encode("latin-1").decode(errors="replace")
    if "\0" in decoded:
        # The runtime would see only what stands before it.
        raise ValueError("a NUL character is escaped in the URL")
    return decoded


def _is_url(text: str) -> bool:
    try:
        _reference(text.encode().decode("latin-1"), absolute=True)
    except ValueError:
        return False
    return True


def _host_and_port(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or not _PORT.fullmatch(colon + port):
        name, port = host, ""
    return (name[1:-1] if name.startswith("[") and name.endswith("]") else name), port


def _query(value: Any) -> dict[str, list[str]]:
    """Return the query's values by key. As in Go, a part that can't be read is left out."""
    found: dict[str, list[str]] = {}
    parts = expect(value, "url")[4].encode().decode("latin-1").split("&")
    for part in parts if len(parts) <= 10_000 else ():
        if not part or ";" in part:
            continue
        key, _, text = part.partition("=")
        try:
            key, text = (_unescaped(t.replace("+", " ")) for t in (key, text))
        except ValueError:
            continue
        found.setdefault(_decoded(key), []).append(_decoded(text))
    return found


FUNCTIONS = (
    function("url", DYN, STRING, by=_url),
    function("isURL", BOOL, STRING, by=_is_url),
    member("getScheme", STRING, MAP, by=lambda value: expect(value, "url")[1]),
    member("getHost", STRING, MAP, by=lambda value: expect(value, "url")[2]),
    member("getHostname", STRING, MAP, by=lambda value: _host_and_port(expect(value, "url")[2])[0]),
    member("getPort", STRING, MAP, by=lambda value: _host_and_port(expect(value, "url")[2])[1]),
    member("getEscapedPath", STRING, MAP, by=lambda value: expect(value, "url")[3]),
    member("getQuery", MAP, MAP, by=_query),
)
