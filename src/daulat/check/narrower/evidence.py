"""Compares what two policies take for evidence of where nodes stand: how much they ask for, and whose statements they believe."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.api.authorities import AttestationRequirements, AuthorityKey, EvidenceTier, TrustedAuthority, posix

from .difference import Difference, Grade, Pair, listed


def minimum(path: str, pair: Pair) -> list[Difference]:
    """Compare the minimum."""
    national, local = (value or EvidenceTier.DECLARED for value in pair.values(path))
    if local.rank >= national.rank:
        return []
    given = pair.local.zones.minimum_evidence
    found = f'"{local}" was set' if given else "left out, so a zone's record is enough"
    return [Difference(path, Grade.WIDER, found, f"says {national}", f"Set {national}.", str(national), str(local))]


def authorities(path: str, pair: Pair) -> list[Difference]:
    """Compare whose statements are believed, where the national policy asks for more than a zone's record."""
    asked = pair.national.zones.minimum_evidence or EvidenceTier.DECLARED
    ours, theirs = pair.local.zones.attestations, pair.national.zones.attestations
    if asked is EvidenceTier.DECLARED or ours is None:
        return []
    names = [a.name for a in theirs.authorities] if theirs else []
    found = []
    for number, authority in enumerate(ours.authorities):
        for clause, allowed, remedy in _wider(authority, theirs):
            values = listed(names), listed(a.name for a in ours.authorities)
            found.append(Difference(path, Grade.WIDER, clause, allowed, remedy, *values, number))
    return found


def _wider(ours: TrustedAuthority, national: AttestationRequirements | None) -> Iterator[tuple[str, str, str]]:
    theirs = national.authority(ours.name) if national else None
    if theirs is None:
        yield f'"{ours.name}" was set', "doesn't trust it", "Remove it."
        return
    for key in ours.keys:
        if not any(_within(key, other) for other in theirs.keys):
            yield (
                f'a key of "{ours.name}" was set',
                "doesn't trust it, or not for all of its time",
                "Set the national policy's key, with its notBefore and notAfter or a time within.",
            )
    missing = [serial for serial in theirs.revoked if serial not in ours.revoked]
    if missing:
        yield f'"{ours.name}" doesn\'t revoke {listed(missing)}', "revokes it", f"Add {listed(missing)} to revoked."


def _within(key: AuthorityKey, other: AuthorityKey) -> bool:
    if key.public_key.strip() != other.public_key.strip():
        return False
    begins, ends = (posix(t) if t else None for t in (key.not_before, key.not_after))
    return other.covers(float("-inf") if begins is None else begins, float("inf") if ends is None else ends)
