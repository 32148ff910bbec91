"""What is recorded of each object that is there, so that only what differs becomes an entry. It is restored from the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from daulat.kube.ref import Ref

from .records import Gone, RunChanged, RunEnded, RunStarted
from .subject import Present, Subject, fingerprint

RUN = "Run"


@dataclass(frozen=True)
class Known:
    """What is recorded of a subject that is there."""

    namespace: str
    name: str
    fingerprint: str
    """That of the newest data that is to be recorded."""
    first: int | None = None
    """The first of its entries; None until it is appended."""
    last: int | None = None
    """The last of its entries."""


@dataclass(frozen=True)
class Outgoing:
    """An entry that is to be appended. The indices that it refers to are filled in then."""

    kind: str
    data: Mapping[str, JsonValue]
    subject: Subject | None = None
    references: Mapping[str, Subject | tuple[Subject, ...]] = field(default_factory=dict)
    facts: tuple[bytes, ...] = ()
    """What is kept beside the log."""
    closes: bool = False
    """Whether nothing more is recorded of the subject."""


class Book:
    """The subjects that are there, as far as they are recorded or about to be."""

    def __init__(self, known: Mapping[Subject, Known] | None = None) -> None:
        self._known = dict(known or {})

    def __contains__(self, subject: Subject) -> bool:
        return subject in self._known

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Subject]:
        return iter(list(self._known))

    def named(self, kind: str, namespace: str, name: str) -> list[Subject]:
        """Return the subjects of that name."""
        return [s for s, k in self._known.items() if (s.kind, k.namespace, k.name) == (kind, namespace, name)]

    def pod(self, uid: str) -> Ref | None:
        """Return the pod of a run that is recorded."""
        known = self._known.get(Subject(RUN, uid))
        return Ref("Pod", known.namespace, known.name) if known is not None else None

    def queue(self, pending: Iterable[Outgoing]) -> None:
        """Take in what waits to be appended, as after the log was read again."""
        for out in pending:
            if out.subject is None:
                continue
            mark = _OVER if out.closes else fingerprint(out.data)
            known = self._known.get(out.subject) or _known(out.data)
            self._known[out.subject] = replace(known, fingerprint=mark)

    def is_news(self, present: Present) -> bool:
        """Say whether what holds now differs from what is recorded."""
        known = self._known.get(present.subject)
        return known is None or known.fingerprint != fingerprint(present.record.data())

    def news(self, present: Present) -> Outgoing | None:
        """Return the entry for what holds now, or None where that is recorded already."""
        data = present.record.data()
        mark, known = fingerprint(data), self._known.get(present.subject)
        if known is not None and known.fingerprint == mark:
            return None
        self._known[present.subject] = replace(known or _known(data), fingerprint=mark)
        kind = present.record.kind
        if known is not None and kind == RunStarted.kind:
            kind = RunChanged.kind
        return Outgoing(kind, data, present.subject, present.references, present.facts)

    def over(self, subject: Subject, reason: str = "", ended: str = "") -> Outgoing | None:
        """Return the entry for a subject that isn't there any more, or None where nothing of it is recorded."""
        known = self._known.get(subject)
        if known is None or known.fingerprint == _OVER:
            return None
        self._known[subject] = replace(known, fingerprint=_OVER)
        if subject.kind == RUN:
            run = RunEnded(uid=subject.uid, reason=reason, ended=ended)
            return Outgoing(run.kind, run.data(), subject, {"runEntry": subject}, closes=True)
        gone = Gone(of=subject.kind, namespace=known.namespace, name=known.name, uid=subject.uid)
        return Outgoing(gone.kind, gone.data(), subject, closes=True)

    def resolved(self, batch: Sequence[Outgoing], start: int) -> Iterator[dict[str, JsonValue]]:
        """Yield the data of entries that are appended from the index ``start`` on, with the indices that they refer to.

        A run is referred to by its first entry, everything else by its newest.
        """
        at: dict[Subject, int] = {}

        def index_of(subject: Subject) -> int | None:
            known = self._known.get(subject)
            of_before = None if known is None else known.first if subject.kind == RUN else known.last
            if subject.kind == RUN and of_before is not None:
                return of_before
            return at.get(subject, of_before)

        for index, out in enumerate(batch, start):
            data = dict(out.data)
            for name, to in out.references.items():
                if isinstance(to, Subject):
                    if (one := index_of(to)) is not None:
                        data[name] = one
                elif found := sorted(i for i in map(index_of, to) if i is not None):
                    data[name] = [*found]
            if out.subject is not None:
                if out.subject.kind == RUN:
                    at.setdefault(out.subject, index)
                else:
                    at[out.subject] = index
            yield data

    def accept(self, batch: Iterable[Outgoing], start: int) -> None:
        """Note that the entries were appended from the index ``start`` on."""
        for index, out in enumerate(batch, start):
            if out.subject is None:
                continue
            known = self._known.get(out.subject)
            if known is None:
                continue
            if out.closes:
                del self._known[out.subject]
            else:
                first = index if known.first is None else known.first
                self._known[out.subject] = replace(known, first=first, last=index)


def _known(data: Mapping[str, JsonValue]) -> Known:
    return Known(str(data.get("namespace") or ""), str(data.get("name") or data.get("pod") or ""), "")


_OVER = "over"
"""The fingerprint of a subject whose end is to be recorded."""
