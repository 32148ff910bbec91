"""Pseudonyms: entries name a person by a keyed digest, whose key (the person's salt) is kept apart from the log.

Decides what is personal and how it is written. Where salts are kept, and that they are lasting before an entry is, the recorder
decides.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

PREFIX = "hmac-sha256-128:"
"""What a digest begins with. Its first 128 bits are kept (RFC 2104, section 5): entries stay small."""
_DIGITS = 32
SALT_BYTES = 32
_SYSTEM = "system:"
"""Names under this prefix are Kubernetes' own: ServiceAccounts, nodes, components, the anonymous user."""


class Attribute(StrEnum):
    """What of a person a digest stands for. Equal values of two attributes have different digests."""

    NAME = "name"
    """The user name, as the API server authenticated it. A client certificate's name is that."""
    ADDRESS = "address"
    """A source IP address."""


@dataclass(frozen=True)
class Person:
    """A person whose salt is kept."""

    name: str
    salt: bytes

    def digest(self, attribute: Attribute, value: str) -> str:
        """Return what entries have instead of one of this person's attributes."""
        # No attribute has a NUL, so no two pairs have the same bytes.
        said = f"{attribute}\0{value}".encode("utf-8", "backslashreplace")
        return PREFIX + hmac.new(self.salt, said, sha256).hexdigest()[:_DIGITS]

    @property
    def pseudonym(self) -> str:
        """The digest of the name."""
        return self.digest(Attribute.NAME, self.name)


@dataclass(frozen=True)
class Pseudonyms:
    """Writes users as entries have them."""

    salt: Callable[[str], bytes]
    """Returns the salt of a user, and makes one for a user without. It has to be lasting when it is returned."""
    kept: Callable[[str], bool] = lambda name: True
    """Returns whether a salt of the user is kept; not where there never was one, or it was erased."""

    def user(self, name: str) -> str:
        """Return a user: a person as a digest, others by name."""
        return Person(name, self.salt(name)).pseudonym if is_person(name) else name

    def is_kept(self, name: str) -> bool:
        """Return whether ``user`` makes no new salt."""
        return not is_person(name) or self.kept(name)

    def address(self, user: str, address: str) -> str:
        """Return the digest of a user's source address; empty without a user. It has that user's salt, so it links no two users."""
        return Person(user, self.salt(user)).digest(Attribute.ADDRESS, address) if user and address else ""


def is_person(name: str) -> bool:
    """Return whether a user name is a person's: any that isn't empty and isn't Kubernetes' own."""
    return bool(name) and not name.startswith(_SYSTEM)


def named(digest: str, people: Iterable[Person]) -> Person | None:
    """Return the person whose name a digest stands for; None if no salt of these people makes it."""
    return next((p for p in people if hmac.compare_digest(p.pseudonym.encode(), digest.encode())), None)
