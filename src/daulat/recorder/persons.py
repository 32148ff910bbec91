"""What the log has in place of the users that exemptions name. An erased user gets no new salt by an exemption that is there."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from daulat.evidence.personal import Pseudonyms
from daulat.facts.snapshot import Exemption

Recorded = Callable[[str], Mapping[str, Any]]
"""Returns what the newest entry of an exemption has, by its uid; nothing where none is recorded."""


class Persons:
    """The digests of the users of each exemption, as long as it is there."""

    def __init__(self, pseudonyms: Pseudonyms, recorded: Recorded) -> None:
        self._pseudonyms, self._recorded = pseudonyms, recorded
        self._known: dict[str, dict[str, str]] = {}
        """By the exemption's uid and the user's name."""

    def of(self, exemption: Exemption) -> tuple[str, list[str]]:
        """Return who requested an exemption and who approved it."""
        spec = exemption.spec
        approvers = [approval.user for approval in spec.approvals]
        known = self._known.get(exemption.uid)
        if known is None:
            known = self._known[exemption.uid] = self._restored(exemption.uid, spec.requested_by, approvers)
        for name in (spec.requested_by, *approvers):
            if name not in known:
                known[name] = self._pseudonyms.user(name)
        return known[spec.requested_by], [known[name] for name in approvers]

    def retain(self, uids: Container[str]) -> None:
        """Forget exemptions that don't exist any more."""
        self._known = {uid: known for uid, known in self._known.items() if uid in uids}

    def _restored(self, uid: str, requester: str, approvers: list[str]) -> dict[str, str]:
        """Return the digests that are recorded of users whose salts aren't kept any more: their names were erased."""
        recorded = self._recorded(uid)
        if not recorded:
            return {}
        # Approvals are only ever added.
        pairs = zip(
            (requester, *approvers), (recorded.get("requestedBy", ""), *recorded.get("approvedBy", ())), strict=False
        )
        return {name: str(digest) for name, digest in pairs if digest and not self._pseudonyms.is_kept(name)}
