"""IP addresses and networks. Zones and IPv4 addresses mapped into IPv6 aren't allowed, as in the API server."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from .declare import BOOL, DYN, INT, MAP, STRING, Opaque, expect, function, member, opaque

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_BITS = re.compile(r"[0-9]|[1-9][0-9]{1,2}")


def _parsed(text: str) -> _Address:
    if "%" in text:
        raise ValueError(f'IP address "{text}" with zone value is not allowed')
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string: {error}') from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return address


def _parsed_network(text: str) -> tuple[_Address, int]:
    """Return the address, with whatever host bits it has, and the length of the prefix."""
    host, slash, bits = text.rpartition("/")
    if not slash or not _BITS.fullmatch(bits):
        raise ValueError(f'network address parse error during conversion from string: "{text}"')
    address = _parsed(host)
    if int(bits) > address.max_prefixlen:
        raise ValueError(f'network address parse error during conversion from string: "{text}": prefix out of range')
    return address, int(bits)


def _address(value: Any) -> _Address:
    return ipaddress.ip_address(expect(value, "ip")[1])


def _prefix(value: Any) -> tuple[_Address, int]:
    found = expect(value, "cidr")
    return ipaddress.ip_address(found[1]), found[2]


def _network(address: _Address, bits: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network((int(address) if address.version == 4 else str(address), bits), strict=False)


def _ip(text: str) -> Opaque:
    return opaque("ip", str(_parsed(text)))


def _cidr(text: str) -> Opaque:
    address, bits = _parsed_network(text)
    return opaque("cidr", str(address), bits)


def _is_ip(text: str) -> bool:
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        _parsed_network(text)
    except ValueError:
        return False
    return True


def _is_link_local_multicast(value: Any) -> bool:
    address = _address(value)
    if address.version == 4:
        return int(address) >> 8 == 0xE00000
    return (int(address) >> 112) & 0xFF0F == 0xFF02


def _is_global_unicast(value: Any) -> bool:
    address = _address(value)
    if address.version == 4 and int(address) == 0xFFFFFFFF:
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)


def _contains_address(network: Any, address: _Address) -> bool:
    base, bits = _prefix(network)
    return base.version == address.version and address in _network(base, bits)


def _contains_network(network: Any, other: tuple[_Address, int]) -> bool:
    _, bits = _prefix(network)
    return bits <= other[1] and _contains_address(network, other[0])


def _masked(value: Any) -> Opaque:
    address, bits = _prefix(value)
    return opaque("cidr", str(_network(address, bits).network_address), bits)


FUNCTIONS = (
    function("ip", DYN, STRING, by=_ip),
    function("isIP", BOOL, STRING, by=_is_ip),
    function("ip.isCanonical", BOOL, STRING, by=lambda text: str(_parsed(text)) == text),
    member("family", INT, MAP, by=lambda value: _address(value).version),
    member("isUnspecified", BOOL, MAP, by=lambda value: _address(value).is_unspecified),
    member("isLoopback", BOOL, MAP, by=lambda value: _address(value).is_loopback),
    member("isLinkLocalMulticast", BOOL, MAP, by=_is_link_local_multicast),
    member("isLinkLocalUnicast", BOOL, MAP, by=lambda value: _address(value).is_link_local),
    member("isGlobalUnicast", BOOL, MAP, by=_is_global_unicast),
    function("cidr", DYN, STRING, by=_cidr),
    function("isCIDR", BOOL, STRING, by=_is_cidr),
    member("containsIP", BOOL, MAP, STRING, by=lambda value, text: _contains_address(value, _parsed(text))),
    member("containsIP", BOOL, MAP, MAP, by=lambda value, other: _contains_address(value, _address(other))),
    member("containsCIDR", BOOL, MAP, STRING, by=lambda value, text: _contains_network(value, _parsed_network(text))),
    member("containsCIDR", BOOL, MAP, MAP, by=lambda value, other: _contains_network(value, _prefix(other))),
    member("ip", DYN, MAP, by=lambda value: opaque("ip", expect(value, "cidr")[1])),
    member("prefixLength", INT, MAP, by=lambda value: _prefix(value)[1]),
    member("masked", DYN, MAP, by=_masked),
)
