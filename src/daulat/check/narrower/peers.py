"""Compares peers, as NetworkPolicies have them: pods by selectors, or ranges of addresses."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from daulat.api.meta import LabelSelector
from daulat.api.network import IPBlock, Peer

from . import selectors
from .difference import Difference, Grade, Pair


def peers(path: str, pair: Pair) -> list[Difference]:
    """Return whether each local peer is part of a national one. That several together cover it isn't looked for."""
    national, local = ((v or ()) for v in pair.values(path))
    added = [(n, p) for n, p in enumerate(local) if not any(_within(p, other) for other in national)]
    if not added:
        return []
    values = _texts(national), _texts(local)
    found = f"{_texts([p for _, p in added])} was set"
    if not national:
        return [Difference(path, Grade.WIDER, found, "allows none", "Remove it.", *values, added[0][0])]
    allowed = f"allows {values[0]}, and no entry of it provably contains this one"
    return [Difference(path, Grade.UNDECIDED, found, allowed, "Remove it, or copy the entry.", *values, added[0][0])]


def _within(local: Peer, national: Peer) -> bool:
    if local == national:
        return True
    ports = getattr(national, "ports", ())
    own = getattr(local, "ports", ())
    if ports and not (own and set(own) <= set(ports)):
        return False
    if local.ip_block or national.ip_block:
        return bool(local.ip_block and national.ip_block) and _contains(national.ip_block, local.ip_block)
    # Without a selector of namespaces, pods of the model's own are meant.
    if local.namespace_selector is None:
        namespaces = national.namespace_selector is None or _covers(national.namespace_selector, LabelSelector())
    else:
        namespaces = national.namespace_selector is not None and _covers(
            national.namespace_selector, local.namespace_selector
        )
    return namespaces and _covers(national.pod_selector or LabelSelector(), local.pod_selector or LabelSelector())


def _covers(whole: LabelSelector, part: LabelSelector) -> bool:
    try:
        return selectors.left_over(part, [whole]) is None
    except selectors.Undecided:
        return False


def _contains(whole: IPBlock | None, part: IPBlock | None) -> bool:
    a, b = _network(whole), _network(part)
    if isinstance(a, IPv4Network) and isinstance(b, IPv4Network):
        return b.subnet_of(a)
    return isinstance(a, IPv6Network) and isinstance(b, IPv6Network) and b.subnet_of(a)


def _network(block: IPBlock | None) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(block.cidr, strict=False) if block else None
    except ValueError:
        return None


def _texts(entries: Any) -> str:
    return "; ".join(map(_text, entries)) or "none"


def _text(peer: Peer) -> str:
    parts = []
    if peer.ip_block:
        parts.append(peer.ip_block.cidr)
    if peer.namespace_selector is not None:
        parts.append(f"namespaces {selectors.text(peer.namespace_selector)}")
    if peer.pod_selector is not None:
        parts.append(f"pods {selectors.text(peer.pod_selector)}")
    ports = ",".join(f"{p.protocol}/{p.port}" for p in getattr(peer, "ports", ()))
    return " ".join([*parts, *([f"on {ports}"] if ports else [])])
