"""Finds keys of authorities that verify nothing: a schema can't tell them, and in a cluster such a key is only never evidence."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.api.requirements import ZoneRequirements
from daulat.manifest.paths import Path
from daulat.signing.keys import BadKey, public_key


def unusable(zones: ZoneRequirements) -> Iterator[tuple[Path, str]]:
    """Yield the path of each key that can't be used, in the policy's spec, and why."""
    authorities = zones.attestations.authorities if zones.attestations else ()
    for number, authority in enumerate(authorities):
        for index, key in enumerate(authority.keys):
            try:
                public_key(key.public_key)
            except BadKey as error:
                path = ("zones", "attestations", "authorities", number, "keys", index, "publicKey")
                yield path, f"{error}. Statements that it has signed are no evidence."
