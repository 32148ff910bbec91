"""Chooses the entries that a report is about, from the index, and makes the claims that it lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from daulat.evidence.index import Index, Question, Stretch
from daulat.evidence.times import comparable
from daulat.ledger import entry, reader, rotation
from daulat.ledger.entry import Entry
from daulat.ledger.store import Files

from .claim import Claim, made, numbers, place, verdicts, worst
from .proofs import Cached, Proved
from .scope import Scope
from .sections import AUDIT, NO_AUDIT, SECTIONS, Section

Place = tuple[tuple[str, str], ...]


class NoSuchPolicy(ValueError):
    """The log has no policy of that name."""


@dataclass(frozen=True)
class Part:
    """What a section of a report lists."""

    section: Section
    claims: tuple[Claim, ...]
    total: int
    """How many there are, also those that aren't listed."""
    note: str
    """What is to be said of it as a whole; empty where there is nothing."""


@dataclass(frozen=True)
class Collected:
    """What a log shows of a period."""

    parts: tuple[Part, ...]
    places: Counter[tuple[Place, str]]
    """How many runs there were by where they were and what the policies say of that."""
    proved: Proved


def collect(index: Index, files: Files, size: int, scope: Scope) -> Collected:
    """Return what the log shows. NoSuchPolicy, or LedgerError where files have changed since they were verified."""
    return _Collector(index, Cached(files), size, scope).collected()


class _Collector:
    def __init__(self, index: Index, files: Files, size: int, scope: Scope) -> None:
        self._index, self._files, self._size, self._scope = index, files, size, scope
        self._proved = Proved(files)
        self._counted = Proved(files)
        """What was read to count runs that may not be listed: it isn't part of the bundle."""
        self._places: Counter[tuple[Place, str]] = Counter()
        self._policies = self._named()

    def collected(self) -> Collected:
        parts = tuple(self._part(section) for section in SECTIONS)
        # A check with a key that was rotated out follows these to the key that signed the checkpoint.
        for number in self._index.numbers(rotation.KIND):
            self._proved.read(number)
        return Collected(parts, self._places, self._proved)

    def _named(self) -> set[int]:
        """Return the entries of the policy that the report is about."""
        if not self._scope.policy:
            return set()
        numbers = self._index.numbers("PolicyRecorded")
        found = {n for n, e in self._scan(numbers) if e.data.get("name") == self._scope.policy}
        if not found:
            raise NoSuchPolicy(f"the log has no policy {self._scope.policy}")
        return found

    def _part(self, section: Section) -> Part:
        if section.name == "runs":
            return self._runs(section)
        if section.name == "gaps":
            chosen = _all(self._gaps())
        elif section.standing:
            chosen = list(self._standing(section))
        else:
            kinds = (self._index.numbers(k, self._scope.since, self._scope.until) for k in section.kinds)
            chosen = _all(n for n, e in self._scan(sorted(chain.from_iterable(kinds))) if self._concerns(e))
        listed = chosen[-self._scope.most :]
        claims = tuple(self._made(section, says, ended) for says, ended in listed)
        return Part(section, claims, len(chosen), self._note(section, len(chosen)))

    def _made(self, section: Section, says: int, ended: int | None) -> Claim:
        return made(section.about, says, ended, self._proved.read, self._proved.facts)

    def _note(self, section: Section, total: int) -> str:
        if section.audited and not self._index.numbers(AUDIT, self._scope.since, self._scope.until):
            return NO_AUDIT
        return "" if total else section.empty

    def _runs(self, section: Section) -> Part:
        """List runs that aren't known to have been where the policies allow before all others, and within that the latest."""
        first: dict[str, list[Stretch]] = {}
        total = 0
        for stretch in self._index.stretches(Question(since=self._scope.since, until=self._scope.until)):
            if self._scope.policy and not self._policies & set(numbers(stretch.data, "policyEntries")):
                continue
            total += 1
            verdict = worst(verdicts(stretch.data, self._counted.read, self._counted.facts))
            self._places[(tuple(place(stretch.data).items()), verdict)] += 1
            kept = first.setdefault(verdict, [])
            kept.append(stretch)
            if len(kept) > 2 * self._scope.most:
                del kept[: -self._scope.most]
        chosen: list[Stretch] = []
        for verdict in ("outside", "undecided", "not limited", "allowed"):
            room = self._scope.most - len(chosen)
            chosen += first.get(verdict, [])[-room:] if room else []
        chosen.sort(key=lambda s: (s.since, s.entry))
        claims = tuple(self._made(section, s.entry, s.ended) for s in chosen)
        return Part(section, claims, total, self._note(section, total))

    def _standing(self, section: Section) -> Iterator[tuple[int, int | None]]:
        """Yield what held in the period, each with the entry that ended it where there is one."""
        ends = [(n, e) for n, e in self._scan(self._index.numbers("Gone")) if e.data.get("of") == section.standing]
        found = [(n, e) for n, e in self._scan(self._index.numbers(section.kinds[0])) if self._concerns(e)]
        after: dict[object, tuple[int, str]] = {}
        chosen = []
        for number, said in sorted([*ends, *found], key=lambda pair: -pair[0]):
            uid = said.data.get("uid")
            ended = after.get(uid)
            after[uid] = (number, said.time)
            held = said.time < self._scope.until and (ended is None or ended[1] > self._scope.since)
            if said.kind != "Gone" and held:
                chosen.append((number, ended[0] if ended else None))
        yield from reversed(chosen)

    def _gaps(self) -> list[int]:
        since, until = self._scope.since, self._scope.until
        found = {gap.entry for gap in self._index.gaps(since, until)}
        for kind in ("ClockSetBack", "AuditUnreadable", "NotRecorded"):
            found |= set(self._index.numbers(kind, since, until))
        for number, said in self._scan(self._index.numbers("AuditGap")):
            began, ended = (comparable(str(said.data.get(name) or "")) for name in ("since", "until"))
            if began < until and not "" < ended <= since:
                found.add(number)
        return sorted(found)

    def _concerns(self, said: Entry) -> bool:
        """Say whether an entry is about the policy that the report is about. What names no policy is about all."""
        if not (policy := self._scope.policy):
            return True
        if said.kind == "PolicyRecorded":
            return said.data.get("name") == policy
        if said.kind in ("ExemptionRecorded", "Refused", "ViolationAdmitted"):
            return said.data.get("policy", "") in ("", policy)
        return True

    def _scan(self, numbers: list[int]) -> Iterator[tuple[int, Entry]]:
        """Yield entries to choose from. Those that are chosen are read again, with their proofs."""
        for number in numbers:
            yield number, entry.parse(reader.entry(self._files, number, self._size))


def _all(numbers: Iterable[int]) -> list[tuple[int, int | None]]:
    """Return entries that say what happened, which no other entry ends."""
    return [(number, None) for number in numbers]
