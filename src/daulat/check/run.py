"""A whole check: takes files in, and judges what is in them once all are known, since a policy may come last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from daulat.api.names import GROUP
from daulat.manifest.chunks import chunks
from daulat.manifest.document import Chunk, Document, Problem, line_of
from daulat.manifest.documents import documents

from .governance import Namespaces
from .inventory import Inventory
from .judge import Judge, Options
from .report import Judged
from .templates import TooManyValues

# Documents that may hold a policy, a namespace or another object that others are judged by. Escapes and the tag !!binary can spell
# such a name, so they count too. All other documents are read only when they are judged, and not kept.
_MAY_JUDGE = re.compile(r"daulat\.dev|Namespace|CustomResourceDefinition|[\\!]")


@dataclass
class Run:
    """The input of a check."""

    inventory: Inventory = field(default_factory=Inventory)
    problems: list[Problem] = field(default_factory=list)
    objects: int = 0
    """Objects that were read so far."""
    skipped: int = 0
    """Documents without a Kubernetes object, in files that were found in a directory."""
    unbuilt: list[str] = field(default_factory=list)
    """Remarks on charts and kustomizations in directories, which aren't built."""
    taken: int = 0
    """How much of ``pending`` was taken up by ``judge`` so far."""
    _pending: list[tuple[Chunk, bool] | Document] = field(default_factory=list)

    def add(self, data: bytes, file: str, *, judged: bool = True, named: bool = True) -> None:
        """Take a file in. One that isn't judged only judges others; in one that isn't named foreign documents are skipped."""
        for chunk in chunks(data, file):
            if isinstance(chunk, Problem):
                self.problems.append(chunk)
            elif judged and not _MAY_JUDGE.search(chunk.text):
                self._pending.append((chunk, named))
            else:
                for document in self._read(chunk, named):
                    found = self.inventory.take(document)
                    self.problems += found
                    if judged and not found:
                        self._pending.append(document)

    def judge_by(self, documents: Iterable[Document]) -> None:
        """Judge by these objects too, such as a cluster's, where the input has none of the same name."""
        others = Inventory()
        for document in documents:
            self.problems += others.take(document)
        self.inventory.adopt(others)

    @property
    def pending(self) -> int:
        """How many parts of the input are to be judged."""
        return len(self._pending)

    @property
    def needs_no_policy(self) -> bool:
        """Whether all to be judged are AcceleratorProfiles and AcceleratorInventories, with zones: no policy judges those."""
        kinds = {(p.group, p.kind) if isinstance(p, Document) else ("", "") for p in self._pending}
        alone = {(GROUP, "AcceleratorProfile"), (GROUP, "AcceleratorInventory")}
        return bool(kinds & alone) and kinds <= {*alone, (GROUP, "SovereignZone")}

    def judge(self, options: Options, now: float) -> Iterator[Judged]:
        """Judge everything that was taken in, in the order of the input. ``now`` counts seconds since the epoch.

        An object that can't be judged becomes a problem.
        """
        policies, problems = self.inventory.compiled(now, options.cluster)
        self.problems += problems
        namespaces = Namespaces(self.inventory.namespaces)
        self.problems += self.inventory.refused(namespaces.of_protected(options.operator_namespace))
        judge = Judge(policies, self.inventory.known_profiles, namespaces, options, self.inventory.scopes)
        for document in self._documents():
            try:
                judged = judge.judge(document)
            except TooManyValues as error:
                self.problems.append(Problem(document.chunk.file, line_of(document, ()), str(error)))
            else:
                yield judged

    def _documents(self) -> Iterator[Document]:
        for number, pending in enumerate(self._pending):
            self.taken = number
            if isinstance(pending, Document):
                yield pending
            else:
                yield from self._read(*pending)

    def _read(self, chunk: Chunk, named: bool) -> Iterator[Document]:
        for each in documents(chunk):
            if isinstance(each, Document):
                self.objects += 1
                yield each
            elif isinstance(each, Problem):
                self.problems.append(each)
            elif named:
                message = f"not a Kubernetes object: {each.reason}"
                self.problems.append(Problem(each.chunk.file, each.chunk.line, message))
            else:
                self.skipped += 1
